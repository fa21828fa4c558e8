"""Sweeps: one config as a group of runs, over seeds, a grid of values, or values drawn at random.

The launch form, the API and the command line read the same definition and expand it by the same function.
"""

from backend.domain.sweeps.confounds import Confound, confounds
from backend.domain.sweeps.definition import MAX_RUNS, Span, Sweep, parse_sweep
from backend.domain.sweeps.expansion import Variation, expand
from backend.domain.sweeps.fields import SweepableField, sweepable
from backend.domain.sweeps.labels import changes_of, sweep_label, value_at, variation_label
from backend.domain.sweeps.text import read_axes, read_axis

__all__ = [
    "MAX_RUNS",
    "Confound",
    "Span",
    "Sweep",
    "SweepableField",
    "Variation",
    "changes_of",
    "confounds",
    "expand",
    "parse_sweep",
    "read_axes",
    "read_axis",
    "sweep_label",
    "sweepable",
    "value_at",
    "variation_label",
]
