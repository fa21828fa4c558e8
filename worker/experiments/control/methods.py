"""Methods of thinking longer at test time, each with its evaluation options for an amount of compute.

The unit of compute is what one gradient step costs: a forward and a backward pass of every demonstration, so
three decodes of each. All methods start from one decode of each, so the same number of units is the same
number of decodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.experiments.control.variants import ACT_STEPS, DEMONSTRATIONS

DECODES_PER_UNIT = 3  # of each demonstration
MAX_ACT_STEPS = 256  # that an evaluation takes

Options = Mapping[str, Any]  # fields of EvaluationConfig


@dataclass(frozen=True)
class Method:
    """A way to spend compute on a test task."""

    name: str
    label: str  # in tables and charts
    options: Callable[[int], Options]  # units of compute -> what the evaluation changes
    has_signal: bool = True  # whether it looks at how well demonstrations are explained


def _search(**fields: Any) -> Options:
    return {"search": fields}


def _more_act_steps(units: int) -> Options:
    """As many passes of the core as the methods with a signal take, as far as an evaluation goes."""
    passes = ACT_STEPS + DEMONSTRATIONS * (1 + DECODES_PER_UNIT * units)
    return {"act_steps": min(passes, MAX_ACT_STEPS)}


# Each method is one entry here. The first is the one without a signal.
METHODS: tuple[Method, ...] = (
    Method("none", "no search, more ACT steps", _more_act_steps, has_signal=False),
    Method("random", "random search", lambda units: _search(kind="random", samples=DECODES_PER_UNIT * units)),
    Method("gradient", "gradient search", lambda units: _search(kind="gradient", steps=units)),
)
BY_NAME: Mapping[str, Method] = {method.name: method for method in METHODS}

# Which variants think longer, and by which methods; the VAE by all.
MEASURED: Mapping[str, tuple[Method, ...]] = {
    "e": METHODS,
    "g": tuple(method for method in METHODS if method.name in ("none", "gradient")),
}
LEARNING_EMBEDDINGS: tuple[Method, ...] = ()  # of (f): what learns an embedding from demonstrations alone


def methods_of(letter: str) -> tuple[Method, ...]:
    """The methods that a variant is measured with."""
    return LEARNING_EMBEDDINGS if letter == "f" else MEASURED.get(letter, ())
