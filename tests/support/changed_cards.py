"""Cards that somebody has changed, each in a way of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backend.domain.ablation.card import derived


def follow(raw: dict[str, Any]) -> None:
    """Make every number of the card follow from its ranks."""
    for row, numbers in zip(raw["rows"], derived([row["ranks"] for row in raw["rows"]]), strict=True):
        row |= numbers.model_dump(mode="json")


def without_seal(raw: dict[str, Any]) -> None:
    raw["rows"][0]["cost"]["seconds"] += 1


def another_score(raw: dict[str, Any]) -> None:
    raw["rows"][1]["passes"]["1"][0] = 5


def another_p_value(raw: dict[str, Any]) -> None:
    raw["rows"][1]["against"]["p_adjusted"] = 0.4


def other_ranks(raw: dict[str, Any]) -> None:
    """A made-up answer, with all that follows from it."""
    row = raw["rows"][1]
    row["ranks"] = {task: [1] for task in row["ranks"]}
    follow(raw)


def another_row_fewer(raw: dict[str, Any]) -> None:
    del raw["rows"][1]
    follow(raw)


def other_weights(raw: dict[str, Any]) -> None:
    raw["checkpoint"]["weights"]["ema"] = "0" * 64


def another_checkpoint(raw: dict[str, Any]) -> None:
    raw["checkpoint"]["manifest"] = "0" * 64


def another_task(raw: dict[str, Any]) -> None:
    raw["tasks"][min(raw["tasks"])] = "0" * 64


def another_config(raw: dict[str, Any]) -> None:
    raw["config"]["optimisation"]["ema_decay"] = 0.5


def other_leaks(raw: dict[str, Any]) -> None:
    raw["leaks"]["given_away"] += 1


def another_intervention(raw: dict[str, Any]) -> None:
    del raw["rows"][1]["protocol"]["intervention"]


def a_row_twice(raw: dict[str, Any]) -> None:
    raw["rows"][2] = {**raw["rows"][1]}
    follow(raw)


def more_passes(raw: dict[str, Any]) -> None:
    raw["rows"][0]["cost"]["forward_passes"] += 1


def another_step(raw: dict[str, Any]) -> None:
    raw["checkpoint"]["step"] += 1


def another_step_asked(raw: dict[str, Any]) -> None:
    raw["asked"]["step"] += 1


def other_words_of_a_row(raw: dict[str, Any]) -> None:
    raw["rows"][1]["about"] = "nothing was changed"


def other_words_of_the_leak_check(raw: dict[str, Any]) -> None:
    raw["leaks"]["words"] = "no task was trained on"


def another_reason(raw: dict[str, Any]) -> None:
    raw["left_out"][0]["why"] = "it would have failed"


# With the field by which a lab refuses it, though it was sealed again.
CHANGES: tuple[tuple[Callable[[dict[str, Any]], None], str], ...] = (
    (another_score, "rows[blank context].pass@1"),
    (another_p_value, "rows[blank context].against.p_adjusted"),
    (other_ranks, "rows[blank context].passes"),
    (another_row_fewer, "rows"),
    (other_weights, "checkpoint.weights.ema"),
    (another_checkpoint, "checkpoint.manifest"),
    (another_task, "tasks"),
    (another_config, "config"),
    (other_leaks, "leaks"),
    (another_intervention, "rows[blank context].protocol"),
    (a_row_twice, "rows"),
    (more_passes, "rows[right context].cost.forward_passes"),
    (another_step, "checkpoint.step"),
    (another_step_asked, "asked.step"),
    (other_words_of_a_row, "rows[blank context].about"),
    (other_words_of_the_leak_check, "leaks.words"),
    (another_reason, "left_out"),
)
