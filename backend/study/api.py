"""/api/v1/studies: start a study of claims, read its verdicts, stop, continue and export it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast, get_args

from fastapi import Path, Query, Response
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.domain.study import Study, parse_study
from backend.kit.errors import NotFound
from backend.kit.exports.figures import figure_file
from backend.kit.exports.table_files import check
from backend.kit.exports.typeset import Typesetting
from backend.kit.model import Model
from backend.kit.problems import invalid, unknown
from backend.study import library, paper
from backend.study import service as studies
from backend.study.views import StudyOutline, StudySummary, StudyView
from backend.web.deps import Database, FigureFormat, FigureWidth, InParts, announce, attached, json_body
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/studies", tags=["studies"])

StudyId = Annotated[str, Path(description="Id of a study: ten letters and digits.", examples=["q8s2m4k1zz"])]
Typeset = Annotated[str, Query(max_length=40, description="latex (booktabs), typst or markdown.")]
BODY = json_body(
    {"$ref": "#/components/schemas/NewStudy"},
    the_discussion={"study": "discussion", "scale": "laptop", "hours": 1.5},
)
MAX_NAME = 40  # characters
PREVIEW = json_body({"$ref": "#/components/schemas/Unstarted"}, the_discussion={"study": "discussion"})


class NewStudy(Input):
    """A study, at one of its scales."""

    study: Any = Field(description="Name of one that comes with the lab, or its definition as an object.")
    name: str = Field("", max_length=MAX_NAME, description="Of a definition; empty: study.")
    scale: str = Field("laptop", max_length=40, description="One of the study's scales.")
    hours: float | None = Field(None, description="Budget, by the clock; null: that of the scale.")
    project: str = Field("", description="Project of its runs; empty: none.", examples=["arc-2"])


class Unstarted(Input):
    """A study that is only read."""

    study: Any = Field(description="Name of one that comes with the lab, or its definition as an object.")
    name: str = Field("", max_length=MAX_NAME, description="Of a definition; empty: study.")
    scale: str = Field("", max_length=40, description="One of the study's scales; empty: its first.")


class Budget(Input):
    """What may be spent from now on."""

    hours: float | None = Field(None, description="All hours of the study; null: as before.")


class StudyList(Model):
    """Studies, newest first, and those that come with the lab."""

    studies: list[StudySummary]
    available: list[str] = Field(examples=[["discussion"]])


@router.get("", responses=responses(401, 422))
def list_studies(
    engine: Database, limit: Annotated[int, Query(ge=1, le=studies.MAX_LIMIT)] = 50
) -> StudyList:
    """List the studies, newest first."""
    with reading_scope(engine) as session:
        return StudyList(studies=studies.find(session, limit), available=library.names())


@router.post("", status_code=201, responses=responses(401, 404, 413, 422), openapi_extra=BODY)
def create_study(body: NewStudy, response: Response, engine: Database) -> StudyView:
    """Start a study; its first runs are queued within seconds."""
    study, name = _study(body)
    with session_scope(engine) as session:
        view = studies.create(session, study, name, body.scale, body.hours, body.project)
    announce()
    response.headers["Location"] = f"/api/v1/studies/{view.id}"
    return view


@router.post("/preview", responses=responses(401, 404, 413, 422), openapi_extra=PREVIEW)
@needs(VIEWER)
def preview_study(body: Unstarted) -> StudyOutline:
    """Read a study before it is started: its claims with their bars, its runs and its budget."""
    study, name = _study(body)
    return studies.outline(study, name, body.scale)


@router.get("/{study_id}", responses=responses(401, 404))
def read_study(study_id: StudyId, engine: Database) -> StudyView:
    """One study: every claim with its verdict as it stands now, its numbers and what they rest on."""
    with reading_scope(engine) as session:
        return studies.get(session, study_id)


@router.post("/{study_id}/stop", responses=responses(401, 404))
def stop_study(study_id: StudyId, engine: Database) -> StudyView:
    """Queue nothing further. What waits or runs continues to its end."""
    with session_scope(engine) as session:
        return studies.stop(session, study_id)


@router.post("/{study_id}/continue", responses=responses(401, 404, 409, 422))
def continue_study(body: Budget, study_id: StudyId, engine: Database) -> StudyView:
    """Continue a study that was stopped or is finished, with more hours where they are given."""
    with session_scope(engine) as session:
        return studies.resume(session, study_id, body.hours)


@router.get("/{study_id}/table", response_class=Response, responses=responses(401, 404, 422))
def study_table(study_id: StudyId, engine: Database, format: Typeset = "latex") -> Response:
    """The claims with their verdicts and numbers, typeset for a paper."""
    check("format", format, get_args(Typesetting))
    with reading_scope(engine) as session:
        study = studies.get(session, study_id)
    return attached(paper.table_file(study, cast(Typesetting, format)))


@router.get("/{study_id}/report", response_class=Response, responses=responses(401, 404))
def study_report(study_id: StudyId, engine: Database) -> Response:
    """The study as its page shows it, in Markdown."""
    with reading_scope(engine) as session:
        return attached(paper.report(studies.get(session, study_id)))


@router.get("/{study_id}/figure", response_class=Response, responses=responses(401, 404, 422, 503))
def study_figure(
    study_id: StudyId,
    engine: Database,
    claim: Annotated[str, Query(max_length=40, description="Name of the claim.", examples=["guided"])],
    format: FigureFormat = "pdf",
    width: FigureWidth = "3.5",
) -> Response:
    """The shares that a claim rests on, as a figure for a paper. Needs the extra `paper`."""
    with reading_scope(engine) as session:
        study = studies.get(session, study_id)
    named = {each.name: each for each in study.claims}
    if claim not in named:
        raise unknown("claim", claim, named)
    figure = paper.figure(named[claim])
    if figure is None:
        raise NotFound(f"Claim {claim!r} has no figure yet.", "It is drawn once a share is measured.")
    return attached(figure_file(figure, width, format))


@router.get("/{study_id}/paper", response_class=Response, responses=responses(401, 404, 503))
def study_paper(study_id: StudyId, engine: Database) -> InParts:
    """A zip: the table in LaTeX, Typst and Markdown, a figure for each claim, its data, all numbers as JSON.

    Needs the extra `paper`.
    """
    with reading_scope(engine) as session:
        study = studies.get(session, study_id)
    return InParts(paper.archive_of(study))


def _study(body: NewStudy | Unstarted) -> tuple[Study, str]:
    """The study that a body names or describes, and what it is called."""
    if isinstance(body.study, str):
        return library.study_called(body.study), body.study
    if not isinstance(body.study, Mapping):
        hint = f"Known names: {', '.join(library.names())}."
        raise invalid(studies.NOT_STARTED, "study", "must be a name or a definition.", hint)
    return parse_study(body.study), body.name.strip() or "study"
