"""`python -m worker.service.evaluate EVALUATION_ID SHARE_ID`: one share of an evaluation, in its own process.

It takes batch after batch of the plan, and writes what each votes for in one transaction together with the
outcomes that are complete with it: a kill at any moment loses the batch in hand and nothing else.
Exit status: 0 nothing left to take · 75 left because it was asked to, or because the share has ended ·
1 failed, 77 failed by a fault of this machine: both with cause and traceback in the job's row.
"""

from __future__ import annotations

import faulthandler
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.arc.votes import QuestionVotes, pack_votes, unpack_votes
from backend.domain.experiment import augments
from backend.domain.experiment.adaptation import adaptation_of
from backend.domain.experiment.search import search_of
from backend.domain.interventions import kind_of
from backend.domain.records import COMPUTED_BY, WITHOUT_EMBEDDING, EvaluationKey
from backend.domain.trained_on import TrainedOn
from backend.evaluation import jobs as queue
from backend.evaluation import outcomes as predictions
from backend.evaluation.jobs import Share, ShareLost
from backend.kit.errors import NotFound, Unavailable
from backend.runs import trained_on
from backend.scores import job_queries as jobs
from backend.settings import Settings
from backend.web import notify
from worker.kit.stopping import Stopped
from worker.recording.database_tasks import DbTasks
from worker.recording.patience import PatientTasks, waited_out
from worker.service.faults import NODE_FAULT, is_of_the_node
from worker.service.fetching import fetch_step
from worker.service.provenance import code
from worker.service.supervision import STOPPED
from worker.service.train import FAILED, cause_of
from worker.training.stop import StopSignal

if TYPE_CHECKING:
    from worker.evaluation.plan import Plan, PlannedBatch
    from worker.evaluation.views import Question
    from worker.training.scoring import Loaded

T = TypeVar("T")
TELL_EVERY = 0.5  # seconds between two notifications


def main(evaluation_id: int, share_id: int) -> int:
    """Carry out the share; returns the exit status."""
    faulthandler.enable()  # a crash in native code leaves its stack on the console
    settings = Settings.load()
    engine = make_engine(settings.database_url)
    share = Share(share_id, evaluation_id, "", "")
    with StopSignal().on_signals() as stop:
        try:
            _Work(engine, settings, share, stop).to_the_end()
        except ShareLost as lost:
            print(f"Leaving: {lost} is no longer this process's.", file=sys.stderr)
            return STOPPED
        except Exception as error:  # noqa: BLE001 — whatever it is, the evaluation's page must say it
            if isinstance(error, Unavailable) and stop.requested:
                print(f"Leaving without the database: {error}", file=sys.stderr)
                return STOPPED
            _report(engine, share, error)
            return NODE_FAULT if is_of_the_node(error) else FAILED
    return STOPPED if stop.requested else 0


