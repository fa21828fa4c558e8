"""Published results of the field: reference rows, never mixed with what was measured here.

From "Less is More: Recursive Reasoning with Tiny Networks" (arXiv 2510.04871), "Searching Latent Program
Spaces" (arXiv 2411.08706) and the ETRM project's own report. Percentages as printed; what they hide stands
in `CAVEATS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Caveat = Literal["detached", "denominator", "ema", "variance", "seeds", "puzzle ids", "search", "weights"]


@dataclass(frozen=True)
class PublishedResult:
    """One row as published; None where nothing was."""

    model: str
    variant: str  # of ours that it corresponds to
    parameters: str
    steps: int | None
    pass_at: dict[int, str]  # k -> text as published
    train_accuracy: float | None  # percent of labelled tokens
    cross_sample_variance: float | None
    caveats: tuple[Caveat, ...]


PUBLISHED = (
    PublishedResult(
        "TRM", "trm", "7M", 155_000, {1: "37.38 %", 2: "41.25 %", 5: "47.12 %"}, 92.50, None,
        ("puzzle ids", "ema", "seeds"),
    ),
    PublishedResult(
        "TRM", "trm", "7M", 518_000, {1: "41.75 %", 2: "48.75 %", 5: "52.25 %"}, 98.44, None,
        ("puzzle ids", "ema", "seeds"),
    ),
    PublishedResult(
        "ETRM deterministic", "deterministic", "22M", 175_000,
        {1: "0.00 %", 2: "0.50 %", 5: "0.50 %"}, 78.91, 0.357,
        ("denominator", "ema", "variance", "seeds", "weights"),
    ),
    PublishedResult(
        "ETRM variational (cross-attention)", "variational", "23M", 174_000,
        {1: "0.00 %", 2: "0.00 %", 5: "0.00 %"}, 40.62, 3.33,
        ("denominator", "ema", "variance", "seeds", "weights"),
    ),
    PublishedResult(
        "ETRM iterative (ETRM-TRM)", "iterative", "15M", 87_000,
        {1: "0.00 %", 2: "0.25 %", 5: "0.25 %"}, 51.17, 0.146,
        ("detached", "denominator", "ema", "variance", "seeds", "weights"),
    ),
    PublishedResult(
        "LPN, without → with search", "per_demo", "178M", None, {2: "7.75 → 15.5 %"}, None, None,
        ("search",),
    ),
)  # fmt: skip

CAVEATS: dict[Caveat, str] = {
    "detached": "Its encoder received no gradient: the published code returns the encoder's state detached. "
    "That iteration without feedback fails was therefore not tested. Here it is iterative with "
    "detach_context on; the default trains it.",
    "denominator": "Evaluated on 32 of 400 tasks, but divided by all 400: 0.50 % are 2 tasks solved and "
    "0.25 % are 1. No interval was given.",
    "ema": "One TRM checkpoint scores 3.25 % with its raw weights and 41.75 % with their moving average. "
    "The ETRM decoders started from the raw weights.",
    "variance": "The user's cross-sample variance grows with the scale of the context. The deterministic "
    "context is normalised to mean square 1, the variational one is not: 0.357 may be more than 3.33. "
    "The scale-free measures compare across encoders.",
    "seeds": "One seed: no spread is known.",
    "puzzle ids": "TRM learns one embedding per puzzle, evaluation puzzles included. "
    "It is asked for other views of puzzles that it knows; an encoder is asked for puzzles it never saw.",
    "weights": "The report prints 22M, 23M and 15M weights for the three; the project's notebook of the same "
    "runs counts 17M, 29M and 21M, as its code has them and the presets here.",
    "search": "Trained with a leave-one-out objective; search moves the latent at test time, guided by the "
    "demonstrations alone.",
}
