"""What a training records, by name: what a hypothesis may be about before anything was recorded."""

from __future__ import annotations

from backend.kit.problems import nearest

SERIES = (
    "accuracy/token",
    "accuracy/exact",
    "accuracy/halting",
    "loss",
    "loss/prediction",
    "loss/halting",
    "loss/kl",
    "loss/contrast",
    "contrast/retrieval",
    "latent/loss_before",
    "latent/loss_after",
    "kl_weight",
    "act_steps",
    "learning_rate",
    "samples_per_second",
    "memory_bytes",
    "gradient_norm/all",
    "gradient_norm/encoder",
    "gradient_norm/core",
    "encoder/gradient_coverage",
    "encoder/sample_coverage",
    "encoder/gradient_share",
    "encoder/scale_free_variance",
    "encoder/cross_sample_variance",
    "encoder/effective_rank",
    "encoder/pairwise_cosine",
    "encoder/within_variance",
    "encoder/between_within",
    "encoder/retrieval",
    "reliance/token_right",
    "reliance/token_swapped",
    "reliance/token_mean",
    "reliance/exact_right",
    "reliance/exact_swapped",
    "reliance/exact_mean",
    "reliance/cost",
)
_SHARES = (
    "encoder/gradient_coverage",
    "encoder/sample_coverage",
    "encoder/gradient_share",
    "encoder/retrieval",
    "contrast/retrieval",
)
_SHARES_BY_BEGINNING = ("accuracy/", "reliance/token_", "reliance/exact_")


def is_known(name: str) -> bool:
    """Whether a training may record a series of this name."""
    return name in SERIES


def is_share(name: str) -> bool:
    """Whether the values of a recorded series lie in 0 to 1."""
    return name in _SHARES or (name in SERIES and name.startswith(_SHARES_BY_BEGINNING))


def suggestion(name: str) -> str:
    """What an unknown name was probably meant to be."""
    by_end = {each.rpartition("/")[2]: each for each in SERIES}
    close = nearest(name.lower(), [*SERIES, *by_end])
    return f"did you mean {by_end.get(close, close)!r}?" if close else f"known are {', '.join(SERIES)}"
