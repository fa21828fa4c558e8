"""What makes runs seeds of one configuration, and which of them count where they are pooled.

A seed that was run twice is no second sample of a training: both runs begin with the same weights and see the
same data in the same order. Wherever runs are pooled over seeds, each seed counts once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
_SEED_IN_NAME = re.compile(r"[ ·_-]*seed[ _-]*\d+$")


def name_without_seed(name: str) -> str:
    """`mlp · seed 3` as `mlp`."""
    return _SEED_IN_NAME.sub("", name)


def configuration_of(key: str, name: str, is_external: bool) -> str:
    """What runs that differ in their seed alone have in common; `key` is that of their config.

    The config of a script is what it chose to log, often nothing: its runs have their name in common, too.
    """
    return f"{key} {name_without_seed(name)}" if is_external else key


def once_per_seed(
    runs: Sequence[T], seed_of: Callable[[T], int | None], rank: Callable[[T], tuple[Any, ...]]
) -> list[T]:
    """Of each seed the run with the greatest rank (of equals the first), in the order of the runs.

    Runs without a seed count each: nobody knows that they repeat one.
    """
    best: dict[int, T] = {}
    for run in runs:
        seed = seed_of(run)
        if seed is not None and (seed not in best or rank(run) > rank(best[seed])):
            best[seed] = run
    return [run for run in runs if (seed := seed_of(run)) is None or best[seed] is run]


def repeats(seeds: Iterable[int | None]) -> str:
    """`seed 0 twice; counted once`; empty where no seed was run again."""
    times = {seed: n for seed, n in Counter(seeds).items() if seed is not None and n > 1}
    if not times:
        return ""
    listed = ", ".join(f"seed {seed} {'twice' if n == 2 else f'{n} times'}" for seed, n in times.items())
    return f"{listed}; {'counted once' if len(times) == 1 else 'each counted once'}"
