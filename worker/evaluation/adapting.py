"""Where an evaluation meets test-time training: the model that answers a task, and what making it took."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from backend.domain.arc.task import Task
from backend.domain.arc.votes import AdaptationTrace
from backend.domain.experiment import ExperimentConfig, NoAdaptation
from worker.data.puzzles import PuzzleTable
from worker.evaluation.plan import PlannedBatch
from worker.kit.stopping import Stop
from worker.models.reasoner import Reasoner


class Adapted(NamedTuple):
    """The model that answers a task."""

    reasoner: Reasoner
    trace: AdaptationTrace | None  # None where it is the one that answers every task


class Adapter(Protocol):
    """Makes the model that answers a task out of its demonstrations."""

    @property
    def puzzles(self) -> PuzzleTable:
        """The puzzle table of the models that it makes, from which their batches are planned."""
        ...

    def adapted(self, task: Task, stop: Stop | None = None) -> Adapted:
        """Stopped where a stop is asked for before it is done."""
        ...


def answering(
    reasoner: Reasoner,
    config: ExperimentConfig,
    planned: PlannedBatch,
    adapter: Adapter | None,
    stop: Stop | None = None,
) -> Adapted:
    """Who answers a batch; ValueError where the config asks for an adaptation and there is no adapter,
    Stopped as of `adapted`.

    A plan with an adaptation puts one task's views alone in a batch.
    """
    if isinstance(config.evaluation.adaptation, NoAdaptation):
        return Adapted(reasoner, None)
    if adapter is None:
        raise ValueError("evaluation.adaptation needs an adapter")
    (task,) = dict.fromkeys(question.task for question in planned.questions)
    return adapter.adapted(task, stop)
