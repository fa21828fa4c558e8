"""Facts of many runs at once, each kind fetched by one query and only when something asks for it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import cached_property, partial
from typing import Literal

from sqlalchemy.orm import Session

from backend.db import clock
from backend.domain.experiment.identity import read_stored
from backend.domain.hypothesis.view import view_of
from backend.domain.measurement import protocol_of
from backend.domain.trained_on import Standing
from backend.kit.boundary import Broken, shielded
from backend.kit.format import counted, finite
from backend.metrics import recent
from backend.metrics import service as series
from backend.metrics.recent import Recent
from backend.people import service as accounts
from backend.run_view import queries as rows
from backend.run_view.headline import held_out
from backend.run_view.learning import ACCURACIES
from backend.run_view.learning import METRICS as JUDGED
from backend.run_view.views import (
    AlarmView,
    DeliveryView,
    GroupName,
    HeartbeatView,
    MetricView,
    ProgressView,
    ResultView,
    RunView,
    TrainedOnView,
)
from backend.runs import group_queries as group_rows
from backend.runs import order_queries as queue_order
from backend.runs import queries as run_rows
from backend.runs import trained_on
from backend.runs.status import LOGGING, RunStatus
from backend.runs.tables import Alarm, Run
from backend.runs.turns import Turn, turns
from backend.scores.measured import embedding_fields, passed, standing_fields, view_fields
from backend.scores.standing import standings
from backend.scores.tables import Evaluation
from backend.workers import waiting


class Facts:
    """What is known about `runs`: values for a filter and views for a page.

    Of the metrics only those called `metrics`; None means all, which is for one run rather than many.
    """

    def __init__(self, session: Session, runs: Sequence[Run], metrics: Collection[str] | None = None) -> None:
        self._session = session
        self._runs = runs
        self._metric_names = metrics
        self._ids = [run.id for run in runs]
        self._now = time.time()

    def views(self) -> list[RunView]:
        """Every run, in the given order."""
        return [self.view(run) for run in self._runs]

    def view(self, run: Run) -> RunView:
        """One of the runs. What of it cannot be read is left out, and `problem` says so."""
        made = shielded(f"run {run.id}", lambda: self._view(run))
        return _bare(run, made) if isinstance(made, Broken) else made

    def _view(self, run: Run) -> RunView:
        experiment = read_stored(run.config) if run.origin == "training" else None
        view = RunView(
            id=run.id,
            name=run.name,
            origin=run.origin,
            variant=run.variant,
            seed=run.seed,
            status=RunStatus(run.status),
            status_cause=run.status_cause,
            waiting_reasons=self._waiting_reasons(run),
            progress=_progress(run),
            step=run.step,
            config=experiment.model_dump(mode="json") if experiment else run.config,
            owner=self._owner_names.get(run.owner_id) if run.owner_id is not None else None,
            project=run.project,
            tags=run.tags,
            notes=run.notes,
            archived=run.archived_at is not None,
            variation=run.variation,
            parent_id=run.parent_id,
            group=self._group(run),
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            duration=self._duration(run),
            trained_on=self._trained_on.get(run.id),
            results=self._results.get(run.id, []),
            metrics=self._metrics.get(run.id, {}),
            alarms=self._alarms.get(run.id, []),
            hypothesis=view_of(run.config, run.judgement),
            heartbeat=self._heartbeat(run),
            checkpoint_step=self._checkpoint_steps.get(run.id),
            worker_id=run.worker_id,
            traceback=run.traceback,
        )
        view.__dict__["experiment"] = experiment  # that it would read again from the config
        if self._metric_names is None or set(JUDGED).issubset(self._metric_names):
            view.__dict__["recent"] = self._recent.get(run.id, {})
        return view

    def held_out(self) -> dict[str, ResultView]:
        """Run id -> the result that `pass1` in a filter and a table means, of the runs that have one."""
        found = {}
        for run in self._runs:
            config = read_stored(run.config) if run.origin == "training" else None
            result = shielded(
                f"scores of run {run.id}", partial(held_out, config, self._results.get(run.id, []))
            )
            if isinstance(result, ResultView):
                found[run.id] = result
        return found

    @cached_property
    def _results(self) -> dict[str, list[ResultView]]:
        evaluated = rows.evaluations(self._session, self._ids)
        standing = standings(self._session, self._runs, [each for each, _ in evaluated])
        found = defaultdict(list)
        for each, scored in evaluated:
            made = shielded(f"evaluation {each.id}", partial(_result, each, scored, standing[each.id]))
            if not isinstance(made, Broken):  # of one that cannot be read the run's other facts stand
                found[each.run_id].append(made)
        return dict(found)

    @cached_property
    def _trained_on(self) -> dict[str, TrainedOnView]:
        found = trained_on.shortages(self._session, self._ids)
        return {run_id: TrainedOnView.of(each) for run_id, each in found.items()}

    @cached_property
    def _recent(self) -> dict[str, dict[str, Recent]]:
        found: dict[str, dict[str, Recent]] = {}
        for name, of_runs in recent.means(self._session, ACCURACIES, self._ids).items():
            for run_id, mean in of_runs.items():
                found.setdefault(run_id, {})[name] = mean
        return found

    @cached_property
    def _metrics(self) -> dict[str, dict[str, MetricView]]:
        names = self._metric_names
        if names is None:
            names = rows.metric_names(self._session, self._ids)
        latest = series.latest(self._session, self._ids, names)
        return {
            run_id: {name: _metric(line) for name, line in by_name.items()}
            for run_id, by_name in latest.items()
        }

    @cached_property
    def _alarms(self) -> dict[str, list[AlarmView]]:
        found = defaultdict(list)
        for each in rows.alarms(self._session, self._ids):
            view = AlarmView(
                name=each.name,
                step=each.step,
                value=finite(each.value),
                threshold=finite(each.threshold),
                text=each.text,
                delivery=_delivery(each),
            )
            found[each.run_id].append(view)
        return dict(found)

    @cached_property
    def _checkpoint_steps(self) -> dict[str, int]:
        return rows.checkpoint_steps(self._session, self._ids)

    @cached_property
    def _group_names(self) -> dict[str, str]:
        return group_rows.names(self._session, {run.group_id for run in self._runs if run.group_id})

    @cached_property
    def _turns(self) -> dict[str, Turn]:
        return turns(queue_order.queued(self._session))

    @cached_property
    def _owner_names(self) -> dict[int, str]:
        owned = any(run.owner_id is not None for run in self._runs)
        return accounts.names(self._session) if owned else {}

    @cached_property
    def _fleet(self) -> waiting.Fleet:
        return waiting.fleet_of(self._session)

    def _waiting_reasons(self, run: Run) -> list[str]:
        if run.status != RunStatus.QUEUED or run.id not in self._turns:  # taken since its row was read
            return []
        turn = self._turns[run.id]
        return waiting.reasons_for(waiting.Job(turn.ahead, run, turn=turn), self._fleet)

    def _group(self, run: Run) -> GroupName | None:
        name = self._group_names.get(run.group_id) if run.group_id else None
        return GroupName(id=run.group_id, name=name) if run.group_id and name is not None else None

    def _duration(self, run: Run) -> float | None:
        if run.started_at is None:
            return None
        heard = run.beat_at if run.status == RunStatus.LOST else None
        return max(0.0, (run.finished_at or heard or self._now) - run.started_at)

    @cached_property
    def _database_now(self) -> float:
        return clock.read(self._session)

    def _heartbeat(self, run: Run) -> HeartbeatView | None:
        if run.origin != "external" or run.status not in LOGGING or run.beat_at is None:
            return None
        seconds, due = run.beat_seconds or 0.0, run.beat_due or run.beat_at
        silent = run.status == RunStatus.LOST or self._database_now > due
        return HeartbeatView(
            seconds=seconds,
            last_at=run.beat_at,
            due_at=due,
            silent_since=run.beat_at if silent else None,
        )


def held_out_of(session: Session, run_ids: Collection[str]) -> dict[str, ResultView]:
    """The same of the runs with these ids, of which only those that were evaluated are loaded."""
    evaluated = run_rows.with_ids(session, rows.evaluated(session, run_ids))
    return Facts(session, evaluated, ()).held_out()


def _bare(run: Run, broken: Broken) -> RunView:
    """A run of which something stored cannot be read: its row, and what is wrong."""
    return RunView(
        id=run.id,
        name=str(run.name),
        origin=run.origin,
        variant=run.variant or "",
        seed=run.seed,
        status=RunStatus(run.status),
        status_cause=broken.text,
        waiting_reasons=[],
        progress=ProgressView(phase="", done=0, total=0, share=None, seconds_left=None),
        step=run.step,
        config={},
        tags=[],
        notes="",
        variation=run.variation,
        parent_id=None,
        group=None,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration=None,
        results=[],
        metrics={},
        alarms=[],
        hypothesis=None,
        checkpoint_step=None,
        worker_id=None,
        traceback="",
        problem=broken.text,
    )


def _progress(run: Run) -> ProgressView:
    return ProgressView(
        phase=run.phase,
        done=run.done,
        total=run.total,
        share=run.done / run.total if run.total else None,
        seconds_left=run.seconds_left,
    )


def _delivery(row: Alarm) -> DeliveryView:
    tried = f"tried {counted(row.delivery_attempts, 'time')}"
    state: Literal["delivered", "waiting", "given_up", "not_sent"]
    if row.delivered_at is not None:
        again = f" after {row.delivery_attempts} tries" if row.delivery_attempts > 1 else ""
        state, words = "delivered", f"delivered{again}"
    elif row.deliver_after is not None:
        why = row.delivery_error or "the last attempt was interrupted"
        waits = f"not delivered yet: {why}; {tried}"
        state, words = "waiting", waits if row.delivery_attempts else "sending to the webhook"
    elif row.delivery_attempts:
        state, words = "given_up", f"not delivered: {row.delivery_error}; given up, {tried}"
    else:
        state, words = "not_sent", "not sent: no webhook configured"
    return DeliveryView(
        state=state,
        attempts=row.delivery_attempts,
        error=row.delivery_error,
        delivered_at=row.delivered_at,
        next_try_at=row.deliver_after if state == "waiting" else None,
        words=words,
    )


def _metric(line: series.Latest) -> MetricView:
    return MetricView(last=line.value, min=line.min, max=line.max, step=line.step)


def _result(row: Evaluation, scored: int, standing: Standing) -> ResultView:
    return ResultView(
        id=row.id,
        **view_fields(protocol_of(row)),
        **standing_fields(standing),
        **embedding_fields(row),
        step=row.step,
        scored=scored,
        status=row.status,
        passes=sorted((passed(int(k), *score) for k, score in row.passes.items()), key=lambda each: each.k),
        failure_modes=row.failure_modes,
        seconds=row.seconds if row.status == "finished" else None,
        finished_at=row.finished_at,
    )
