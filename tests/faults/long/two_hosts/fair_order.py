"""Was it this person's turn? What happened to runs is replayed with the rule in plain Python.

The rule (docs/decisions/queue.md), for runs of equal priority and without limits: the next one belongs to the
person with the fewest running, of those to the one served longest ago, then to the one who queued first; it
is the first of that person's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

QUEUED, CLAIMED, LEFT, ENDED = "queued", "claimed", "left", "ended"
AT_ONCE = 2.0  # seconds within which a busy database may have committed two things in either order


class Happening(NamedTuple):
    """Something that happened to a run, by the database's clock."""

    at: float
    kind: str  # queued, claimed, left (put back), ended
    run: str
    worker: str = ""  # that took or had it


@dataclass
class Lab:
    """Who waits and who runs at a moment."""

    owners: Mapping[str, str]  # run -> person
    waiting: dict[str, float] = field(default_factory=dict)  # run -> its place in the queue
    running: set[str] = field(default_factory=set)
    served: dict[str, float] = field(default_factory=dict)  # person -> when last

    def happen(self, what: Happening, places: Mapping[str, float]) -> None:
        if what.kind in (QUEUED, LEFT):
            self.waiting[what.run] = places[what.run]
            self.running.discard(what.run)
        elif what.kind == CLAIMED:
            self.waiting.pop(what.run, None)
            self.running.add(what.run)
            self.served[self.owners[what.run]] = what.at
        else:
            self.running.discard(what.run)

    def next(self) -> str:
        """The run whose turn it is."""
        count = Counter(self.owners[run] for run in self.running)
        firsts = {self.owners[run]: run for run in sorted(self.waiting, key=self._place, reverse=True)}
        person = min(
            firsts, key=lambda each: (count[each], self.served.get(each, 0.0), self._place(firsts[each]))
        )
        return firsts[person]

    def _place(self, run: str) -> float:
        return self.waiting[run]


class Judgement(NamedTuple):
    """What came of a replay."""

    unfair: list[str]  # in words
    certain: int  # claims at whose moment nothing else happened


def judge(history: Sequence[Happening], owners: Mapping[str, str], places: Mapping[str, float]) -> Judgement:
    """Replay what happened; a claim is fair if it was so in some order of what happened at the same time.

    A run's place in the queue is not the time at which it was queued: of launches at the same moment, the
    one that comes first may be stored last.
    """
    ordered = sorted(history)
    unfair, certain = list[str](), 0
    for claim in (each for each in ordered if each.kind == CLAIMED):
        surely = [each for each in ordered if _is_before(each, claim)]
        perhaps = [each for each in ordered if _is_at_once(each, claim) and each not in surely]
        certain += not perhaps
        if not any(
            _lab(surely, some, claim, owners, places).next() == claim.run for some in _subsets(perhaps)
        ):
            before = _lab(surely, (), claim, owners, places)
            person, running = owners[claim.run], Counter(owners[run] for run in before.running)
            unfair.append(
                f"{claim.worker} took run {claim.run} of {person} although {before.next()} of "
                f"{owners[before.next()]} was next (running: {dict(running)})"
            )
    return Judgement(unfair, certain)


def _is_before(other: Happening, claim: Happening) -> bool:
    """What a worker did itself before it took a run is not at the same time."""
    return other < claim if other.worker == claim.worker else other.at < claim.at - AT_ONCE


def _is_at_once(other: Happening, claim: Happening) -> bool:
    """Whether it may have come before the claim or after it. A launch at that moment decides nothing: it only
    adds a run that need not have been seen."""
    near = abs(other.at - claim.at) <= AT_ONCE
    return near and other.run != claim.run and other.kind != QUEUED


def _subsets(happenings: Sequence[Happening]) -> Iterator[tuple[Happening, ...]]:
    for size in range(len(happenings) + 1):
        yield from combinations(happenings, size)


def _lab(
    surely: Sequence[Happening],
    perhaps: Sequence[Happening],
    claim: Happening,
    owners: Mapping[str, str],
    places: Mapping[str, float],
) -> Lab:
    """The lab as the worker may have seen it when it took the run, which waits in it."""
    lab = Lab(owners)
    for each in sorted((*surely, *perhaps)):
        lab.happen(each, places)
    lab.running.discard(claim.run)
    lab.waiting[claim.run] = places[claim.run]
    return lab
