"""Histograms: numbers counted in the bins that the lab has for everything, so that counts add up.

Bin m from 1 to 1,019 holds positive numbers with the same exponent and the same two leading bits of the
mantissa, as float32 has them; -m the same below zero, 0 what is nearer to zero. docs/decisions/histograms.md
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

LAST = 1019  # the bin that ends at 2^128
BLOCK = 1 << 20  # numbers of an array or tensor that are counted together
SMALL = -125  # numbers of a lower exponent are below the smallest normal float32


class Histogram:
    """How often which numbers occur in `sequence`: an array, a tensor, or numbers in (nested) lists.

    `np_histogram` is a pair (counts, edges) as numpy.histogram gives it, whose numbers count as if they were
    all in the middle of their bin. What is neither raises nothing, since this is called within trainings:
    `refused` then tells what is wrong, and logging it says so.
    """

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        """`num_bins` is W&B's and means nothing here: all histograms have the same bins."""
        self.bins: list[int] = []
        self.counts: list[int] = []
        self.nan = self.infinite = 0
        self.refused = ""
        try:
            self._count_given(sequence, np_histogram)
        except Exception as error:  # noqa: BLE001 — a training must not end for values of any kind
            self.refused = str(error) or type(error).__name__
            self.bins, self.counts, self.nan, self.infinite = [], [], 0, 0

    def _count_given(self, sequence: Any, np_histogram: Any) -> None:
        if np_histogram is not None:
            counts, edges = (_listed(each) for each in np_histogram)
            if len(edges) != len(counts) + 1:
                raise ValueError(f"np_histogram needs one edge more than counts, not {len(edges)}.")
            middles = [(low + high) / 2 for low, high in pairwise(edges)]
            self._count(middles, counts)
        elif sequence is None:
            raise TypeError("Histogram needs numbers: Histogram(values).")
        else:
            self._count_all(sequence)

    @classmethod
    def weighted(cls, numbers: Sequence[float], counts: Sequence[float]) -> Histogram:
        """One of numbers of which each occurs so often, rounded to whole numbers."""
        histogram = cls([])
        histogram._count(numbers, counts)
        return histogram

    def record(self) -> dict[str, Any]:
        """As the journal and the lab have it."""
        return {"bins": self.bins, "counts": self.counts, "nan": self.nan, "infinite": self.infinite}

    def _count_all(self, sequence: Any) -> None:
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(sequence, torch.Tensor):
            self._count_tensor(torch, sequence)
        elif (array := _as_array(sequence)) is not None:
            self._count_array(array)
        else:
            numbers = list(_flat(sequence))
            self._count(numbers, [1] * len(numbers))

    def _count_tensor(self, torch: Any, tensor: Any) -> None:
        """The same of a tensor, wherever it is, in blocks, by PyTorch alone: it runs without NumPy, too. The
        first 11 bits of a float32 are its sign and its bin."""
        occurrences = torch.zeros(2048, dtype=torch.int64)
        for block in tensor.detach().float().cpu().reshape(-1).split(BLOCK):
            occurrences += ((block.view(torch.int32) >> 21) & 2047).bincount(minlength=2048)
            self.nan += int(block.isnan().sum())
        counts: Counter[int] = Counter()
        for code, number in enumerate(occurrences.tolist()):
            bin_ = code & 1023
            if bin_ > LAST:
                self.infinite += number
            elif number:
                counts[bin_ if code < 1024 else -bin_] += number
        self.infinite -= self.nan
        self._keep(counts)

    def _count(self, numbers: Sequence[float], weights: Sequence[float]) -> None:
        counts: Counter[int] = Counter()
        for number, weight in zip(numbers, map(round, weights), strict=True):
            if weight <= 0:
                continue
            if math.isnan(number):
                self.nan += weight
            elif math.isinf(number):
                self.infinite += weight
            else:
                counts[bin_of(number)] += weight
        self._keep(counts)

    def _keep(self, counts: Counter[int]) -> None:
        self.bins = sorted(counts)
        self.counts = [counts[each] for each in self.bins]

    def _count_array(self, array: Any) -> None:
        """The same of a NumPy array, without a loop over its numbers; in blocks, since what is computed on
        the way takes many times the memory of a number."""
        flat = array.reshape(-1)
        counts: Counter[int] = Counter()
        for start in range(0, len(flat), BLOCK):
            self._count_block(flat[start : start + BLOCK], counts)
        self._keep(counts)

    def _count_block(self, numbers: Any, counts: Counter[int]) -> None:
        import numpy as np

        block = numbers.astype(np.float64)
        finite = block[np.isfinite(block)]
        nan = int(np.isnan(block).sum())
        self.nan += nan
        self.infinite += len(block) - len(finite) - nan
        size = np.abs(finite)
        mantissa, exponent = np.frexp(size)  # mantissa from 0.5 to 1: 4 bins of 0.125
        is_small = (exponent < SMALL) | (size == 0)
        small = np.ldexp(np.where(is_small, size, 0), 128).astype(np.int64)
        normal = 4 * (exponent.astype(np.int64) + 126) + (8 * mantissa).astype(np.int64) - 4
        found = np.where(is_small, small, np.minimum(normal, LAST))
        bins, occurrences = np.unique(np.where(finite < 0, -found, found), return_counts=True)
        counts.update(dict(zip(bins.tolist(), occurrences.tolist(), strict=True)))


def bin_of(number: float) -> int:
    """The bin of a finite number."""
    mantissa, exponent = math.frexp(abs(number))
    if exponent < SMALL or number == 0:
        found = int(math.ldexp(abs(number), 128))
    else:
        found = min(4 * (exponent + 126) + int(8 * mantissa) - 4, LAST)
    return -found if number < 0 else found


def _as_array(values: Any) -> Any:
    """A NumPy array of numbers; None for what is no array, and where there is no NumPy."""
    if not hasattr(values, "__array__"):
        return None
    try:
        import numpy as np
    except ImportError:
        return None
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a histogram is of numbers, not of {array.dtype}.")
    return array


def _flat(values: Any) -> Iterable[float]:
    if isinstance(values, str | bytes):
        raise TypeError("a histogram is of numbers, not of text.")
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, Iterable):
        for each in values:
            yield from _flat(each)
    else:
        yield float(values)


def _listed(values: Any) -> list[float]:
    return [float(each) for each in (values.tolist() if hasattr(values, "tolist") else values)]
