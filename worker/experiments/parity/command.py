"""`etrm parity DIR`."""

from __future__ import annotations

from pathlib import Path

from backend.kit import output
from backend.kit.exit_codes import ExitCode
from worker.experiments.parity.checks import check_each
from worker.experiments.parity.report import HEADER


def main(folder: Path) -> ExitCode:
    """Print the verdict of each fixture; FAILED unless all that we have models for pass.

    InvalidInput where the folder has no fixture.
    """
    certified, explained = True, False
    fixtures = []
    for line in check_each(folder):
        if line.comparisons and not explained:
            print(HEADER)
            explained = True
        print("\n".join([str(line), *line.details()]), flush=True)
        certified &= line.outcome in ("pass", "not there yet")
        fixtures.append({"name": line.name, "outcome": line.outcome, "notes": line.notes})
    output.answered({"certified": certified, "fixtures": fixtures})
    return ExitCode.DONE if certified else ExitCode.FAILED
