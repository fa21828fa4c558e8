"""Token accuracy without learning: what copying the input, or writing one token everywhere, gets right."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from worker.data.tokens import Cells, Labels, Tokens, as_labels, draw
from worker.kit.batch import IGNORE, PAD

PAIRS_OF_A_TASK = 10  # of a set in RE-ARC's form there are thousands


def token_baseline(tasks: Iterable[tuple[int, Iterable[tuple[Cells, Cells]]]]) -> float:
    """The better of both on each pair, a mean over the pairs of tasks given as (side, pairs).

    No prediction that ignores the demonstrations is likely to do better than it: one token everywhere is the
    most common token of each answer, which a prediction would have to guess. NaN without pairs.
    """
    shares = [
        max(_one_token(labels), _copied(_canvas(side, cells), labels))
        for side, pairs in tasks
        for cells, answer in islice(pairs, PAIRS_OF_A_TASK)
        for labels in (as_labels(_canvas(side, answer)),)
    ]
    return float(np.mean(shares)) if shares else float("nan")


def _canvas(side: int, cells: Cells) -> Tokens:
    canvas = np.full((side, side), PAD, dtype=np.uint8)
    draw(canvas, cells)
    return canvas


def _one_token(labels: Labels) -> float:
    scored = labels[labels != IGNORE]
    return float(np.unique(scored, return_counts=True)[1].max() / scored.size)


def _copied(shown: Tokens, labels: Labels) -> float:
    scored = labels != IGNORE
    return float((shown[scored] == labels[scored]).mean())
