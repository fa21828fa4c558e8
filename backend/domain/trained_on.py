"""What a run was trained on, task by task: recorded at its start, the one source of "trained on".

Everything that says trained on, held out, leak or gap asks this record, never the name of a set: a run may
train on some tasks of a set only, and an evaluation may ask any others.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal

from backend.kit.format import plural_of

Why = Literal["overlap", "canvas", "pairs"]
WHY: Mapping[str, str] = {  # after a number of tasks
    "overlap": "left out as overlapping the evaluation",
    "canvas": "fitting no canvas",
    "pairs": "with too few pairs",
}
MOST_LEFT_OUT = 0.2  # share of the training tasks; above it a reader is warned


@dataclass(frozen=True)
class LeftOut:
    """A task that the config names and the training did not use."""

    task_id: str
    why: Why
    detail: str  # "holds test 1 of 00576224 of arc-agi-1/evaluation"


@dataclass(frozen=True)
class SetPart:
    """What of one set was trained on, as task ids in the order of the training."""

    whole: tuple[str, ...] = ()  # with every pair that may be asked
    demonstrations: tuple[str, ...] = ()  # by their demonstrations alone: their tests are still held out
    left_out: tuple[LeftOut, ...] = ()
    before: tuple[str, ...] = ()  # whole, by the run whose weights this one started from
    demonstrations_before: tuple[str, ...] = ()  # by that run, by their demonstrations alone


@dataclass(frozen=True)
class TrainedOn:
    """The record of one run."""

    asked: int  # tasks that the config asks for: those it names, or their first n
    sets: Mapping[str, SetPart]
    start: str = ""  # id of the run whose weights it started from
    unknown_start: str = ""  # "run k3f8a2m9qx", "a checkpoint file": weights trained on nobody knows what

    @property
    def tasks(self) -> int:
        """Trained on whole."""
        return sum(len(part.whole) for part in self.sets.values())

    @property
    def demonstrations(self) -> int:
        """Tasks trained on by their demonstrations alone."""
        return sum(len(part.demonstrations) for part in self.sets.values())

    @property
    def left_out(self) -> dict[str, int]:
        """Why -> how many."""
        return dict(Counter(each.why for part in self.sets.values() for each in part.left_out))

    @property
    def shortage(self) -> Shortage:
        """How much of what was asked for that is."""
        return Shortage(self.tasks, self.asked, self.demonstrations, self.left_out, self.unknown_start)

    def whole(self, set_name: str) -> frozenset[str]:
        """The tasks of a set that its weights were trained on, also before this run."""
        return self._whole.get(set_name, frozenset())

    def shown(self, set_name: str) -> frozenset[str]:
        """The tasks of a set whose demonstrations alone its weights were trained on, also before this run."""
        return self._shown.get(set_name, frozenset())

    @cached_property
    def _whole(self) -> dict[str, frozenset[str]]:
        return {name: frozenset((*part.whole, *part.before)) for name, part in self.sets.items()}

    @cached_property
    def _shown(self) -> dict[str, frozenset[str]]:
        return {
            name: frozenset((*part.demonstrations, *part.demonstrations_before)) - self._whole[name]
            for name, part in self.sets.items()
        }

    def and_again(self, later: TrainedOn) -> TrainedOn:
        """With what a later start of the same run was trained on: a set may have been replaced between."""
        names = dict.fromkeys((*self.sets, *later.sets))
        sets = {name: _joined(self.sets.get(name), later.sets.get(name)) for name in names}
        # A start that was known once stays known, though its run may have been deleted since.
        return replace(later, sets=sets, unknown_start=self.unknown_start and later.unknown_start)

    def after(self, earlier: TrainedOn) -> TrainedOn:
        """With what the run was trained on whose weights it started from, as far as that is known itself."""
        names = dict.fromkeys((*self.sets, *earlier.sets))
        sets = {
            name: replace(
                self.sets.get(name, SetPart()),
                before=tuple(sorted(earlier.whole(name))),
                demonstrations_before=tuple(sorted(earlier.shown(name))),
            )
            for name in names
        }
        return replace(self, sets=sets, unknown_start=earlier.unknown_start)


@dataclass(frozen=True)
class Shortage:
    """How much of what a config asks for is trained on."""

    tasks: int
    asked: int
    demonstrations: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)  # why -> how many
    unknown_start: str = ""  # as of `TrainedOn`

    @property
    def missing(self) -> int:
        """Tasks asked for that there are no others in place of."""
        return max(0, self.asked - self.tasks)

    @property
    def is_large(self) -> bool:
        """Whether a reader is to be warned."""
        return self.missing > MOST_LEFT_OUT * self.asked

    @property
    def words(self) -> str:
        """`trained on 1 of 48 tasks: 47 left out as overlapping the evaluation`."""
        before = f"; unknown what {self.unknown_start}, its start, was trained on"
        return f"trained on {self.count}{before if self.unknown_start else ''}"

    @property
    def count(self) -> str:
        """The same without "trained on"; `32 tasks and the demonstrations of 4`."""
        of = f" of {self.asked:,}" if self.missing else ""
        shown = f" and the demonstrations of {self.demonstrations:,}" if self.demonstrations else ""
        noun = plural_of(self.asked if self.missing else self.tasks, "task")
        reasons = ", ".join(f"{number:,} {WHY[why]}" for why, number in self.left_out.items() if number)
        why = f": {reasons}" if self.missing and reasons else ""
        return f"{self.tasks:,}{of} {noun}{shown}{why}"


@dataclass(frozen=True)
class Standing:
    """How the tasks of an evaluation stand to what the run was trained on."""

    n: int  # tasks evaluated
    trained: int  # of them trained on whole
    shown: int = 0  # of them trained on by their demonstrations alone, as TRM may
    given_away: int = 0  # of the others: a training task holds a pair of theirs
    recorded: bool = True  # otherwise guessed from the name of the set
    unknown: int = 0  # of the others: the weights it started from may have been trained on them

    @property
    def held_out(self) -> bool:
        """Whether it says how well the run solves tasks that it was never trained on."""
        return self.maybe_held_out and not self.unknown

    @property
    def maybe_held_out(self) -> bool:
        """The same as far as anybody knows: no task is known to be trained on or given away."""
        return not self.trained and not self.given_away

    @property
    def words(self) -> str:
        """`held-out`, `trained on`, `4 of 16 trained on`, `held-out by set name, not recorded`,
        `unknown whether trained on`."""
        if not self.recorded:
            return f"{'trained on' if self.trained else 'held-out'} by set name, not recorded"
        parts = []
        if self.trained:
            parts.append("trained on" if self.trained == self.n else f"{self.trained} of {self.n} trained on")
        if self.given_away:
            parts.append(f"{self.given_away} of {self.n} given away by training tasks")
        if self.unknown:
            of = f"{self.unknown} of {self.n} " if parts else ""
            parts.append(f"{of}unknown whether trained on")
        return ", ".join(parts) or "held-out"


def standing(
    record: TrainedOn, set_name: str, task_ids: Collection[str], given_away: Collection[str] = ()
) -> Standing:
    """Of an evaluation of these tasks; `given_away` are those that its leak check found."""
    whole = record.whole(set_name)
    asked = frozenset(task_ids)
    trained = asked & whole
    leaked = asked.intersection(given_away) - trained
    return Standing(
        n=len(asked),
        trained=len(trained),
        shown=len(asked & record.shown(set_name)),
        given_away=len(leaked),
        unknown=len(asked - trained - leaked) if record.unknown_start else 0,
    )


def by_name(training_sets: Iterable[object], set_name: str, n: int) -> Standing:
    """Of a run without a record: as far as the names of sets tell."""
    return Standing(n, n if set_name in tuple(training_sets) else 0, recorded=False)


def pack(record: TrainedOn) -> bytes:
    """For the database: about 6 bytes a task."""
    return zlib.compress(json.dumps(asdict(record), separators=(",", ":")).encode())


@lru_cache(maxsize=256)  # runs of one sweep share their record
def unpack(packed: bytes) -> TrainedOn:
    """What `pack` gave."""
    stored = json.loads(zlib.decompress(packed))
    return TrainedOn(
        stored["asked"],
        {name: _part(columns) for name, columns in stored["sets"].items()},
        stored["start"],
        stored.get("unknown_start", ""),
    )


def _part(columns: Mapping[str, list[object]]) -> SetPart:
    left_out = (LeftOut(**each) for each in columns["left_out"] if isinstance(each, dict))
    names = ("whole", "demonstrations", "before", "demonstrations_before")
    ids = {name: tuple(map(str, columns.get(name, ()))) for name in names}
    return SetPart(left_out=tuple(left_out), **ids)


def _joined(one: SetPart | None, other: SetPart | None) -> SetPart:
    """Both together; a task trained on at either time was not left out."""
    first, second = one or SetPart(), other or SetPart()
    whole = tuple(dict.fromkeys((*first.whole, *second.whole)))
    shown = dict.fromkeys((*first.demonstrations, *second.demonstrations))
    left_out = {each.task_id: each for each in (*first.left_out, *second.left_out)}
    return SetPart(
        whole=whole,
        demonstrations=tuple(task_id for task_id in shown if task_id not in whole),
        left_out=tuple(each for task_id, each in left_out.items() if task_id not in whole),
        before=tuple(dict.fromkeys((*first.before, *second.before))),
        demonstrations_before=tuple(
            dict.fromkeys((*first.demonstrations_before, *second.demonstrations_before))
        ),
    )
