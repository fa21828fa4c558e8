"""Do our models compute what the published ones computed? One verdict per recorded fixture of a folder.

The published numbers are float32, and the recursion amplifies rounding, so how near ours must come is
measured: see `rounding`. The reasons and the figures are in docs/decisions/parity.md.
"""

from worker.experiments.parity.checks import check_folder
from worker.experiments.parity.command import main

__all__ = ["check_folder", "main"]
