"""`/runs/{id}`: one run, and the figures its curves are drawn from."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from backend.ablations import service as ablations
from backend.charts import figures as charts
from backend.charts import panels
from backend.charts.cache import Chart, as_json, charts_of, database_of
from backend.charts.lines import Clock, clock_of
from backend.charts.sparklines import sparkline
from backend.charts.view import MAX_STILLS, ChartView, Expressions, PanelIds, View, curves_of
from backend.data import service as datasets
from backend.db.session import reading_scope
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.model import EtrmModel
from backend.domain.health import Health
from backend.domain.histograms import about, title_of
from backend.domain.metrics import metric
from backend.evaluation_page.failure_modes import MODES, mode_courses
from backend.groups import service as groups
from backend.histograms import service as histograms
from backend.keeping import service as keeping
from backend.kit.errors import NotFound
from backend.launch import forms
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.metrics.service import Curve
from backend.run_page.contexts import HistogramFigure, RunPage
from backend.run_page.own_metrics import own_metrics
from backend.run_page.reproduce import Start, recipe, starts_of
from backend.run_view.health import of_run as health_of
from backend.run_view.learning import of_run as learning_of
from backend.run_view.views import RunView
from backend.runs import checkpoint_files, events, logs
from backend.web.deps import Configured, Database, RunId
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router
from backend.workers import service as workers

router = Router(reads=VIEWER, include_in_schema=False)

LOG_LINES = 200


@router.get("/runs/{run_id}")
def run_page(
    run_id: RunId,
    engine: Database,
    settings: Configured,
    view: View,
    request: Request,
    expr: Expressions = None,
) -> HTMLResponse:
    """The whole page but its predictions; curves are drawn here and wake up in the browser."""
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
        listed = workers.listed(session)
        parent = _parent(session, run)
        health = health_of(run)
        version = series.version(session, run_id)
        starts = starts_of(session, run_id)
        kept = keeping.kept_of(session, run_id)
        names = series.names(session, run_id)
        of_expressions, refused = panels.of_texts(expr or (), names, f"Run {run_id} has no metric")
        arranged = [*of_expressions, *panels.arranged(names)]
        distributions = [
            HistogramFigure(name, title_of(name), about(name), last)
            for name, last in histograms.last_steps(session, run_id).items()
        ]
        contents = _contents(run, health, starts, kept, distributions)
        context = RunPage(
            run=run,
            learning=learning_of(run),
            health=health,
            courses={each.metric: sparkline(session, run, each.metric) for each in health.evidence},
            histograms=distributions,
            panels=arranged,
            refused=refused,
            metrics=names,
            drawn={
                panel_id: chart.drawn
                for panel_id, chart in _charts(session, run, arranged[:MAX_STILLS], view).items()
            },
            view=view,
            config=forms.build(run.config, _defaults(run)) if run.origin == "training" else (),
            config_json=json.dumps(run.config, indent=2, ensure_ascii=False),
            parent=parent,
            of_parent=_texts(parent) if parent else {},
            starts=starts,
            recipe=recipe(run, starts, str(request.base_url)),
            kept=kept,
            best_by=str(keeping.goal_of(run.config)),
            weights={each.row.step: checkpoint_files.of(settings, each.row) for each in kept},
            log=logs.tail(session, run_id, limit=LOG_LINES),
            events=events.list(session, run_id),
            worker=next((worker for worker in listed if worker.id == run.worker_id), None),
            place=groups.place(session, run),
            sets=[each.name for each in datasets.sets(session)],
            courses_of_modes=mode_courses(run),
            ablations=ablations.of_run(session, run_id),
            meanings=MODES,
            version=version,
            is_external=run.origin == "external",
            own_metrics=own_metrics(run) if run.origin == "external" else (),
            empty_tabs=frozenset(tab for tab, content in contents.items() if not content),
        )
    return render(context)


@router.get("/runs/{run_id}/figures")
def figures(
    run_id: RunId, panel_ids: PanelIds, engine: Database, view: View, expr: Expressions = None
) -> Response:
    """Panels as Plotly figures, each with the version of the series from which its events continue."""
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
        names, wanted = series.names(session, run_id), []
        of_expressions, _ = panels.of_texts(expr or (), names, f"Run {run_id} has no metric")
        by_id = {panel.id: panel for panel in of_expressions}
        for panel_id in panel_ids:
            panel = by_id.get(panel_id) or panels.panel_of(names, panel_id)
            if panel is None:
                raise NotFound(f"Run {run_id} has no panel {panel_id!r}.", "Reload the page.")
            wanted.append(panel)
        made = _charts(session, run, wanted, view)
    return Response(as_json(made), media_type="application/json")


def _charts(
    session: Session, run: RunView, shown: Sequence[panels.Panel], view: ChartView
) -> dict[str, Chart]:
    """Panel id -> its chart, drawn now or before."""
    clock, version = _clock(session, run), series.version(session, run.id)
    alarms = tuple((alarm.name, alarm.step, alarm.text) for alarm in run.alarms)
    resumes = tuple(events.resumes(session, run.id))
    drawn_from = (version, run.variant, clock, alarms, resumes)

    def figure(panel: panels.Panel, curves: Mapping[str, Curve]) -> charts.Figure:
        made = charts.figure(
            panel, curves, run.variant, view.window(panel), run.alarms, clock, run.id, resumes
        )
        return {"version": version, **made}

    def read(names: Collection[str]) -> Mapping[str, Curve]:
        return curves_of(session, names, {run.id: clock}, view, panels.expressions_of(shown))[run.id]

    return charts_of(shown, (database_of(session), run.id), drawn_from, view, read, figure)


def _clock(session: Session, run: RunView) -> Clock:
    return clock_of(run, {each.name: each.tasks for each in datasets.available(session)})


def _contents(
    run: RunView,
    health: Health,
    starts: Sequence[Start],
    kept: Sequence[keeping.Kept],
    distributions: Sequence[HistogramFigure],
) -> Mapping[str, object]:
    """What the sections of an external run show that may never have anything to show; empty of others."""
    if run.origin != "external":
        return {}
    is_of_machine = any(metric(name).section in ("Machine", "System") for name in run.metrics)
    return {
        "encoder": health.evidence or run.alarms or distributions,
        "predictions": run.results,
        "evaluations": run.results,
        "config": run.config,
        "reproduce": starts,
        "checkpoints": kept,
        "machine": run.heartbeat or is_of_machine,
    }


def _parent(session: Session, run: RunView) -> RunView | None:
    try:
        return runs.get(session, run.parent_id) if run.parent_id else None
    except NotFound:  # deleted meanwhile
        return None


def _defaults(run: RunView) -> forms.Json:
    """The default config of the same kinds of model and encoder."""
    if run.experiment is None:  # a config that today's code cannot read
        return ExperimentConfig().model_dump(mode="json")
    model = run.experiment.model
    encoder = {"encoder": {"kind": model.encoder.kind}} if isinstance(model, EtrmModel) else {}
    kinds = {"kind": model.kind, **encoder}
    return parse_experiment({"model": kinds}).model_dump(mode="json")


def _texts(run: RunView) -> dict[str, str]:
    """Dotted path -> text of every field of a run's config."""
    sections = forms.build(run.config, {})
    fields = [part for section in sections for part in forms.walk(section)]
    return {field.path: field.text for field in fields if isinstance(field, forms.Field)}
