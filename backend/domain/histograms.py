"""Histograms over the same bins for everything, so that counts add up: over tensors, processes and records.

A bin is where the leading bits of a float32 agree: its sign, its exponent and two bits of its mantissa, so
four bins for every power of two. Bin m from 1 to 1,019 holds the positive numbers from `edge(m)` up to, not
including, `edge(m + 1)`; bin -m holds the same numbers with a minus sign; bin 0 those nearer to zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

PER_OCTAVE = 4  # bins for each power of two
CODES = 2048  # of the leading 11 bits of a float32
LAST = 1019  # the bin that ends at 2^128, beyond which float32 has infinity alone
_HALF = CODES // 2  # codes without the sign
MAX_COUNT = 2**53 - 1  # of numbers in a bin

WEIGHTS, GRADIENTS = "weights/", "gradients/"  # before the name of a group of parameters
CONTEXT_VALUES = "context/values"
CONTEXT_DEVIATION = "context/deviation"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Histogram:
    """How many numbers lie in which bin, and how many in none: NaN, and infinity of either sign."""

    bins: tuple[int, ...]  # ascending, without empty ones
    counts: tuple[int, ...]  # of each
    nan: int = 0
    infinite: int = 0

    @property
    def total(self) -> int:
        """Of all numbers, NaN and infinity included."""
        return sum(self.counts) + self.not_finite

    @property
    def not_finite(self) -> int:
        return self.nan + self.infinite

    def __add__(self, other: Histogram) -> Histogram:
        """The histogram of the numbers of both."""
        counts = dict(zip(self.bins, self.counts, strict=True))
        for number, count in zip(other.bins, other.counts, strict=True):
            counts[number] = counts.get(number, 0) + count
        return of_counts(counts, self.nan + other.nan, self.infinite + other.infinite)

    def quantiles(self, shares: Sequence[float] = QUANTILES) -> list[float] | None:
        """The numbers below which these shares (ascending) of the finite ones lie, as if numbers lay evenly
        in each bin; None where no number is finite."""
        if not self.counts:
            return None
        below = list(accumulate(self.counts, initial=0))
        found, at = [], 0
        for share in shares:
            rank = share * below[-1]
            while at < len(self.counts) - 1 and below[at + 1] < rank:
                at += 1
            low, high = bounds(self.bins[at])
            found.append(low + (high - low) * (rank - below[at]) / self.counts[at])
        return found


@dataclass(frozen=True)
class Counted:
    """Histograms that a run recorded at one step."""

    step: int
    wall_time: float
    groups: Mapping[str, Histogram]


def edge(number: int) -> float:
    """Where a positive bin begins; of `LAST` + 1: where the last one ends."""
    if number < PER_OCTAVE:  # below the smallest normal float32
        return math.ldexp(number, -128)
    octave, part = divmod(number, PER_OCTAVE)
    return math.ldexp(PER_OCTAVE + part, octave - 129)


def bounds(number: int) -> tuple[float, float]:
    """The two ends of a bin, the lower one first."""
    if number == 0:
        return -edge(1), edge(1)
    ends = edge(abs(number)), edge(abs(number) + 1)
    return ends if number > 0 else (-ends[1], -ends[0])


def of_counts(counts: Mapping[int, int], nan: int = 0, infinite: int = 0) -> Histogram:
    """The histogram with so many numbers in each bin."""
    kept = {number: counts[number] for number in sorted(counts) if counts[number]}
    return Histogram(tuple(kept), tuple(kept.values()), nan, infinite)


def of_codes(counts: Sequence[float]) -> Histogram:
    """The histogram of numbers that were counted by the leading 11 bits of their float32, (2048,)."""
    finite = {0: int(counts[0] + counts[_HALF])}
    for number in range(1, LAST + 1):
        finite[number] = int(counts[number])
        finite[-number] = int(counts[_HALF + number])
    infinite = int(counts[LAST + 1] + counts[_HALF + LAST + 1])
    nan = sum(counts[LAST + 2 : _HALF]) + sum(counts[_HALF + LAST + 2 :])
    return of_counts(finite, int(nan), infinite)


def title_of(name: str) -> str:
    """What a histogram is called on a page; that of a script's own is its name."""
    if name == CONTEXT_VALUES:
        return "Context: values"
    if name == CONTEXT_DEVIATION:
        return "Context: standard deviation over samples"
    for prefix, kind in ((WEIGHTS, "Weights"), (GRADIENTS, "Gradients")):
        if name.startswith(prefix) and (group := _group(name.removeprefix(prefix))):
            return f"{kind}: {group}"
    return name


def about(name: str) -> str:
    """What it shows, in a sentence or two."""
    if name == CONTEXT_VALUES:
        return "Every number of the contexts of one training batch."
    if name == CONTEXT_DEVIATION:
        return (
            "How much each number of the context differs between the samples of one training batch. Where "
            "all of it sinks towards 0, every task gets the same context: the encoder has collapsed."
        )
    if title_of(name) == name:
        return "Logged by the script."
    if name.startswith(GRADIENTS):
        return "Gradients of one step, after clipping. Exact zeros are weights that nothing reaches."
    return "Weights after the step, not their moving average."


def in_order(names: Iterable[str]) -> list[str]:
    """Names as a page shows them: contexts, gradients, weights, then those of scripts."""

    def key(name: str) -> tuple[int, str]:
        if title_of(name) == name:
            return 9, name
        return ("context", "gradients", "weights").index(name.partition("/")[0]), name

    return sorted(names, key=key)


def thinned(steps: Sequence[int], most: int) -> list[int]:
    """Which of these ascending steps to keep: the first in each stretch of equal length, a power of two that
    leaves at most `most` of them, and the last of all. What is kept of more steps later was kept before."""
    length = 1
    while len(kept := _firsts(steps, length)) > most:
        length *= 2
    return kept if kept[-1:] == [*steps[-1:]] else [*kept, steps[-1]]


def _firsts(steps: Sequence[int], length: int) -> list[int]:
    firsts: dict[int, int] = {}
    for step in steps:
        firsts.setdefault(step // length, step)
    return list(firsts.values())


def _group(name: str) -> str:
    if name.startswith("core_") and name[5:].isdecimal():
        return f"core, layer {name[5:]}"
    return {
        "encoder": "encoder",
        "core": "core",
        "heads": "heads",
        "embeddings": "token embedding",
        "puzzles": "puzzle embeddings",
    }.get(name, "")
