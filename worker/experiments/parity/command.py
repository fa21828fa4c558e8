"""`etrm parity DIR`."""

from __future__ import annotations

from pathlib import Path

from backend.kit.errors import EtrmError
from worker.experiments.parity.checks import check_each
from worker.experiments.parity.report import HEADER


def main(folder: Path) -> int:
    """Print the verdict of each fixture; exit status 1 unless all that we have models for pass."""
    certified, explained = True, False
    try:
        for line in check_each(folder):
            if line.comparisons and not explained:
                print(HEADER)
                explained = True
            print("\n".join([str(line), *line.details()]), flush=True)
            certified &= line.outcome in ("pass", "not there yet")
    except EtrmError as error:
        print(error)
        return 1
    return int(not certified)
