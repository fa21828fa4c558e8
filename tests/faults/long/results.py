"""The results file, one JSON line a try, and the table that is made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.faults.long.registry import KINDS

FILE, DOCUMENT = "reliability.jsonl", "reliability.md"
KEPT, BROKEN, SKIPPED = "kept", "broken", "skipped"


@dataclass(frozen=True)
class Result:
    """What came of one try."""

    kind: str
    database: str
    seed: int
    number: int
    seconds: float  # from healing until every run had ended or gone on
    verdict: str
    cause: str  # what the product told; of a broken promise what was wrong, of a skipped try why

    @property
    def key(self) -> tuple[str, int, int]:
        """A try is repeated under its key: the newest line counts."""
        return self.kind, self.seed, self.number

    @property
    def line(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self)


TWO_HOSTS = "two-hosts"  # the kind of these lines


@dataclass(frozen=True)
class FleetResult:
    """What came of many runs on two hosts of which one was cut off (`tests.faults.long.two_hosts`)."""

    seed: int
    runs: list[int]  # of each person
    by_host: dict[str, int]  # claims
    minutes: float  # from the first launch to the last end
    load: float  # of the machine
    cores: int
    away: list[float]  # seconds, of each cut
    store_first: list[bool]  # whether the host lost the object store first
    zombie_checkpoints: int  # that were written on a host that was cut off
    checkpoints: int  # that the database lists
    claims: int
    certain: int  # claims at whose moment nothing else happened
    broken: list[str]  # what is wrong; empty: every promise was kept

    @property
    def line(self) -> dict[str, Any]:
        """As it is written down."""
        return {"kind": TWO_HOSTS, **asdict(self)}


def append(folder: Path, result: Result | FleetResult) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as file:
        file.write(json.dumps(result.line) + "\n")


def read(folder: Path) -> list[Result]:
    """The newest result of every try."""
    results = [Result(**line) for line in _lines(folder) if line["kind"] != TWO_HOSTS]
    return list({result.key: result for result in results}.values())


def read_fleets(folder: Path) -> list[FleetResult]:
    """What came of two hosts, the newest of each seed and number of runs."""
    lines = [line for line in _lines(folder) if line.pop("kind") == TWO_HOSTS]
    results = [FleetResult(**line) for line in lines]
    return list({(result.seed, sum(result.runs)): result for result in results}.values())


def _lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def document(results: Sequence[Result], fleets: Sequence[FleetResult] = ()) -> str:
    """docs/reliability.md."""
    tried = [result for result in results if result.verdict != SKIPPED]
    kept = sum(result.verdict == KEPT for result in tried)
    slowest = max((result.seconds for result in tried), default=0.0)
    rows = [
        f"| {kind.fault} | {kind.promise} | {_outcome(result for result in results if result.kind == name)} |"
        for name, kind in KINDS.items()
    ]
    return _TEXT.format(tries=len(tried), kept=kept, slowest=slowest, rows="\n".join(rows)) + _two_hosts(
        fleets
    )


def _outcome(results: Iterable[Result]) -> str:
    """Two cells: tries, and what came of them."""
    results = list(results)
    tried = [result for result in results if result.verdict != SKIPPED]
    if not tried:
        return f"0 | {'skipped: ' + results[0].cause if results else 'not tried yet'}"
    kept = [result for result in tried if result.verdict == KEPT]
    slowest = max(result.seconds for result in tried)
    broken = "".join(f"; broken: {result.cause}" for result in tried if result.verdict == BROKEN)
    return f"{len(tried)} | kept in {len(kept)}, slowest {slowest:.0f} s{broken}".replace("\n", " ")


def _two_hosts(fleets: Sequence[FleetResult]) -> str:
    if not fleets:
        return ""
    return _TWO_HOSTS + "\n".join(_row(each) for each in fleets) + "\n"


def _row(fleet: FleetResult) -> str:
    runs = f"{sum(fleet.runs)} ({' + '.join(map(str, fleet.runs))})"
    away = ", ".join(f"{seconds:.0f} s" for seconds in fleet.away)
    turns = f"{fleet.claims}, {fleet.certain} of them with nothing else at that moment"
    outcome = "; ".join(fleet.broken).replace("\n", " ")
    cells = [
        runs,
        " / ".join(map(str, fleet.by_host.values())),
        away,
        str(fleet.zombie_checkpoints),
        str(fleet.checkpoints),
        turns,
        f"{fleet.minutes:.1f} min (load {fleet.load:.0f} on {fleet.cores} cores)",
        f"broken: {outcome}" if outcome else "kept",
    ]
    return f"| {' | '.join(cells)} |"


_TWO_HOSTS = """
## Two hosts

`make two-hosts` puts PostgreSQL, Valkey, an S3 server and the web server between two hosts (network
namespaces) that share nothing else. Three people launch short runs at once, of unequal number. While they
run, a host is cut off in the middle of a training, which continues as a zombie and saves checkpoints; it
returns after its run was taken over elsewhere. Every other time the host loses the object store before it
loses everything, returns once the run has ended elsewhere, and reaches the store before the database: so
the zombie uploads a checkpoint of a run that is over. Promised is that

- every run finishes exactly once, with each step once; only runs of a host that was cut off take a second
  attempt, and the run says why;
- all runs, which have one config, have the same numbers, answers and checkpoints: what the zombie
  wrote counts for nothing, and it leaves;
- every claim was that person's turn, checked by replaying all launches, claims and ends with the rule
  in plain Python (what happened within 2 s of each other may have happened in either order);
- every checkpoint that the database lists is in the store and passes its checksums, and the store
  has no other.

| runs | claims by host | cut off for | saved by zombies | listed checkpoints | claims | time | result |
| --- | --- | --- | ---: | ---: | --- | --- | --- |
"""

_TEXT = """\
# Reliability

What the lab promises when something breaks, and how often that was tried. This page is made of
[reliability.jsonl](reliability.jsonl), one line a try; `make faults` adds tries and writes it again.

**Tries so far: {tries}. Promises kept: {kept}. The slowest run ended or continued {slowest:.0f} s after its
fault was over.**

Each try is a real lab (web server, broker, worker, SQLite or PostgreSQL; for faults of the object
store an S3 server, too) with a training of 100 steps that saves every 10 and is evaluated. The fault
strikes at a random moment, drawn from a seed, and is then healed. A promise is kept
if, besides what the table says,

- every run ends or continues within 90 s after the fault is over, with the status and the cause that
  the fault should have;
- nothing that the API had acknowledged before the fault is lost or doubled: points, predictions,
  checkpoints, and the points that a script keeps logging through the API during the fault;
- the finished run equals, to the last bit, one that nothing happened to: each step once, each
  prediction once, the same checkpoints, besides those of the steps at which it was told to leave;
- every checkpoint that the database lists is on disk, or in the object store, and passes its
  checksums, and there is no other.

| fault | promise | tries | result |
| --- | --- | ---: | --- |
{rows}
"""
