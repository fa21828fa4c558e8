"""The numeric tests again, as a CPU without vector instructions computes: other kernels, other rounding.

A process chooses its kernels at start, so this is one of its own: PyTorch takes its plainest kernels and
MKL the code path that every CPU has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow(first=True)

ROOT = Path(__file__).parents[2]
OTHER_CPU = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "1"}
NUMERIC = (
    "tests/worker/models",
    "tests/worker/search",
    "tests/worker/test_parity.py",
    "tests/worker/test_parity_mutations.py",
    "tests/worker/training/objective/test_losses.py",
    "tests/worker/training/test_optim.py",
)
# Their attention over 1,800 tokens in float64 takes most of the time; the faults run through their encoders.
LONG = "etrm_variational_per_demo or etrm_variational_cross_attention or etrm_deterministic"


def test_numeric_tests_pass_with_the_kernels_of_another_cpu() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *NUMERIC]
    ran = subprocess.run(
        [*command, "-k", f"not ({LONG})"],
        cwd=ROOT,
        env=os.environ | OTHER_CPU,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-10_000:]
