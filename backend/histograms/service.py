"""What runs record as histograms: written once per name and step, thinned over steps as a run grows.

Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy.orm import Session

from backend.domain.histograms import LAST, Counted, Histogram, in_order, thinned
from backend.domain.metrics import MAX_NAME_LENGTH, is_well_formed
from backend.histograms import queries
from backend.histograms.packing import pack, unpack
from backend.histograms.queries import Extent
from backend.kit.problems import invalid
from backend.kit.text import trimmed

MAX_NAMES = 200  # of a run
MAX_COLUMNS = 128  # of a name, over all steps
KEPT = 96  # of them, where they have become too many
_WRONG = "The histograms were not written."


@dataclass(frozen=True)
class Column:
    """A histogram at one step. `low` and `high` are the outermost bins of this step and of those after it
    that were left out, `not_finite` the most NaN and infinity that one of them had."""

    step: int
    wall_time: float
    histogram: Histogram
    low: int | None
    high: int | None
    not_finite: int


def append(session: Session, run_id: str, recorded: Sequence[Counted]) -> None:
    """Add histograms; one of the same name and step is replaced. InvalidInput for what cannot name one, and
    for more names than a run may have."""
    newest = {
        (name, each.step): (each, histogram) for each in recorded for name, histogram in each.groups.items()
    }
    names = {name for name, _ in newest}
    _check_names(session, run_id, names)
    rows = [
        {
            "run_id": run_id,
            "name": name,
            "step": step,
            "wall_time": each.wall_time,
            "low": histogram.bins[0] if histogram.bins else None,
            "high": histogram.bins[-1] if histogram.bins else None,
            "not_finite": histogram.not_finite,
            "counts": pack(histogram),
        }
        for (name, step), (each, histogram) in sorted(newest.items(), key=lambda item: item[0])
    ]
    if rows:
        queries.put(session, rows)
        _thin(session, run_id, names)


def last_steps(session: Session, run_id: str) -> dict[str, int]:
    """The run's histograms as a page orders them -> the newest step of each."""
    found = queries.last_steps(session, run_id)
    return {name: found[name] for name in in_order(found)}


def read(session: Session, run_id: str, name: str) -> list[Column]:
    """The columns of one name by step; none where there is none."""
    return [
        Column(row.step, row.wall_time, unpack(row.counts), row.low, row.high, row.not_finite)
        for row in queries.columns(session, run_id, name)
    ]


def _thin(session: Session, run_id: str, names: Collection[str]) -> None:
    for name, extents in queries.extents(session, run_id, names).items():
        if len(extents) > MAX_COLUMNS:
            kept = set(thinned([each.step for each in extents], KEPT))
            queries.remove(session, run_id, name, [each.step for each in extents if each.step not in kept])
            for before, after in _widened(extents, kept):
                if before != after:
                    queries.widen(session, run_id, name, after)


def _widened(extents: Sequence[Extent], kept: Collection[int]) -> Iterator[tuple[Extent, Extent]]:
    """What is kept: as it was, and as it is with the extremes of what goes after it."""
    group: list[Extent] = []
    for each in extents:
        if each.step in kept and group:
            yield group[0], _together(group)
            group = []
        group.append(each)
    if group:
        yield group[0], _together(group)


def _together(group: Sequence[Extent]) -> Extent:
    lows = [each.low for each in group if each.low is not None]
    highs = [each.high for each in group if each.high is not None]
    worst = max(each.not_finite for each in group)
    return Extent(group[0].step, min(lows, default=None), max(highs, default=None), worst)


def _check_names(session: Session, run_id: str, names: Collection[str]) -> None:
    for name in names:
        if not trimmed(name) or not is_well_formed(name):
            raise invalid(
                _WRONG,
                "name",
                f"{name[:20]!r} cannot name a histogram: a name has 1 to {MAX_NAME_LENGTH} characters, none "
                "of them a comma, a backtick or a control character, and no space at its ends.",
            )
    all_names = {*names, *queries.last_steps(session, run_id)}
    if len(all_names) > MAX_NAMES:
        raise invalid(
            _WRONG,
            "name",
            f"would be the {len(all_names)}th name; a run has at most {MAX_NAMES}.",
            "Log the numbers of several layers as one histogram.",
        )


def check_counts(field: str, bins: Sequence[int], counts: Sequence[int]) -> None:
    """InvalidInput for what is no histogram over our bins."""
    if len(bins) != len(counts):
        raise invalid(_WRONG, f"{field}.counts", f"has {len(counts)} entries for {len(bins)} bins.")
    if any(later <= earlier for earlier, later in pairwise(bins)):
        raise invalid(_WRONG, f"{field}.bins", "must be ascending, each bin once.")
    if bins and not -LAST <= bins[0] <= bins[-1] <= LAST:
        raise invalid(_WRONG, f"{field}.bins", f"must lie between {-LAST} and {LAST}.")
