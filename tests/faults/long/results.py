"""The results file, one JSON line a try, and the table that is made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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


def append(folder: Path, result: Result) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def read(folder: Path) -> list[Result]:
    """The newest result of every try."""
    path = folder / FILE
    lines = path.read_text().splitlines() if path.exists() else []
    results = [Result(**json.loads(line)) for line in lines]
    return list({result.key: result for result in results}.values())


def document(results: Sequence[Result]) -> str:
    """docs/reliability.md."""
    tried = [result for result in results if result.verdict != SKIPPED]
    kept = sum(result.verdict == KEPT for result in tried)
    slowest = max((result.seconds for result in tried), default=0.0)
    rows = [
        f"| {kind.fault} | {kind.promise} | {_outcome(result for result in results if result.kind == name)} |"
        for name, kind in KINDS.items()
    ]
    return _TEXT.format(tries=len(tried), kept=kept, slowest=slowest, rows="\n".join(rows))


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


_TEXT = """\
# Reliability

What the lab promises when something breaks, and how often that was tried. This page is made of
[reliability.jsonl](reliability.jsonl), one line a try; `make faults` adds tries and writes it again.

**{tries} faults so far, {kept} promises kept. The slowest run ended or continued {slowest:.0f} s after
its fault was over.**

Each try is a real lab (web server, broker, worker, SQLite or PostgreSQL) with a training of
100 steps that saves every 10 and is evaluated. The fault strikes at a random moment, drawn from a
seed, and is then healed. A promise is kept if, besides what the table says,

- every run ends or continues within 90 s after the fault is over, with the status and the cause that
  the fault should have;
- nothing that the API had acknowledged before the fault is lost or doubled: points, predictions,
  checkpoints, and the points that a script keeps logging through the API during the fault;
- the finished run equals, to the last bit, one that nothing happened to: each step once, each
  prediction once, the same checkpoints;
- every checkpoint that the database lists is on disk and passes its checksums, and there is no
  other.

| fault | promise | tries | result |
| --- | --- | ---: | --- |
{rows}
"""
