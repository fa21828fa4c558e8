"""`make faults`: break a real lab in every way, at random moments, and write down what came of it.

`python -m tests.faults.long` runs tries, adds them to the results file and writes the table of
docs/reliability.md from it; `… render` only writes the table; `… list` names the kinds. What a session has
tried and was kept is not tried again with the same seed, so `--minutes` spreads a long run over several.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path

from tests.faults.long import kinds  # noqa: F401 — registers them
from tests.faults.long.lab import Labs
from tests.faults.long.registry import KINDS, POSTGRES, SQLITE, STORED
from tests.faults.long.results import BROKEN, DOCUMENT, append, document, read, read_fleets
from tests.faults.long.tries import Tries, database_of

DOCS = Path(__file__).parents[3] / "docs"


def main() -> int:
    """Do what was asked for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "render", "list"], default="run")
    parser.add_argument("--tries", type=int, default=1, help="tries of each kind")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--kinds", default="", help=f"comma-separated; default: all of {', '.join(KINDS)}")
    parser.add_argument(
        "--databases",
        default=",".join((SQLITE, POSTGRES, STORED)),
        help="only the tries that are on these; default: all",
    )
    parser.add_argument("--minutes", type=float, default=0, help="start no try after so long; 0: no limit")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the results; default: docs")
    asked = parser.parse_args()
    if asked.what == "list":
        print("\n".join(f"{name:18} {kind.fault}" for name, kind in KINDS.items()))
        return 0
    broken = _run(asked) if asked.what == "run" else 0
    (asked.out / DOCUMENT).write_text(document(read(asked.out), read_fleets(asked.out)))
    return int(broken > 0)


def _run(asked: argparse.Namespace) -> int:
    """Carry the tries out; how many promises were broken."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # leaves no process behind
    names = asked.kinds.split(",") if asked.kinds else list(KINDS)
    if unknown := [name for name in names if name not in KINDS]:
        sys.exit(f"Unknown kinds: {', '.join(unknown)}. `python -m tests.faults.long list` names them.")
    plan = [
        (number, database, KINDS[name])
        for number in range(asked.tries)
        for name in names
        if (database := database_of(KINDS[name], asked.seed, number)) in asked.databases.split(",")
    ]
    plan.sort(key=lambda planned: planned[:2])  # a lab is started once for all tries on its database
    began, broken = time.monotonic(), 0
    with Labs() as labs:
        tries = Tries(labs)
        for number, database, kind in plan:
            if asked.minutes and time.monotonic() - began > 60 * asked.minutes:
                break
            if (kind.name, asked.seed, number) in _done(asked.out):
                continue
            print(f"{kind.name} on {database}, try {number}", flush=True)
            started = time.monotonic()
            result = tries.carry_out(kind, asked.seed, number)
            append(asked.out, result)
            broken += result.verdict == BROKEN
            took = time.monotonic() - started
            print(
                f"  {result.verdict} in {took:.0f} s, continued after {result.seconds} s: {result.cause}",
                flush=True,
            )
    print(f"{broken} promises broken; repeat with --seed {asked.seed}")
    return broken


def _done(folder: Path) -> set[tuple[str, int, int]]:
    """The tries that need not be made again: also those of other processes."""
    return {result.key for result in read(folder) if result.verdict != BROKEN}


if __name__ == "__main__":
    sys.exit(main())
