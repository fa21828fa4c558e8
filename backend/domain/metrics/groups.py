"""Charts of several metrics; a metric joins one by its `panel`."""

from __future__ import annotations

from backend.domain.metrics.metric import Group

GROUPS = (
    Group(
        "accuracy",
        "Learning",
        "Train accuracy",
        "Of the samples that halted in the interval; training tasks only.",
    ),
    Group(
        "loss",
        "Learning",
        "Loss terms",
        "Means over the interval's steps. Total = prediction + 0.5 × halting + weighted penalties.",
        prefix="loss/",
        log=True,
    ),
    Group(
        "coverage",
        "Encoder",
        "Gradient coverage",
        "Below 50 % the encoder starves: it cannot learn from what it does not receive.",
    ),
    Group(
        "reliance",
        "Encoder",
        "Decoder reliance, tokens",
        "Equal lines: the decoder predicts without knowing the task.",
    ),
    Group("reliance_exact", "Encoder", "Decoder reliance, whole grids"),
    Group("similarity", "Encoder", "Puzzle retrieval"),
    Group("latent", "Encoder", "Latent refinement", log=True),
    Group("gradients", "Optimisation", "Gradient norms", log=True),
    Group("system_memory", "System", "Memory of the machine"),
)
