"""/api/v1/ablations: what a checkpoint leans on, as a card that another lab can verify."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query, Response

from backend.ablations import drawing
from backend.ablations import service as ablations
from backend.ablations.views import AblationList, AblationView, VerificationView
from backend.db.session import reading_scope, session_scope
from backend.domain.ablation.card import Card, canonical
from backend.domain.ablation.planning import AblationRequest
from backend.kit import json_text
from backend.kit.errors import InvalidInput
from backend.kit.exports.table_files import File
from backend.queue import dispatch
from backend.web.deps import Configured, Database, RawBody, RunId, announce, attached, json_body
from backend.web.errors import responses
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, tags=["evaluations"])

AblationId = Annotated[int, Path(ge=1, le=2**62, description="Id of an ablation.", examples=[3])]
CARD = json_body({"type": "object", "description": "A card, as `GET /api/v1/ablations/{id}/card` gives it."})


@router.post("/runs/{run_id}/ablations", status_code=201, responses=responses(401, 404, 409, 413, 422))
def create_ablation(
    run_id: RunId, response: Response, engine: Database, settings: Configured, asked: AblationRequest
) -> AblationView:
    """Ablate a checkpoint: evaluate it with its context, demonstrations and settings changed one at a time.

    Evaluations that exist are not computed again. Asked for again, it is the same ablation, and those of
    its evaluations that failed or were cancelled resume.
    """
    with session_scope(engine) as session:
        view, started = ablations.request(session, settings, run_id, asked)
    send(started, view.run_id)
    response.headers["Location"] = f"/api/v1/ablations/{view.id}"
    return view


@router.get("/runs/{run_id}/ablations", responses=responses(401, 404))
def list_ablations(run_id: RunId, engine: Database) -> AblationList:
    """The ablations of a run, newest first."""
    with reading_scope(engine) as session:
        return AblationList(ablations=ablations.of_run(session, run_id))


@router.get("/ablations/{ablation_id}", responses=responses(401, 404, 422))
def read_ablation(ablation_id: AblationId, engine: Database) -> AblationView:
    """One ablation: every row with its score, the paired test against the right context, and its cost."""
    with reading_scope(engine) as session:
        return ablations.get(session, ablation_id)


@router.get("/ablations/{ablation_id}/card", response_class=Response, responses=responses(401, 404, 409, 422))
def export_card(
    ablation_id: AblationId,
    engine: Database,
    format: Annotated[Literal["json", "svg"], Query(description="The card, or its picture.")] = "json",
) -> Response:
    """The card of a finished ablation as a file: `etrm verify CARD` computes it again, in any lab that has
    the checkpoint. 409 until all its evaluations are finished."""
    with reading_scope(engine) as session:
        card = ablations.card(session, ablation_id)
        view = ablations.get(session, ablation_id)
    name = f"ablation-{card.checkpoint.run}-step-{card.checkpoint.step}"
    if format == "svg":
        return attached(File(f"{name}.svg", "image/svg+xml", str(drawing.draw(view)).encode()))
    return attached(File(f"{name}.json", "application/json", written(card)))


@router.post("/ablations/{ablation_id}/resume", responses=responses(401, 404, 409, 422))
def resume_ablation(ablation_id: AblationId, engine: Database, settings: Configured) -> AblationView:
    """Queue again those of its evaluations that failed or were cancelled; they resume where they stopped."""
    with session_scope(engine) as session:
        view, started = ablations.resume(session, settings, ablation_id)
    send(started, view.run_id)
    return view


@router.post("/ablations/{ablation_id}/cancel", responses=responses(401, 404, 422))
def cancel_ablation(ablation_id: AblationId, engine: Database) -> AblationView:
    """Cancel those of its evaluations that wait or run; what was under way before it continues."""
    with session_scope(engine) as session:
        view = ablations.cancel(session, ablation_id)
    announce(view.run_id)
    return view


@router.post(
    "/ablations/verify",
    responses=responses(401, 404, 409, 413, 422),
    openapi_extra=CARD,
)
def verify_card(body: RawBody, engine: Database, settings: Configured) -> VerificationView:
    """Does a card hold? Its digest and its numbers, the checkpoint and the tasks of this lab, and what this
    lab computes when it evaluates the checkpoint again. That takes a while: ask again for what came of it."""
    with session_scope(engine) as session:
        view, started = ablations.verify(session, settings, parsed(body))
    send(started)
    return view


def written(card: Card) -> bytes:
    """A card as its file: the canonical JSON that its digest is of, and the digest."""
    return f"{canonical(card.model_dump(mode='json'))}\n".encode()


def parsed(body: bytes) -> object:
    """The JSON of a card; InvalidInput where it is none."""
    try:
        return json_text.read(body)
    except (ValueError, RecursionError):
        raise InvalidInput("This is no ablation card.", "etrm ablate RUN writes one, as JSON.") from None


def send(started: ablations.Started, *run_ids: str) -> None:
    """Tell the workers, and who looks. After the commit."""
    for evaluation_id, workers in started:
        dispatch.send_evaluation(evaluation_id, workers)
    announce(*run_ids)
