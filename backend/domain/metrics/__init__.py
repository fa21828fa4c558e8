"""What a metric is: asked by its name, whoever recorded it.

A metric that nobody registered (a script may log any) is a plain number in a chart of its own.
"""

from __future__ import annotations

from dataclasses import replace

from backend.domain.metrics.groups import GROUPS
from backend.domain.metrics.metric import Better, Group, Metric, Section, Unit
from backend.domain.metrics.registry import METRICS
from backend.domain.metrics.system import GPU
from backend.kit.problems import nearest
from backend.kit.text import trimmed

__all__ = [
    "GROUPS",
    "MAX_NAME_LENGTH",
    "METRICS",
    "NAMES",
    "OF_TRAINING",
    "Better",
    "Group",
    "Metric",
    "Section",
    "Unit",
    "is_well_formed",
    "metric",
    "suggestion",
]

_BY_NAME = {each.name: each for each in METRICS}
NAMES: tuple[str, ...] = tuple(_BY_NAME)
OF_TRAINING = tuple(each.name for each in METRICS if not each.is_of_system)
MAX_NAME_LENGTH = 200  # characters


def metric(name: str) -> Metric:
    """What is known about a metric; of one that is not registered that it is a number."""
    found = _BY_NAME.get(name) or _of_further_gpu(name)
    return found or Metric(name, name, "Logged by the run itself.", label=_last_part(name))


def is_well_formed(name: str) -> bool:
    """Whether a series may be called so: no comma, backtick or control character, no space around it."""
    return (
        0 < len(name) <= MAX_NAME_LENGTH
        and name == trimmed(name)
        and name.isprintable()
        and not any(mark in name for mark in ",`")
    )


def suggestion(name: str) -> str:
    """What a name that no training records was probably meant to be."""
    by_end = {each.rpartition("/")[2]: each for each in OF_TRAINING}
    close = nearest(name.lower(), [*OF_TRAINING, *by_end])
    return f"did you mean {by_end.get(close, close)!r}?" if close else f"known are {', '.join(OF_TRAINING)}"


def _of_further_gpu(name: str) -> Metric | None:
    """`system/gpu_power/1` is the same of the run's second GPU, in the same chart."""
    base, _, number = name.rpartition("/")
    if base not in GPU or not number.isdecimal():
        return None
    first = _BY_NAME[base]
    return replace(first, name=name, title=f"{first.title}: GPU {number}", label=f"GPU {number}")


def _last_part(name: str) -> str:
    return name.rpartition("/")[2].replace("_", " ")
