"""Contexts that a probe of the encoder found at one step of a run, and how the model did with them."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.records import FailureMode

BYTES_PER_NUMBER = 2  # float16


@dataclass(frozen=True)
class ProbedTask:
    """A training task whose context was kept, and how its question was answered with it."""

    set_name: str
    task_id: str
    failure_mode: FailureMode | None  # None where the whole grid is right
    token_accuracy: float  # share of the question's tokens right


@dataclass(frozen=True)
class Snapshot:
    """The contexts of several views of each of several tasks.

    `contexts` are the numbers of (tasks, views, tokens, width), as little-endian float16, each divided by
    `scale`, the root of the mean of their squares: so none overflows, whatever the encoder.
    """

    step: int
    wall_time: float  # seconds since the Unix epoch
    tasks: tuple[ProbedTask, ...]
    views: int  # of each task
    tokens: int
    width: int  # of a token
    scale: float
    contexts: bytes

    @property
    def points(self) -> int:
        """Contexts: one for each view of each task."""
        return len(self.tasks) * self.views
