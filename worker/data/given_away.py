"""Does what a run was trained on give away what an evaluation asks? By the tasks themselves, not by sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.domain.arc.task import Task
from backend.domain.trained_on import TrainedOn
from backend.kit.errors import NotFound
from worker.data.leaks import Leak, canonical, find_leaks
from worker.data.sets import TaskSource


@dataclass(frozen=True)
class LeakCheck:
    """What was found, and the sets trained on that are no longer there to be compared."""

    leaks: tuple[Leak, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def given_away(self) -> list[str]:
        """The evaluated tasks that a training task gives away."""
        return sorted({leak.evaluated_task for leak in self.leaks})

    @property
    def warning(self) -> str:
        """What a reader of the scores must know; else empty."""
        said = []
        if self.leaks:
            first, *others = sorted(map(str, self.leaks))
            more = f", and {len(others)} more" if others else ""
            said.append(f"The run was trained on tasks of this evaluation: {first}{more}.")
        if self.gone:
            said.append(f"Not checked for leaks: {', '.join(self.gone)} was trained on and has been removed.")
        return " ".join(said)

    @property
    def extras(self) -> dict[str, Any]:
        """For the evaluation: it is a fact of it, not of the run."""
        found = {"given_away": self.given_away} if self.leaks else {}
        return {**found, "warning": self.warning} if self.warning else {}


def check(
    record: TrainedOn, source: TaskSource, evaluated: Mapping[str, Sequence[Task]], *, augmented: bool = False
) -> LeakCheck:
    """Compare the tasks evaluated, by set, with those trained on; `augmented` as of `find_leaks`.

    A task trained on as such is no leak: the evaluation says so by itself. Of tasks trained on by their
    demonstrations alone only these count, and only where they are another task's test.
    """
    asked = {
        name: [task for task in tasks if task.id not in record.whole(name)]
        for name, tasks in evaluated.items()
    }
    if not any(asked.values()):
        return LeakCheck()
    whole: dict[str, list[Task]] = {}
    shown: dict[str, list[Task]] = {}
    gone = []
    for name in record.sets:
        ids, by_demonstrations = record.whole(name), record.shown(name)
        if not ids and not by_demonstrations:
            continue
        try:
            tasks = source.tasks(name)
        except NotFound:
            gone.append(name)
            continue
        whole[name] = [task for task in tasks if task.id in ids]
        shown[name] = [replace(task, tests=(), pool=None) for task in tasks if task.id in by_demonstrations]
    # The training kept such demonstrations of the sets it knew to be evaluated out itself.
    others = {name: tasks for name, tasks in asked.items() if not shown.get(name)}
    leaks = (
        *find_leaks(whole, asked, augmented=augmented),
        *_asked_as_tests(find_leaks(shown, others), others),
    )
    return LeakCheck(leaks, tuple(gone))


def _asked_as_tests(leaks: Iterable[Leak], evaluated: Mapping[str, Sequence[Task]]) -> Iterator[Leak]:
    """The leaks of a test that its task does not show among its own demonstrations."""
    tasks = {(name, task.id): task for name, those in evaluated.items() for task in those}
    for leak in leaks:
        kind, _, number = leak.what.partition(" ")
        if kind != "test":
            continue
        task = tasks[leak.evaluated_set, leak.evaluated_task]
        test = task.tests[int(number) - 1]
        own = {canonical(pair.input, pair.output) for pair in task.demonstrations}
        if test.output is not None and canonical(test.input, test.output) not in own:
            yield leak
