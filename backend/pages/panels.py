"""Which metrics stand together in one chart, in which section, and in what unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.domain.health import COST, LEFT_OUT

TITLES = {
    "accuracy/token": "tokens",
    "accuracy/exact": "exact (grids)",
    "accuracy/halting": "halting",
    "loss": "total",
    "loss/prediction": "prediction",
    "loss/halting": "halting",
    "gradient_norm/all": "all",
    "gradient_norm/encoder": "encoder",
    "gradient_norm/core": "core",
    "encoder/gradient_coverage": "of parameters",
    "encoder/sample_coverage": "of samples",
    "encoder/cross_sample_variance": "cross-sample variance",
    "encoder/scale_free_variance": "share of energy",
    "encoder/gradient_share": "of the norm",
    "encoder/effective_rank": "effective rank",
    "encoder/pairwise_cosine": "pairwise cosine",
    "encoder/retrieval": "puzzle retrieval",
    "encoder/within_variance": "within a task",
    "encoder/between_within": "between / within",
    "loss/kl": "KL",
    "reliance/token_right": "right",
    "reliance/token_swapped": "another's",
    "reliance/token_mean": "mean",
    "reliance/exact_right": "right",
    "reliance/exact_swapped": "another's",
    "reliance/exact_mean": "mean",
    "act_steps": "mean ACT steps",
    "learning_rate": "learning rate",
    "samples_per_second": "samples/s",
    "memory_bytes": "memory",
}


NO_CURVES = (LEFT_OUT, COST)  # told in the evidence; the cost is the distance of two lines


@dataclass(frozen=True)
class Panel:
    """One chart. `metrics` are names, or a prefix that ends with a slash for all that begin so."""

    id: str
    section: str
    title: str
    metrics: tuple[str, ...]
    axis: str  # share, number, bytes: how the axis counts
    about: str
    log: bool = False


PANELS = (
    Panel(
        "accuracy",
        "Learning",
        "Train accuracy",
        ("accuracy/token", "accuracy/exact", "accuracy/halting"),
        "share",
        "Of the samples that halted in the interval: the share of labelled tokens right (mean over samples), "
        "of whole grids right, and of halting decisions right. Training tasks only.",
    ),
    Panel(
        "loss",
        "Learning",
        "Loss terms",
        ("loss", "loss/prediction", "loss/halting", "loss/"),
        "number",
        "Mean over the interval's steps. Total = prediction + 0.5 × halting + weighted penalties.",
        log=True,
    ),
    Panel(
        "act",
        "Learning",
        "ACT steps",
        ("act_steps",),
        "number",
        "Mean number of ACT steps of the samples that halted: how long the model thinks before it stops.",
    ),
    Panel(
        "coverage",
        "Encoder",
        "Gradient coverage",
        ("encoder/gradient_coverage", "encoder/sample_coverage"),
        "share",
        "Share of the encoder's parameters, and of samples, that received a gradient other than zero. "
        "Below 50 % the encoder starves: it cannot learn from what it does not receive.",
    ),
    Panel(
        "scale_free",
        "Encoder",
        "Context variance, scale-free",
        ("encoder/scale_free_variance",),
        "share",
        "Cross-sample variance divided by the context's mean square: the share of its energy that differs "
        "between samples. 0 means that every task gets the same context.",
    ),
    Panel(
        "variance",
        "Encoder",
        "Context variance, cross-sample",
        ("encoder/cross_sample_variance",),
        "number",
        "Mean over samples, tokens and features of (context − batch mean)². It grows with the context's "
        "scale: compare it within one encoder only.",
    ),
    Panel(
        "reliance",
        "Encoder",
        "Decoder reliance, tokens",
        ("reliance/token_right", "reliance/token_swapped", "reliance/token_mean"),
        "share",
        "Share of labelled tokens right on the probe's questions, with the right context, with another "
        "task's and with the mean of all. Equal lines: the decoder predicts without knowing the task.",
    ),
    Panel(
        "reliance_exact",
        "Encoder",
        "Decoder reliance, whole grids",
        ("reliance/exact_right", "reliance/exact_swapped", "reliance/exact_mean"),
        "share",
        "Share of whole grids right on the probe's questions, with the right context, with another task's "
        "and with the mean of all.",
    ),
    Panel(
        "similarity",
        "Encoder",
        "Likeness of contexts",
        ("encoder/retrieval", "encoder/pairwise_cosine"),
        "share",
        "Puzzle retrieval: share of a probe's views whose nearest other view is of the same task, over "
        "augmentations. Pairwise cosine: mean over contexts of different tasks; near 1 all point one way.",
    ),
    Panel(
        "rank",
        "Encoder",
        "Effective rank",
        ("encoder/effective_rank",),
        "number",
        "exp of the entropy of the normalised singular values of a probe's centred contexts: how many "
        "directions they differ in.",
    ),
    Panel(
        "groups",
        "Encoder",
        "Between / within variance",
        ("encoder/between_within",),
        "number",
        "How far tasks lie apart, over how far two augmentations of one task do. 1 is what contexts have "
        "that know nothing of their task.",
        log=True,
    ),
    Panel(
        "within",
        "Encoder",
        "Variance within a task",
        ("encoder/within_variance",),
        "number",
        "Mean square distance of a probe's contexts from the mean of their task: what differs between "
        "augmentations. It grows with the context's scale.",
    ),
    Panel(
        "gradient_share",
        "Encoder",
        "Encoder's share of the gradient norm",
        ("encoder/gradient_share",),
        "share",
        "Norm of the encoder's gradient over that of all weights, before clipping. It falls where the "
        "decoder learns to do without the context.",
    ),
    Panel(
        "gradients",
        "Optimisation",
        "Gradient norms",
        ("gradient_norm/all", "gradient_norm/encoder", "gradient_norm/core"),
        "number",
        "L2 norms before clipping, of all weights, of the encoder's and of the core's.",
        log=True,
    ),
    Panel(
        "learning_rate",
        "Optimisation",
        "Learning rate",
        ("learning_rate",),
        "number",
        "What the schedule gave at each step.",
    ),
    Panel(
        "throughput",
        "Machine",
        "Throughput",
        ("samples_per_second",),
        "number",
        "Samples trained on per second of training; evaluation and checkpoints are not counted.",
    ),
    Panel(
        "memory",
        "Machine",
        "Memory",
        ("memory_bytes",),
        "bytes",
        "Of the device: allocated GPU memory, or the process's resident memory on a CPU.",
    ),
)


def arranged(names: Iterable[str]) -> list[Panel]:
    """The panels that have something to show, their metrics spelt out; what no panel knows gets its own."""
    left = [name for name in names if name not in NO_CURVES]
    panels = []
    for panel in PANELS:
        if found := [name for wanted in panel.metrics for name in left if _belongs(name, wanted)]:
            panels.append(_with(panel, list(dict.fromkeys(found))))
            left = [name for name in left if name not in found]
    groups: dict[str, list[str]] = {}
    for name in left:
        groups.setdefault(name.rpartition("/")[0] or name, []).append(name)
    return panels + [_other(group, found) for group, found in groups.items()]


def panel_of(names: Iterable[str], panel_id: str) -> Panel | None:
    """The panel called `panel_id` among those that `names` give."""
    return next((panel for panel in arranged(names) if panel.id == panel_id), None)


def title_of(metric: str) -> str:
    """How a metric is called inside its panel."""
    return TITLES.get(metric, metric.rpartition("/")[2].replace("_", " "))


def _belongs(name: str, wanted: str) -> bool:
    return name.startswith(wanted) if wanted.endswith("/") else name == wanted


def _with(panel: Panel, metrics: Sequence[str]) -> Panel:
    return Panel(panel.id, panel.section, panel.title, tuple(metrics), panel.axis, panel.about, log=panel.log)


def _other(group: str, metrics: Sequence[str]) -> Panel:
    return Panel(f"other-{group}", "Other", group, tuple(metrics), "number", "Logged by the run itself.")
