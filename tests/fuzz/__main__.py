"""`make fuzz`: each fuzzer with a budget and a seed, on either database; exits 1 if it finds something."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz.api import fuzz_api
from tests.fuzz.lab import ROLES, fuzzed_lab
from tests.fuzz.logged import fuzz_logged
from tests.fuzz.raw import fuzz_raw
from tests.fuzz.uploads import fuzz_uploads

BUDGETS = {"api": 10_000, "raw": 5_000, "uploads": 10_000, "logged": 5_000}  # cases; `api`: for each role


def main() -> None:
    """Run what was asked for, print what came of it, and how to repeat it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *BUDGETS], help="default: all of them")
    parser.add_argument("--budget", type=int, help=f"cases; default: {BUDGETS}")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--role", choices=ROLES, help="of `api`; default: each of them")
    asked = parser.parse_args()
    databases = ("sqlite", "postgres") if asked.database == "both" else (asked.database,)
    found = sum(_fuzz(what, database, asked) for what in asked.what or BUDGETS for database in databases)
    print(f"{found} findings; repeat with --seed {asked.seed}")
    sys.exit(bool(found))


def _fuzz(what: str, database: str, asked: argparse.Namespace) -> int:
    """Run one fuzzer on a fresh lab; gives the number of findings."""
    budget = asked.budget or BUDGETS[what]
    with fuzzed_lab(database) as lab:
        for role in ((asked.role,) if asked.role else ROLES) if what == "api" else ("",):
            began = time.monotonic()
            match what:
                case "api":
                    seen = fuzz_api(lab, role, budget, asked.seed)
                case "raw":
                    seen = fuzz_raw(lab, budget, asked.seed)
                case "uploads":
                    seen = fuzz_uploads(lab, budget, asked.seed)
                case _:
                    seen = fuzz_logged(lab, budget, asked.seed)
            took = time.monotonic() - began
            name = " ".join(filter(None, (what, database, role, f"seed {asked.seed}")))
            print(
                f"{name}: {sum(seen.values())} answers in {took:.0f} s: {dict(sorted(seen.items()))}",
                flush=True,
            )
        return len(lab.findings)


if __name__ == "__main__":
    main()
