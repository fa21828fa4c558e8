"""Methods of thinking longer at test time, each with its evaluation options for an amount of compute.

Compute is counted in decodes: demonstrations passed through the core. Every method spends what it may: it
ends before the step that would exceed its cap, so the same cap is the same compute but for a last step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.experiments.control.variants import ACT_STEPS, DEMONSTRATIONS

MAX_ACT_STEPS = 256  # that an evaluation takes
MAX_STEPS = 10_000  # more than any cap allows

Options = Mapping[str, Any]  # fields of EvaluationConfig


@dataclass(frozen=True)
class Method:
    """A way to spend compute on a test task."""

    name: str
    label: str  # in tables and charts
    options: Callable[[int], Options]  # decodes -> what the evaluation changes
    has_signal: bool = True  # whether it looks at how well demonstrations are explained
    most: int | None = None  # decodes, above which more made no difference

    def budgets(self, all_of_them: Sequence[int]) -> list[int]:
        """Those it is measured with."""
        return [decodes for decodes in all_of_them if self.most is None or decodes <= self.most]


def _more_act_steps(decodes: int) -> Options:
    """As many passes of the core as the methods with a signal take, as far as an evaluation goes."""
    return {"act_steps": min(ACT_STEPS + decodes, MAX_ACT_STEPS)}


def _searching(**fields: Any) -> Callable[[int], Options]:
    return lambda decodes: {"search": fields | {"most_decodes": decodes}}


def _learning(**fields: Any) -> Callable[[int], Options]:
    """A task's own demonstrations, as they are: an augmented one would follow another rule."""
    chosen = fields | {"steps": MAX_STEPS, "batch_size": DEMONSTRATIONS, "augmentations": 0}
    return lambda decodes: {"adaptation": chosen | {"most_decodes": decodes}}


# Each method is one entry here. The first is the one without a signal.
METHODS: tuple[Method, ...] = (
    Method("none", "no search, more ACT steps", _more_act_steps, has_signal=False),
    Method("random", "random search", _searching(kind="random", samples=MAX_STEPS)),
    Method("gradient", "gradient search", _searching(kind="gradient", steps=MAX_STEPS)),
    Method("evolutionary", "evolutionary search", _searching(kind="evolutionary", generations=MAX_STEPS)),
    Method("training", "test-time training", _learning(kind="all", learning_rate=1e-3)),
)
EMBEDDINGS = Method(
    "embedding", "learning only the embedding", _learning(kind="embedding", learning_rate=0.05), most=300
)
BY_NAME: Mapping[str, Method] = {method.name: method for method in (*METHODS, EMBEDDINGS)}

# Which variants think longer, and by which methods.
MEASURED: Mapping[str, tuple[Method, ...]] = {
    "e": METHODS,
    "f": (EMBEDDINGS,),
    "g": (BY_NAME["none"], BY_NAME["gradient"]),
}


def methods_of(letter: str) -> tuple[Method, ...]:
    """The methods that a variant is measured with."""
    return MEASURED.get(letter, ())
