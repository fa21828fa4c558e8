"""Every metric that a training records, in the order in which pages show them.

Add a metric here and the line that records it in `worker/`: charts, explanations, columns, filters, orders,
hypotheses, dashboards, `etrm metrics` and the API follow. Definitions of the encoder's: etrm.md section 8.
"""

from __future__ import annotations

from backend.domain.metrics.metric import EVERY_PROBE, Metric
from backend.domain.metrics.names import (
    BASELINE,
    COSINE,
    COST,
    COVERAGE,
    CROSS_SAMPLE,
    ENCODER_NORM,
    EXACT,
    LEFT_OUT,
    LOSS,
    NORM,
    PROBED,
    RANK,
    RATIO,
    RETRIEVAL,
    SAMPLES,
    SCALE_FREE,
    SHARE,
    TOKEN,
    WITHIN,
)
from backend.domain.metrics.system import SYSTEM_METRICS

METRICS = (
    Metric(
        TOKEN,
        "Train accuracy, tokens",
        "Share of labelled tokens right, a mean over samples.",
        unit="share",
        better="higher",
        label="tokens",
        panel="accuracy",
    ),
    Metric(
        EXACT,
        "Train accuracy, exact",
        "Share of whole grids right.",
        unit="share",
        better="higher",
        label="exact (grids)",
        panel="accuracy",
    ),
    Metric(
        LOSS,
        "Loss",
        "What is minimised: the sum of all terms.",
        better="lower",
        label="total",
        panel="loss",
    ),
    Metric(
        "loss/prediction",
        "Loss, prediction",
        "Cross-entropy of the predicted tokens.",
        better="lower",
        label="prediction",
        panel="loss",
    ),
    Metric(
        "loss/halting",
        "Loss, halting",
        "Cross-entropy of the halting decision.",
        better="lower",
        label="halting",
        panel="loss",
    ),
    Metric(
        "loss/kl_per_sample",
        "Loss, KL",
        "Divergence of the encoder's distribution from a standard normal one, in nats per sample and before "
        "its weight. The VAE per demonstration has it per demonstration.",
        label="KL (nats per sample)",
        panel="loss",
        recorded="with a variational encoder",
    ),
    Metric(
        "loss/kl",
        "Loss, KL / batch size",
        "The divergence divided by the batch size, as runs recorded it before loss/kl_per_sample took its "
        "place. Times the batch size it is nats per sample.",
        label="KL / batch size",
        panel="loss",
        recorded="by earlier versions, with a variational encoder",
    ),
    Metric(
        "loss/contrast",
        "Loss, contrastive",
        "The contrastive term, before its weight.",
        better="lower",
        label="contrast",
        panel="loss",
        recorded="with a contrastive term",
    ),
    Metric(
        "accuracy/halting",
        "Halting decisions right",
        "Share of samples whose halting logit says whether the answer is right.",
        "Learning",
        unit="share",
        better="higher",
    ),
    Metric(
        "act_steps",
        "ACT steps",
        "Mean number of ACT steps of the samples that halted: how long the model thinks before it stops.",
        "Learning",
        label="mean ACT steps",
        panel="act",
    ),
    Metric(
        COVERAGE,
        "Gradient coverage, parameters",
        "Share of the encoder's numbers that received a gradient other than zero in the last interval. An "
        "encoder that is cut off from the loss shows 0 % from the first step on, and stays as it was drawn "
        "at the start.",
        unit="share",
        better="higher",
        label="of parameters",
        panel="coverage",
    ),
    Metric(
        SAMPLES,
        "Gradient coverage, samples",
        "Share of samples whose context was encoded in this step and received a gradient. A cached context "
        "(re-encode off) reaches the encoder at a sample's first ACT step only; the published first version "
        "had about 2 % and stalled.",
        unit="share",
        better="higher",
        label="of samples",
        panel="coverage",
    ),
    Metric(
        SCALE_FREE,
        "Context variance, scale-free",
        "Cross-sample variance divided by the context's mean square: the share of context variance that is "
        "between samples. Near 0 every task gets the same context and the decoder cannot tell tasks apart; "
        "below 0.1 % raises an alarm. It compares across encoders.",
        "Encoder",
        unit="share",
        label="between tasks",
        panel="scale_free",
    ),
    Metric(
        CROSS_SAMPLE,
        "Context variance, cross-sample",
        "Mean over samples, tokens and features of (context − batch mean)². It grows with the context's "
        "scale: 3.33 of one encoder may mean less than 0.36 of another. Published: deterministic 0.357, "
        "variational 3.33, iterative 0.146.",
        "Encoder",
        label="cross-sample variance",
        panel="variance",
    ),
    *(
        Metric(
            f"reliance/{kind}_{context}",
            f"Decoder reliance, {what}: {label} context",
            f"Share of {counted} right on the probe's questions with {under}.",
            unit="share",
            label=label,
            panel=panel,
            recorded=EVERY_PROBE,
        )
        for kind, what, counted, panel in (
            ("token", "tokens", "labelled tokens", "reliance"),
            ("exact", "whole grids", "whole grids", "reliance_exact"),
        )
        for context, label, under in (
            ("right", "right", "the task's own context"),
            ("swapped", "another's", "the context of another task"),
            ("mean", "mean", "the mean of all contexts"),
        )
    ),
    Metric(
        RETRIEVAL,
        "Puzzle retrieval, top-1",
        "Share of the probe's views whose nearest other view, by cosine, is of the same task. Chance is one "
        "in the number of other views.",
        unit="share",
        better="higher",
        label="puzzle retrieval",
        panel="similarity",
        recorded=EVERY_PROBE,
    ),
    Metric(
        "contrast/retrieval",
        "Puzzle retrieval, contrastive batch",
        "The same share among the views of the contrastive term's own batch.",
        unit="share",
        better="higher",
        label="contrastive batch",
        panel="similarity",
        recorded="with a contrastive term",
    ),
    Metric(
        COSINE,
        "Mean pairwise cosine",
        "Mean cosine between the contexts of different tasks in a probe, −1 to 1. Near 1 all contexts point "
        "one way, whatever their variance.",
        "Encoder",
        label="pairwise cosine",
        panel="cosine",
        recorded=EVERY_PROBE,
        limits=(-1.0, 1.0),
    ),
    Metric(
        RANK,
        "Effective rank",
        "How many directions the contexts differ in: exp of the entropy of the singular values of the "
        "centred batch of a probe. 1 means that all contexts lie on one line; the most is one less than the "
        "probe's samples.",
        "Encoder",
        panel="rank",
        recorded=EVERY_PROBE,
    ),
    Metric(
        RATIO,
        "Between / within variance",
        "How far the means of tasks lie apart, over how far two augmentations of one task do (mean squares). "
        "With two views 1 is what contexts have that know nothing of their task; the larger, the more a "
        "context is about its task.",
        "Encoder",
        better="higher",
        label="between / within",
        panel="groups",
        recorded=EVERY_PROBE,
        log=True,
    ),
    Metric(
        WITHIN,
        "Variance within a task",
        "Mean square distance of a probe's contexts from the mean of their task: what differs between "
        "augmentations. It grows with the context's scale.",
        "Encoder",
        label="within a task",
        panel="within",
        recorded=EVERY_PROBE,
    ),
    Metric(
        SHARE,
        "Encoder's share of the gradient norm",
        "L2 norm of the encoder's gradient over that of all weights, before clipping; mean over the "
        "interval's steps. It falls where the decoder learns to do without the context.",
        "Encoder",
        unit="share",
        label="of the norm",
        panel="gradient_share",
    ),
    Metric(
        COST,
        "Decoder reliance: cost of another task's context",
        "Token accuracy on the probe's questions with the right context, less that with the next task's. "
        "Near 0 the decoder predicts without knowing the task, however good the encoder is. The chart also "
        "shows the mean context.",
        "Encoder",
        better="higher",
        recorded=EVERY_PROBE,
        charted=False,  # the distance of two lines of `reliance`
        limits=(-1.0, 1.0),
    ),
    Metric(
        "latent/loss_before",
        "Latent refinement, loss before",
        "Loss of a sample's shown demonstrations under the encoder's own latent.",
        better="lower",
        label="loss before",
        panel="latent",
        recorded="with latent refinement",
    ),
    Metric(
        "latent/loss_after",
        "Latent refinement, loss after",
        "The same loss under the latent that the gradient steps moved.",
        better="lower",
        label="loss after",
        panel="latent",
        recorded="with latent refinement",
    ),
    *(
        Metric(
            name,
            f"Gradient norm, {what}",
            f"L2 norm of the gradient of {of} before clipping.",
            label=label,
            panel="gradients",
        )
        for name, label, what, of in (
            (NORM, "all", "all weights", "all weights"),
            (ENCODER_NORM, "encoder", "encoder", "the encoder"),
            ("gradient_norm/core", "core", "core", "the core"),
        )
    ),
    Metric(
        "learning_rate",
        "Learning rate",
        "What the schedule gave at each step.",
        "Optimisation",
        panel="learning_rate",
    ),
    Metric(
        "kl_weight",
        "KL weight",
        "Weight of the KL term while it is annealed.",
        "Optimisation",
        panel="kl_weight",
        recorded="while the KL term is annealed",
    ),
    Metric(
        "samples_per_second",
        "Throughput",
        "Samples trained on per second of training; evaluation and checkpoints are not counted.",
        "Machine",
        better="higher",
        label="samples/s",
        panel="throughput",
    ),
    Metric(
        "memory_bytes",
        "Memory",
        "Of the device: allocated GPU memory, or the process's resident memory on a CPU.",
        "Machine",
        unit="bytes",
        panel="memory",
    ),
    Metric(
        LEFT_OUT,
        "Training tasks that overlap evaluation tasks",
        "Before training, every pair is compared with every pair of the evaluated sets, in any augmentation, "
        "and tasks that share one are excluded. An evaluation of other tasks is compared with the tasks "
        "trained on as well, and says what it finds.",
        recorded="once, with the first point",
        charted=False,
    ),
    Metric(
        PROBED,
        "Tasks of a probe",
        "Different training tasks of one canvas that each probe asks, in two augmentations: at most "
        "health.probe_tasks and half a batch. With fewer than two there is nothing to compare, and no probe.",
        recorded="once, with the first point",
        charted=False,
    ),
    Metric(
        BASELINE,
        "Token accuracy without learning",
        "Share of labelled tokens that copying the input or writing each answer's most common token gets "
        "right, the better of both, a mean over training pairs. Token accuracy below it shows no learning.",
        unit="share",
        recorded="once, with the first point",
        charted=False,
    ),
    *SYSTEM_METRICS,
)
