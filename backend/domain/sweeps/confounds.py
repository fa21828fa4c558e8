"""What else differs between the configurations of a sweep than the fields that are swept.

Another kind of encoder brings the defaults of its fields, the number of its layers among them: then A against
B compares depths as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, JsonValue

from backend.domain.config.messages import shown
from backend.domain.config.problems import flatten
from backend.domain.sweeps.definition import Sweep
from backend.domain.sweeps.labels import SEPARATOR, changes_of, path_labels, value_label, variation_label
from backend.kit.model import Model

OF_ONE_RUN = ("name", "seed")


class Confound(Model):
    """A field that differs between the configurations of a sweep though nobody swept it."""

    path: str = Field(examples=["model.encoder.layers"])
    values: dict[str, JsonValue] = Field(
        description="Its value by the swept value that it comes with; left out for kinds without the field.",
        examples=[{"encoder deterministic": 1, "encoder iterative": 2}],
    )

    @property
    def has_values(self) -> bool:
        """Whether there are two values of it; else it is a field that some kinds have and others have not."""
        return len({repr(value) for value in self.values.values()}) > 1

    @property
    def words(self) -> str:
        """`1 (encoder deterministic) · 2 (encoder iterative, encoder slots)`."""
        by_value: dict[str, list[str]] = {}
        for label, value in self.values.items():
            by_value.setdefault(shown(value), []).append(label)
        return SEPARATOR.join(f"{value} ({', '.join(labels)})" for value, labels in by_value.items())


def confounds(configs: Sequence[Mapping[str, Any]], sweep: Sweep) -> list[Confound]:
    """Every such field of the configs that a sweep made, as JSON.

    First those of several values, then those that only some kinds have.
    """
    flat = [flatten(config) for config in configs]
    points = [changes_of(config, sweep) for config in configs]
    swept = _swept(sweep)
    paths = dict.fromkeys(path for fields in flat for path in fields)
    found = []
    for path in paths:
        kept = [fields.get(path, _ABSENT) for fields in flat]
        if path in swept or path in OF_ONE_RUN or len({repr(value) for value in kept}) == 1:
            continue
        labels = _labels(points, kept, sweep)
        values = {label: value for label, value in zip(labels, kept, strict=True) if value is not _ABSENT}
        found.append(Confound(path=path, values=values))
    return sorted(found, key=lambda confound: not confound.has_values)


_ABSENT = object()


def _swept(sweep: Sweep) -> frozenset[str]:
    """The leaves that a sweep sets: its paths, and those that objects among its values name."""
    leaves = set(sweep.paths)
    for path, axis in (*sweep.grid.items(), *sweep.random.items()):
        for value in axis if isinstance(axis, tuple) else ():
            if isinstance(value, Mapping):
                leaves |= {f"{path}.{inner}" for inner in flatten(value)}
    return frozenset(leaves)


def _labels(points: Sequence[Mapping[str, Any]], values: Sequence[Any], sweep: Sweep) -> list[str]:
    """What each value comes with: the one swept field that decides it, or all of them."""
    names = path_labels(sweep.paths)
    for path in sweep.paths:
        by_point: dict[str, set[str]] = {}
        for point, value in zip(points, values, strict=True):
            by_point.setdefault(json.dumps(point[path], sort_keys=True), set()).add(repr(value))
        if all(len(each) == 1 for each in by_point.values()):
            return [f"{names[path]} {value_label(point[path])}" for point in points]
    return [variation_label(point, sweep) for point in points]
