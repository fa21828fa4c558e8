"""What is watched of the encoder, and when an alarm is raised."""

from __future__ import annotations

from backend.domain.experiment.fields import Config, field


class HealthConfig(Config):
    """Probes of the encoder during training, and the thresholds of their alarms and verdicts."""

    probe_every: int | None = field(
        100,
        "Probe every",
        "Steps between probes: effective rank, cosine, retrieval and decoder reliance, always of the same "
        "training tasks. Empty means never.",
        unit="steps",
        ge=1,
    )
    probe_tasks: int = field(
        16,
        "Probe tasks",
        "Different tasks a probe looks at, each in two augmentations. Fewer where there are fewer; at most "
        "half the batch size.",
        unit="tasks",
        ge=2,
        le=512,
        advanced=True,
    )
    probe_act_steps: int = field(
        2,
        "Probe ACT steps",
        "How long a probe thinks about each question, at most the model's own number of ACT steps.",
        unit="ACT steps",
        ge=1,
        le=64,
        advanced=True,
    )
    histogram_every: int | None = field(
        100,
        "Histograms every",
        "Steps between histograms of weights, gradients and contexts; the first step has one, too. They "
        "change no number of the run. Empty means never.",
        unit="steps",
        ge=1,
        advanced=True,
    )
    least_coverage: float = field(
        0.5,
        "Min gradient coverage",
        "Alarm where a smaller share of the encoder's weights, or of the samples, receives a gradient.",
        ge=0,
        le=1,
        advanced=True,
    )
    least_variance: float = field(
        1e-3,
        "Min variance",
        "Alarm where less of the context variance is between samples (scale-free cross-sample variance).",
        ge=0,
        le=1,
        advanced=True,
    )
    thin_variance: float = field(
        0.02,
        "Low variance",
        "The verdict warns, without an alarm, where the scale-free variance is below this.",
        ge=0,
        le=1,
        advanced=True,
    )
    largest_jump: float = field(
        100.0,
        "Max jump",
        "Alarm where the gradient norm is more than so many times its recent median.",
        gt=1,
        le=1e9,
        advanced=True,
    )
    least_reliance: float = field(
        0.01,
        "Min reliance",
        "Alarm where another task's context costs less token accuracy for as many probes as patience says: "
        "the decoder does not use its context.",
        ge=0,
        le=1,
        advanced=True,
    )
    largest_gap: float = field(
        0.2,
        "Max gap",
        "Alarm where exact training accuracy is so far above the upper end of the interval of held-out "
        "pass@1: tasks are remembered.",
        ge=0,
        le=1,
        advanced=True,
    )
    patience: int = field(
        10,
        "Patience",
        "Consecutive recorded points over a threshold before an alarm is raised.",
        unit="points",
        ge=1,
        le=10_000,
        advanced=True,
    )
