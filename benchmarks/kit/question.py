"""What every question shares: its options, the machine it runs on, and JSON lines on standard output."""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.kit import records
from benchmarks.kit.records import OURS, Bar, End, Line, Machine
from worker.service.machine import cpu_name, usable_cores

SHOWN = ("numpy", "orjson", "sqlalchemy", "psycopg", "pydantic", "fastapi", "uvicorn", "torch", "plotly")


class Question:
    """One run of a question: prints each figure as soon as there is one."""

    def __init__(self, name: str, title: str, quick: bool) -> None:
        self.name, self.title, self.quick = name, title, quick

    def add(
        self,
        case: str,
        unit: str,
        values: Sequence[float],
        subject: str = OURS,
        bar: Bar | None = None,
        note: str = "",
        more_is_better: bool | None = None,
    ) -> None:
        """Print what one subject came to in one case."""
        show(records.figure(self.name, case, subject, unit, values, bar, note, more_is_better))

    def missing(self, case: str, unit: str, subject: str, note: str) -> None:
        """Print why there is no figure."""
        self.add(case, unit, (), subject, note=note)


def run(
    file: str,
    doc: str,
    measure: Callable[[Question, argparse.Namespace], None],
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> None:
    """Read the arguments, then measure. The docstring's first line is the title of the question."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Small sizes and few repeats: minutes at most.")
    options(parser)
    chosen = parser.parse_args()
    question = Question(Path(file).stem, doc.splitlines()[0].rstrip("."), chosen.quick)
    started = time.monotonic()
    show(machine(question))
    measure(question, chosen)
    show(End(question.name, round(time.monotonic() - started, 1), round(os.getloadavg()[0], 2)))


def show(line: Line) -> None:
    print(records.text_of(line), flush=True)


def progress(text: str) -> None:
    """A remark for who is waiting."""
    print(text, file=sys.stderr, flush=True)


def machine(question: Question) -> Machine:
    versions = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for package in SHOWN:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return Machine(
        question.name,
        question.title,
        datetime.now(UTC).isoformat(timespec="seconds"),
        question.quick,
        cpu=cpu_name(),
        cores=usable_cores(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        system=f"{platform.system()} {platform.release()}",
        load=round(os.getloadavg()[0], 2),
        versions=versions,
    )
