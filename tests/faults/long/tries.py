"""Carry out one try of a kind."""

from __future__ import annotations

import random
import traceback
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy.exc import SQLAlchemyError

from backend.kit.errors import EtrmError
from tests.faults.long.lab import FaultedLab, Labs
from tests.faults.long.registry import Kind, Missed, Skipped
from tests.faults.long.results import BROKEN, KEPT, SKIPPED, Result
from tests.faults.long.trial import Content, Trial, undisturbed

MISSES = 5  # tries in which the fault may come too late before it is given up


class Tries:
    """Tries in labs that are kept from one to the next, each compared with one undisturbed run."""

    def __init__(self, labs: Labs) -> None:
        self._labs = labs
        self._expected: Content | None = None

    def carry_out(self, kind: Kind, seed: int, number: int) -> Result:
        """One try; whatever goes wrong in it is its result."""
        database = database_of(kind, seed, number)
        seconds, verdict, cause = 0.0, SKIPPED, f"fault came too late {MISSES} times"
        for miss in range(MISSES):
            draw = random.Random(f"{kind.name} {seed} {number} {miss}")
            try:
                seconds, findings, told = self._once(kind, self._lab(database), draw)
                verdict, cause = (BROKEN, "; ".join(findings)) if findings else (KEPT, told)
            except Missed as missed:
                print(f"  again: {missed}", flush=True)
                continue
            except Skipped as skipped:
                verdict, cause = SKIPPED, str(skipped)
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 — it is the result
                traceback.print_exc()
                verdict, cause = BROKEN, f"{type(error).__name__}: {error}"[:2000]
            break
        if verdict == BROKEN:
            self._labs.drop(database)
        return Result(kind.name, database, seed, number, seconds, verdict, cause)

    def _lab(self, database: str) -> FaultedLab:
        lab = self._labs.of(database)
        if self._expected is None:
            self._expected = undisturbed(lab)
        return lab

    def _once(self, kind: Kind, lab: FaultedLab, draw: random.Random) -> tuple[float, list[str], str]:
        """Seconds until all went on, what is wrong, and the cause that the product told."""
        with ExitStack() as stack:
            trial = Trial(self._labs, lab, self._expected, draw, stack)
            stack.callback(_leave_nothing, trial)
            trial.script_logs()
            course = kind.course(trial)
            stack.callback(course.close)
            next(course)
            trial.check()
            if next(course, "over") != "over":
                raise AssertionError(f"{kind.name} yields twice")
            seconds = max((started.seconds or 0.0 for started in trial.runs), default=0.0)
            return seconds, trial.findings, trial.told_cause()


def _leave_nothing(trial: Trial) -> None:
    """A try that was given up leaves no run to the next one."""
    for started in trial.runs:
        with suppress(EtrmError, SQLAlchemyError):  # it has ended, or the lab is beyond that
            trial.lab.cancel(started.run_id)


def database_of(kind: Kind, seed: int, number: int) -> str:
    """Which database a try is on: drawn, like all else, from the seed."""
    return random.Random(f"{kind.name} {seed} {number}").choice(kind.databases)
