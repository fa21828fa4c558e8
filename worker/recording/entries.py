"""What a training emits, as values: for the database, and as JSON for the journal."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter

from backend.domain.arc.votes import pack_trace, unpack_trace
from backend.domain.histograms import Counted
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    LogLine,
    Progress,
    Ruling,
    TestOutcome,
)
from backend.domain.snapshots import Snapshot
from backend.domain.trained_on import TrainedOn, pack, unpack


class Point(NamedTuple):
    """What a training recorded at one step."""

    step: int
    wall_time: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Started:
    """An evaluation begins."""

    key: EvaluationKey


@dataclass(frozen=True)
class Answered:
    """What an evaluation made of one test input."""

    key: EvaluationKey
    outcome: TestOutcome


@dataclass(frozen=True)
class Released:
    """Checkpoints that the training keeps no longer."""

    paths: tuple[str, ...]  # below the artifacts folder


Entry = (
    Point
    | Counted
    | Snapshot
    | LogLine
    | Progress
    | TrainedOn
    | Alarm
    | Ruling
    | Checkpoint
    | Released
    | Started
    | Answered
    | EvaluationSummary
)

_KINDS: dict[str, type[Any]] = {
    "histograms": Counted,
    "contexts": Snapshot,
    "log": LogLine,
    "alarm": Alarm,
    "ruling": Ruling,
    "checkpoint": Checkpoint,
    "released": Released,
    "started": Started,
    "answered": Answered,
    "finished": EvaluationSummary,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}
_TRACE = {"outcome": {"trace"}}  # written apart, packed
_CONTEXTS = {"contexts"}  # the same


def encode(entries: Sequence[Entry]) -> list[list[Any]]:
    """Entries as JSON has them, in order; progress is left out, which is of its moment only."""
    parts: list[list[Any]] = []
    for is_point, group in groupby(entries, lambda entry: isinstance(entry, Point)):
        if is_point:
            parts += [["points", part] for part in _encode_points(list(group))]  # type: ignore[arg-type]
        else:
            parts += [_encode_one(entry) for entry in group if not isinstance(entry, Progress)]
    return parts


def decode(parts: Sequence[Sequence[Any]]) -> Iterator[Entry]:
    """What `encode` was given. ValueError or KeyError for what it did not write."""
    for kind, *content in parts:
        if kind == "points":
            yield from _decode_points(content[0])
        elif kind == "trained on":
            yield unpack(base64.b64decode(content[0]))
        else:
            yield _decode_one(kind, content)


def _encode_one(entry: Any) -> list[Any]:
    if isinstance(entry, TrainedOn):
        return ["trained on", _text(pack(entry))]
    name = _NAMES[type(entry)]
    if isinstance(entry, Snapshot):
        value = _ADAPTERS[name].dump_python(entry, mode="json", exclude=_CONTEXTS)
        return [name, value, _text(entry.contexts)]
    if isinstance(entry, Answered):
        trace = _text(pack_trace(entry.outcome.trace)) if entry.outcome.trace else None
        return [name, _ADAPTERS[name].dump_python(entry, mode="json", exclude=_TRACE), trace]
    return [name, _ADAPTERS[name].dump_python(entry, mode="json")]


def _decode_one(kind: str, content: Sequence[Any]) -> Entry:
    if kind == "answered":
        value, trace = content
        value["outcome"]["trace"] = unpack_trace(base64.b64decode(trace)) if trace else None
        answered: Answered = _ADAPTERS[kind].validate_python(value)
        return answered
    if kind == "contexts":
        value, numbers = content
        snapshot: Snapshot = _ADAPTERS[kind].validate_python({**value, "contexts": base64.b64decode(numbers)})
        return snapshot
    entry: Entry = _ADAPTERS[kind].validate_python(content[0])
    return entry


def _encode_points(points: Sequence[Point]) -> Iterator[dict[str, Any]]:
    """Points in a row with the same names as arrays, at full precision: text takes ten times as long."""
    begin = 0
    while begin < len(points):
        names = list(points[begin].values)
        end = begin + 1
        while end < len(points) and list(points[end].values) == names:
            end += 1
        part = points[begin:end]
        yield {
            "names": names,
            "steps": _text(np.array([point.step for point in part], "<i8")),
            "times": _text(np.array([point.wall_time for point in part], "<f8")),
            "values": _text(np.fromiter(_values_of(part), "<f8", len(part) * len(names))),
        }
        begin = end


def _values_of(points: Sequence[Point]) -> Iterator[float]:
    return chain.from_iterable(point.values.values() for point in points)


def _decode_points(part: Mapping[str, Any]) -> Iterator[Point]:
    steps = np.frombuffer(base64.b64decode(part["steps"]), "<i8").tolist()
    times = np.frombuffer(base64.b64decode(part["times"]), "<f8").tolist()
    values = np.frombuffer(base64.b64decode(part["values"]), "<f8")
    rows = values.reshape(len(steps), len(part["names"])).tolist()
    for step, time, row in zip(steps, times, rows, strict=True):
        yield Point(step, time, dict(zip(part["names"], row, strict=True)))


def _text(data: bytes | np.ndarray[Any, Any]) -> str:
    return base64.b64encode(data if isinstance(data, bytes) else data.tobytes()).decode("ascii")
