"""Failure modes in words, and how a run's first attempts fail from checkpoint to checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.domain.records import FailureMode
from backend.run_view.headline import over_checkpoints
from backend.run_view.views import ResultView, RunView

# mode -> what it means, in the words of the field
MODES: dict[str, str] = {
    FailureMode.EMPTY: "nothing could be read off the canvas",
    FailureMode.COLLAPSED: "one colour on at least 95 % of the cells, though the truth has more",
    FailureMode.COPIED_INPUT: "the test input, unchanged",
    FailureMode.WRONG_SIZE: "another height or width than the truth",
    FailureMode.WRONG_ARRANGEMENT: "the truth's size and colour counts, arranged differently",
    FailureMode.NEARLY_RIGHT: "at most 10 % of the cells wrong",
    FailureMode.PARTLY_RIGHT: "more cells right than the most common colour alone would get",
    FailureMode.STRUCTURED_BUT_WRONG: "a grid of the right size, and nothing of the above",
}


@dataclass(frozen=True)
class ModeCourse:
    """Evaluations of several checkpoints by one protocol, by step; mode -> how many of each."""

    results: Sequence[ResultView]
    counts: Mapping[str, Sequence[int]]

    @property
    def most(self) -> int:
        """The largest count, that bars are drawn against."""
        return max((count for counts in self.counts.values() for count in counts), default=0)


def mode_courses(run: RunView) -> list[ModeCourse]:
    """One for each protocol that scored two checkpoints or more, held-out sets first."""
    several = over_checkpoints(run.results).values()
    return [_course(those) for those in sorted(several, key=lambda those: not those[0].held_out)]


def _course(results: Sequence[ResultView]) -> ModeCourse:
    seen = [mode for mode in MODES if any(mode in each.failure_modes for each in results)]
    return ModeCourse(results, {mode: [each.failure_modes.get(mode, 0) for each in results] for mode in seen})
