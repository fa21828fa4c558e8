"""`make two-hosts`: a hundred short runs of three people on two hosts, of which one is cut off and returns.

The hosts are network namespaces that share nothing but PostgreSQL, Valkey and an S3 server between them.
Needs root on Linux and `ip`. Prints what came of it, one JSON line, adds it to the results file and writes
docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.long.__main__ import DOCS
from tests.faults.long.registry import Skipped
from tests.faults.long.results import DOCUMENT, append, document, read, read_fleets
from tests.faults.long.two_hosts.lab import two_hosts
from tests.faults.long.two_hosts.trial import carry_out_and_check

BURSTS = (60, 30, 10)


def main() -> int:
    """Do what was asked for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long.two_hosts", description=__doc__)
    parser.add_argument("--bursts", type=int, nargs=3, default=BURSTS, help="runs of each person")
    parser.add_argument("--cuts", type=int, default=2, help="how often a host is cut off")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the results; default: docs")
    parser.add_argument("--keep", type=Path, help="folder for the lab's files; default: a temporary one")
    asked = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # what happens is told at once, into a file too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # leaves no process behind
    with tempfile.TemporaryDirectory(prefix="etrm-hosts-") as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with two_hosts(folder) as lab:
                result = carry_out_and_check(lab, tuple(asked.bursts), asked.cuts, asked.seed)
        except Skipped as skipped:
            sys.exit(f"Not tried: this {skipped}.")
    print(json.dumps(result.line))
    append(asked.out, result)
    (asked.out / DOCUMENT).write_text(document(read(asked.out), read_fleets(asked.out)))
    return int(bool(result.broken))


if __name__ == "__main__":
    sys.exit(main())
