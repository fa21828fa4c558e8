"""Points of many runs in one transaction: as many statements for a hundred writes as for one.

Only what every live run does: points that come after all that the series has. What else there is (a metric
that is new, points that are written over) is left to `backend.metrics.service.append`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from backend.domain.records import MetricFrame
from backend.metrics import together_queries as rows
from backend.metrics.frames import Axis, Column, check_names, checked_axis, columns_of
from backend.metrics.points import encode, encode_each
from backend.metrics.queries import Summary
from backend.metrics.segment_rows import extent_of


@dataclass(frozen=True)
class PackedColumn:
    """The points of one metric, ready to be stored."""

    name: str
    first_step: int
    last_step: int
    last_value: float
    least: float | None  # of the finite values; None where there is none
    greatest: float | None
    segments: Sequence[dict[str, Any]]

    def after(self, summary: Summary) -> Summary:
        """The series with these points at its end."""
        ends = [each for each in (summary.min_value, self.least) if each is not None]
        tops = [each for each in (summary.max_value, self.greatest) if each is not None]
        return summary._replace(
            last_step=self.last_step,
            last_value=self.last_value,
            min_value=min(ends, default=None),
            max_value=max(tops, default=None),
        )


@dataclass(frozen=True)
class Addition:
    """Points of one run, checked and packed before any transaction begins."""

    run_id: str
    columns: Sequence[PackedColumn]

    @property
    def points(self) -> int:
        """How many points there are."""
        return sum(int(segment["count"]) for column in self.columns for segment in column.segments)

    @classmethod
    def of(cls, run_id: str, frame: MetricFrame) -> Addition:
        """InvalidInput names what is wrong with the frame."""
        even = _even(frame)
        return cls(run_id, [_packed(column) for column in columns_of(frame)] if even is None else even)


def append(session: Session, additions: Sequence[Addition]) -> list[int | None]:
    """Write what comes after all points of its series, and give for each addition the version it got.

    None is what was left out: nothing of it was written. The other writers of these runs wait until this
    transaction ends; a run that somebody else writes to now is left out rather than waited for.
    """
    versions = rows.hold_cursors(session, {each.run_id for each in additions})
    names = {column.name for each in additions for column in each.columns}
    summaries = rows.summarised(session, versions, names)
    ids = {(summary.run_id, summary.name): series_id for series_id, summary in summaries.items()}
    reached, changed = dict(versions), set[int]()
    segments: list[dict[str, Any]] = []
    answer: list[int | None] = []
    for each in additions:
        columns = _at_the_end(each, ids, summaries)
        if not columns:
            answer.append(None)
            continue
        version = reached[each.run_id] = reached[each.run_id] + 1
        for series_id, column in columns.items():
            place = {"series_id": series_id, "version": version}
            segments += [place | segment for segment in column.segments]
            summaries[series_id] = column.after(summaries[series_id])
        changed.update(columns)
        answer.append(version)
    if segments:
        rows.add(session, segments)
        rows.keep(session, {series_id: summaries[series_id] for series_id in sorted(changed)})
        moved = {run_id: version for run_id, version in reached.items() if version != versions[run_id]}
        rows.move_cursors(session, moved)
    return answer


def _at_the_end(
    addition: Addition, ids: Mapping[tuple[str, str], int], summaries: Mapping[int, Summary]
) -> dict[int, PackedColumn]:
    """Series -> what comes at its end; empty unless all columns come at the end of a known one."""
    columns: dict[int, PackedColumn] = {}
    for column in addition.columns:
        series_id = ids.get((addition.run_id, column.name))
        if series_id is None or column.first_step <= summaries[series_id].last_step:
            return {}
        columns[series_id] = column
    return columns


def _even(frame: MetricFrame) -> list[PackedColumn] | None:
    """The columns of a frame as most are, all at once: a finite number of each metric at every step, in
    order. None for any other."""
    kinds = {kind for column in frame.values.values() for kind in set(map(type, column))}
    steps, times = checked_axis(frame)
    check_names(frame)
    if not kinds <= {int, float} or not len(steps) or not bool(np.all(np.diff(steps) > 0)):
        return None
    try:
        values = np.array(list(frame.values.values()), np.float64)
    except (ValueError, OverflowError):  # columns of several lengths, a number beyond all floats
        return None
    if values.shape != (len(frame.values), len(steps)) or not np.isfinite(values).all():
        return None
    segments: list[list[dict[str, Any]]] = [[] for _ in values]
    for part, axis in Axis(steps, times).chunks:
        extent = extent_of(steps[part])
        for own, data in zip(segments, encode_each(axis, values[:, part]), strict=True):
            own.append(extent | {"points": data})
    first, last = int(steps[0]), int(steps[-1])
    ends = zip(values[:, -1].tolist(), values.min(axis=1).tolist(), values.max(axis=1).tolist(), strict=True)
    return [
        PackedColumn(name, first, last, *of_column, own)
        for name, of_column, own in zip(frame.values, ends, segments, strict=True)
    ]


def _packed(column: Column) -> PackedColumn:
    steps = column.axis.steps
    finite = column.values if np.isfinite(column.values).all() else column.values[np.isfinite(column.values)]
    return PackedColumn(
        column.name,
        int(steps[0]),
        int(steps[-1]),
        float(column.values[-1]),
        float(finite.min()) if len(finite) else None,
        float(finite.max()) if len(finite) else None,
        [
            extent_of(steps[part]) | {"points": encode(axis, column.values[part])}
            for part, axis in column.axis.chunks
        ],
    )
