"""The runs of one configuration as seeds: which of them count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.orm import Session

from backend.domain import seeds
from backend.run_view.values import RunLine, RunValues
from backend.run_view.views import RunView
from backend.runs.status import RunStatus

LINE_NAMES = ("seed", "status", "step", "pass1")  # what `counted_lines` reads


def configuration_of(run: RunView) -> str:
    """The same for runs that differ in their seed alone."""
    return f"{run.variant} {seeds.configuration_of(run.variation, run.name, run.origin == 'external')}"


def counted(runs: Sequence[RunView]) -> list[RunView]:
    """Of each seed one run: one that was evaluated before one that was not, then a finished one, then the
    one that came furthest, then the newest."""
    return seeds.once_per_seed(runs, lambda run: run.seed, _rank)


def _rank(run: RunView) -> tuple[bool, bool, int, float]:
    evaluated = any(result.status == "finished" for result in run.results)
    return evaluated, run.status == RunStatus.FINISHED, run.step, run.created_at


def counted_lines(lines: Sequence[RunLine]) -> list[RunLine]:
    """The same of lines that have `LINE_NAMES`."""
    return seeds.once_per_seed(lines, lambda line: line.columns["seed"], _rank_of_line)


def _rank_of_line(line: RunLine) -> tuple[bool, bool, int, float]:
    columns = line.columns
    finished = columns["status"] == RunStatus.FINISHED
    return bool(columns["scores"]), finished, columns["step"] or 0, line.created_at


def not_counted(session: Session, configurations: Iterable[Mapping[str, int | None]]) -> set[str]:
    """Ids of the runs that do not count, of configurations as run id -> seed, newest first. Only the runs of
    seeds that were run again are read."""
    of_seeds: dict[tuple[int, int], list[str]] = {}
    for place, runs in enumerate(configurations):
        for run_id, seed in runs.items():
            if seed is not None:
                of_seeds.setdefault((place, seed), []).append(run_id)
    again = [run_ids for run_ids in of_seeds.values() if len(run_ids) > 1]
    if not again:
        return set()
    every = {run_id for run_ids in again for run_id in run_ids}
    lines = {line.id: line for line in RunValues.of_runs(session, LINE_NAMES, every).lines}
    counts = {
        line.id
        for run_ids in again
        for line in counted_lines([lines[run_id] for run_id in run_ids if run_id in lines])
    }
    return set(lines) - counts
