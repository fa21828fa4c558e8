"""`/runs/new`: the launch form, from a preset or a parent run; works with and without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain import metrics
from backend.domain.config.presets import PRESETS, Preset
from backend.domain.config.problems import apply_overrides, parse_experiment, parse_json
from backend.domain.experiment import ExperimentConfig
from backend.domain.parameter_search import ParameterSearch
from backend.domain.retention import REF
from backend.domain.sweeps import Sweep, sweepable
from backend.groups import service as groups
from backend.keeping import service as keeping
from backend.kit import json_text
from backend.kit.errors import Conflict, FieldProblem, InvalidConfig, InvalidInput, NotFound
from backend.kit.problems import invalid
from backend.launch import forms, sweep_form, training_tasks
from backend.launch.contexts import LaunchPage, SweepPreview
from backend.launch.form_values import read_form
from backend.launch.forms import Json
from backend.launch.sweep_form import SweepForm
from backend.lifecycle import input as run_input
from backend.lifecycle import service as runs
from backend.parameter_search import service as searches
from backend.queue import dispatch
from backend.queue import wait as queue_wait
from backend.run_view import estimates
from backend.run_view.views import RunView
from backend.runs_table import search as run_search
from backend.web.deps import Database, announce
from backend.web.rendering import render
from backend.web.routing import EDITOR, VIEWER, Router, needs
from backend.workers.capability import needs_of

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)

DEFAULT_PRESET = "quick"
BASELINES_OFFERED = 50
T = TypeVar("T")


@dataclass(frozen=True)
class Start:
    """What the form starts from: a preset, or the config of a parent run."""

    preset: str
    parent: RunView | None
    config: Json


@dataclass(frozen=True)
class Draft:
    """What stands in the form now."""

    values: Json
    config_json: str
    mode: str = "form"
    problems: Sequence[FieldProblem] = field(default=())
    sweep: SweepForm = field(default_factory=SweepForm)
    project: str = ""


async def _typed(request: Request) -> dict[str, str]:
    form = await request.form()
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    typed = dict(fields)
    if len(typed) < len(fields):
        names = [name for name, _ in fields]
        repeated = next(name for name in names if names.count(name) > 1)
        raise invalid("The form was not read.", repeated, "is sent twice.", "Reload the page and try again.")
    return typed


@router.get("/runs/new")
def launch_page(
    engine: Database,
    preset: str = DEFAULT_PRESET,
    parent: Annotated[str | None, Query(alias="from")] = None,
    checkpoint: Annotated[str | None, Query(pattern=REF)] = None,
    weights: str = "ema",
    changes: Annotated[list[str] | None, Query(alias="set", max_length=20)] = None,
) -> Response:
    """The form as a preset or a parent run fills it; with a checkpoint of the parent, as a fork from that.

    `set` changes fields, as `--set` of the commands does: `training.steps=300`.
    """
    with reading_scope(engine) as session:
        start = _start(session, preset, parent)
        values = apply_overrides(start.config, changes or [])
        if changes:
            parse_experiment(values)  # names the field that is wrong
        if start.parent and checkpoint is not None:
            step = keeping.step_of(session, start.parent.id, checkpoint)
            values = runs.forked(start.parent.id, values, step, weights)
        project = start.parent.project if start.parent else ""
        return _page(session, start, Draft(values, _pretty(values), project=project))


@router.post("/runs/new")
def launch(engine: Database, typed: Annotated[dict[str, str], Depends(_typed)]) -> Response:
    """Launch what the form says; with `action=show` only show what it means so far."""
    draft = _draft(typed)
    mode = draft.mode
    with reading_scope(engine) as session:
        start = _start(session, typed.get("preset") or DEFAULT_PRESET, typed.get("from") or None)
        if typed.get("action") == "show":
            kept = draft.problems if mode == "json" else ()
            return _page(session, start, replace(draft, problems=kept))
        try:
            config = _config(session, draft)
            run_input.checked_project(draft.project)
        except InvalidInput as error:
            refused = replace(draft, problems=error.problems)
            return _page(session, start, refused, HTTPStatus.UNPROCESSABLE_ENTITY)
        asked = _checked(session, draft.sweep, config)
        if asked.problems:
            return _page(session, start, draft, HTTPStatus.UNPROCESSABLE_ENTITY)
    parent_id = start.parent.id if start.parent else None
    try:
        if asked.search:
            return _launch_search(engine, config, asked.search, asked.name, parent_id, draft.project)
        if asked.sweep:
            return _launch_group(engine, config, asked.sweep, asked.name, parent_id, draft.project)
        with session_scope(engine) as session:
            run = runs.create(session, config, parent_id, draft.project)
    except Conflict as error:  # more than may wait
        full = replace(draft, problems=(FieldProblem("", error.message, error.hint),))
        with reading_scope(engine) as session:
            return _page(session, start, full, HTTPStatus.CONFLICT)
    dispatch.send(run.id)
    announce(run.id)
    return RedirectResponse(f"/runs/{run.id}", HTTPStatus.SEE_OTHER)


@router.post("/runs/new/preview")
@needs(VIEWER)
def preview(engine: Database, typed: Annotated[dict[str, str], Depends(_typed)]) -> Response:
    """Which runs the form would launch, as a part of its page."""
    with reading_scope(engine) as session:
        return render(SweepPreview(_sweep(session, _draft(typed))))


def _launch_group(
    engine: Engine, config: ExperimentConfig, sweep: Sweep, name: str, parent_id: str | None, project: str
) -> Response:
    """Make the runs of a sweep, and go to their page."""
    with session_scope(engine) as session:
        group = groups.create(session, config, sweep, name, parent_id, project)
    dispatch.send_all(run.id for run in group.runs)
    announce()
    return RedirectResponse(f"/groups/{group.id}", HTTPStatus.SEE_OTHER)


def _launch_search(
    engine: Engine,
    config: ExperimentConfig,
    search: ParameterSearch,
    name: str,
    parent_id: str | None,
    project: str,
) -> Response:
    """Start a parameter search, and go to its page."""
    with session_scope(engine) as session:
        group_id = searches.create(session, config, search, name, parent_id, project).id
    announce()
    return RedirectResponse(f"/groups/{group_id}", HTTPStatus.SEE_OTHER)


def _draft(typed: Mapping[str, str]) -> Draft:
    """What was sent, as it stands in the form."""
    as_json = typed.get("mode") == "json"
    draft = _from_json(typed.get("config_json", "")) if as_json else _from_form(typed)
    return replace(draft, sweep=sweep_form.read(typed), project=typed.get("project", ""))


def _config(session: Session, draft: Draft) -> ExperimentConfig:
    """The config of a draft; InvalidConfig says what is wrong with it."""
    as_json = draft.mode == "json"
    config = parse_json(draft.config_json) if as_json else parse_experiment(draft.values)
    run_input.check_names(session, config)
    return config


def _sweep(session: Session, draft: Draft) -> SweepForm:
    """The draft's sweep with what it makes of the draft's config, if that is valid."""
    try:
        config = _config(session, draft)
    except InvalidConfig:
        return _checked(session, draft.sweep, None)
    return _checked(session, draft.sweep, config)


def _checked(session: Session, form: SweepForm, config: ExperimentConfig | None) -> SweepForm:
    return sweep_form.checked(
        form, config, partial(groups.planned, session), partial(searches.check, session)
    )


def _start(session: Session, preset: str, parent_id: str | None) -> Start:
    if parent_id:
        parent = runs.get(session, parent_id)
        if parent.origin != "training":
            raise NotFound(
                f"Run {parent_id} is an external run: it has no config to launch.",
                "Start from a preset instead.",
            )
        return Start("", parent, apply_overrides(parent.config, []))  # with what is newer than the parent
    if preset not in PRESETS:
        raise NotFound(f"Preset {preset!r} not found.", f"Choose one of {', '.join(PRESETS)}.")
    return Start(preset, None, PRESETS[preset].make().model_dump(mode="json"))


def _from_form(typed: Mapping[str, str]) -> Draft:
    values = apply_overrides(read_form(typed), [])  # a newly chosen kind gets its defaults
    return Draft(values, _pretty(values))


def _from_json(text: str) -> Draft:
    """The whole config that pasted JSON means; where it means none, the defaults with its problems."""
    try:
        values: Json = apply_overrides(json_text.read(text), [])
    except (ValueError, RecursionError, InvalidConfig):
        values = ExperimentConfig().model_dump(mode="json")
    try:
        parse_json(text)
    except InvalidConfig as error:
        return Draft(values, text, "json", error.problems)
    return Draft(values, text, "json")


def _page(session: Session, start: Start, draft: Draft, status: int = HTTPStatus.OK) -> Response:
    sections = forms.build(draft.values, start.config, draft.problems)
    context = LaunchPage(
        presets=_by_size(),
        chosen=PRESETS.get(start.preset),
        parent=start.parent,
        sections=sections,
        changes=[part for section in sections for part in forms.walk(section) if forms.is_changed(part)],
        project=draft.project,
        projects=run_search.projects(session),
        config_json=draft.config_json,
        mode=draft.mode,
        is_refused=status != HTTPStatus.OK,
        problems=draft.problems,
        unplaced=forms.unplaced(sections, draft.problems),
        sets=[each.name for each in datasets.available(session)],
        series=metrics.OF_TRAINING,
        baselines=run_search.find(session, limit=BASELINES_OFFERED, metrics=()).runs,
        wait=queue_wait.of(session, needs_of(draft.values)),
        sweep=_sweep(session, draft),
        sweepable=list(sweepable().values()),
        estimate=_if_valid(session, draft, estimates.of),
        obstacle=_obstacle(session, draft),
        training_tasks=_if_valid(session, draft, training_tasks.of),
    )
    return render(context, status)


def _if_valid(
    session: Session, draft: Draft, said: Callable[[Session, ExperimentConfig], T | None]
) -> T | None:
    """What is said of the draft's config; None while that is not valid."""
    try:
        config = _config(session, draft)
    except InvalidConfig:
        return None
    return said(session, config)


def _obstacle(session: Session, draft: Draft) -> FieldProblem | None:
    """The first thing that is wrong with the draft's config."""
    try:
        _config(session, draft)
    except InvalidConfig as error:
        return next(iter(error.problems), None)
    return None


def _by_size() -> dict[str, list[Preset]]:
    """The presets under what they take."""
    quick = [preset for preset in PRESETS.values() if preset.name.startswith(DEFAULT_PRESET)]
    full = [preset for preset in PRESETS.values() if preset not in quick]
    return {"Minutes, on two CPU cores": quick, "Full size, on GPUs": full}


def _pretty(values: Json) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False)