@dataclass
class _Work:
    """A share on its way from batch to batch."""

    engine: Engine
    settings: Settings
    share: Share
    stop: StopSignal
    told_at: float = 0.0

    def to_the_end(self) -> None:
        """Compute what there is to take, or leave when asked to."""
        from worker.data import given_away
        from worker.evaluation.evaluator import answer
        from worker.evaluation.judging import not_fitting
        from worker.training.scoring import load_checkpoint  # takes seconds: torch

        key, run_id, options, recorded = waited_out(self._job, self.stop)
        source = PatientTasks(DbTasks(self.engine), self.stop)
        folder = self.settings.artifacts / run_id
        waited_out(lambda: fetch_step(self.engine, self.settings, run_id, key.step), self.stop)
        loaded = load_checkpoint(folder, key.step, _changes(key, options), source, recorded)
        wanted = set(key.task_ids)
        tasks = [task for task in source.tasks(key.set_name) if task.id in wanted]
        tasks.sort(key=lambda task: task.id)
        plan = loaded.plan(tasks, key.views, kind_of(key.intervention))
        failed = [not_fitting(each, loaded.config) for each in plan.fitting_none]
        check = given_away.check(
            loaded.trained_on, source, {key.set_name: tasks}, augmented=augments(loaded.config)
        )
        facts = check.extras | {COMPUTED_BY: code() | {"device": loaded.device.name}}
        if apart := plan.without_embedding:
            facts[WITHOUT_EMBEDDING] = {"tasks": apart}
        self._write(lambda session: self._begin(session, loaded, plan, failed, key, facts))
        while not self.stop.requested:
            number = self._write(lambda session: queue.take(session, self.share))
            if number is None:
                break
            planned, started = plan.batch(number), time.monotonic()
            try:
                answers = answer(
                    loaded.reasoner, loaded.config, planned, key.act_steps, loaded.adapter, self.stop
                )
            except Stopped:
                break  # the batch is freed with the share
            seconds = time.monotonic() - started
            self._deliver(planned, answers, seconds, plan, loaded, key)
            self._tell(run_id)
        notify.run_changed(run_id)

    def _job(self) -> tuple[EvaluationKey, str, dict[str, Any], TrainedOn | None]:
        """What is to be scored, of which run, with which options, and what that was trained on."""
        with reading_scope(self.engine) as session:
            found = jobs.get(session, self.share.evaluation_id)
            if found is None:
                raise NotFound(f"Evaluation {self.share.evaluation_id} not found.")
            evaluation, job = found
            run_id = evaluation.run_id
            recorded = trained_on.of_run(session, run_id)
            return predictions.key_of(evaluation), run_id, job.options, recorded

    def _begin(
        self,
        session: Session,
        loaded: Loaded,
        plan: Plan,
        failed: list[Any],
        key: EvaluationKey,
        facts: dict[str, Any],
    ) -> None:
        name = loaded.device.name
        queue.begin(session, self.share, name, plan.batches, plan.views, plan.cells, failed)
        if facts:
            queue.note(session, self.share, facts)
        self._complete_if_done(session, key)

    def _deliver(
        self,
        planned: PlannedBatch,
        answers: list[QuestionVotes],
        seconds: float,
        plan: Plan,
        loaded: Loaded,
        key: EvaluationKey,
    ) -> None:
        """Write one batch, every outcome that is complete with it, and the scores after the last."""
        packed = pack_votes(answers)
        views, cells = len(planned.views), planned.cells

        def write(session: Session) -> None:
            queue.deliver(session, self.share, planned.number, packed, views, cells, seconds)
            for question in planned.questions:
                self._judge(session, question, plan, loaded)
            self._complete_if_done(session, key)

        self._write(write)

    def _judge(self, session: Session, question: Question, plan: Plan, loaded: Loaded) -> None:
        """Write the outcome of a question all of whose batches are done, whoever computed them."""
        from worker.evaluation.evaluator import outcome_of

        evaluation_id = self.share.evaluation_id
        if queue.is_judged(session, evaluation_id, *question.name):
            return
        packed = queue.votes(session, evaluation_id, plan.batches_of(question))
        if packed is None:
            return
        parts = [
            part
            for each in packed
            for part in unpack_votes(each)
            if (part.task_id, part.test_index) == question.name
        ]
        outcome = outcome_of(question, parts, plan, loaded.config)
        queue.judged(session, self.share, outcome)

    def _complete_if_done(self, session: Session, key: EvaluationKey) -> None:
        from worker.evaluation.evaluator import summarise

        if queue.is_complete(session, self.share):
            outcomes = predictions.outcomes(session, self.share.evaluation_id)
            queue.complete(session, self.share, summarise(key, outcomes, 0.0))

    def _write(self, work: Callable[[Session], T]) -> T:
        """One transaction, once the database takes it."""

        def write() -> T:
            with session_scope(self.engine) as session:
                return work(session)

        return waited_out(write, self.stop)

    def _tell(self, run_id: str) -> None:
        if time.monotonic() - self.told_at > TELL_EVERY:
            self.told_at = time.monotonic()
            notify.run_changed(run_id)


def _changes(key: EvaluationKey, options: dict[str, Any]) -> dict[str, Any]:
    """How the evaluation differs from the run's own config: what is not asked for is off.

    What its key names is taken from the key: a job of an earlier version is computed as it is labelled.
    """
    adaptation, search = adaptation_of(key.adaptation), search_of(key.search)
    return {
        "trim": None,
        **options,
        **({"adaptation": adaptation.model_dump(mode="json")} if adaptation else {}),
        **({"search": search.model_dump(mode="json")} if search else {}),
        "sets": [{"name": key.set_name, "first_tasks": None}],
        "views": key.views,
        "distinct_views": key.distinct_views,
        "act_steps": key.act_steps,
        "weights": key.weights,
    }


def _report(engine: Engine, share: Share, error: Exception) -> None:
    """Keep cause and traceback in the job's row; the console has them in any case."""
    text = "".join(traceback.format_exception(error))
    print(text, file=sys.stderr, flush=True)
    try:
        with session_scope(engine) as session:
            queue.report_error(session, share, cause_of(error), text)
    except (Unavailable, ShareLost) as away:
        print(away, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
