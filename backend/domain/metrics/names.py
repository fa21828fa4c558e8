"""Names of metrics that code asks for, wherever they are recorded, judged or drawn."""

from __future__ import annotations

# Of every recorded interval.
LOSS, TOKEN, EXACT = "loss", "accuracy/token", "accuracy/exact"
COVERAGE, SAMPLES = "encoder/gradient_coverage", "encoder/sample_coverage"
SHARE = "encoder/gradient_share"  # encoder's gradient norm / that of all weights
SCALE_FREE, CROSS_SAMPLE = "encoder/scale_free_variance", "encoder/cross_sample_variance"
NORM, ENCODER_NORM = "gradient_norm/all", "gradient_norm/encoder"

# Of probes.
RANK, COSINE = "encoder/effective_rank", "encoder/pairwise_cosine"
WITHIN, RATIO, RETRIEVAL = "encoder/within_variance", "encoder/between_within", "encoder/retrieval"
TOKEN_RIGHT, SWAPPED = "reliance/token_right", "reliance/token_swapped"
COST = "reliance/cost"  # token accuracy that another task's context costs

# Once a run.
LEFT_OUT = "data/left_out_as_leak"  # training tasks
PROBED = "data/probe_tasks"  # tasks that each probe asks
BASELINE = "data/token_baseline"  # token accuracy without learning
