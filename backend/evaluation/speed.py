"""How long evaluations would take, from what those of the same run took; never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from sqlalchemy.orm import Session

from backend.domain.measurement import Settings, protocol_of
from backend.evaluation.service import Foreseen
from backend.runs.status import RunStatus
from backend.scores import queries as rows

ENOUGH = 5  # newest evaluations like it that count

Measured = Sequence[tuple[Settings, float]]  # how, and seconds of computing for a test input; newest first


def expected_seconds(session: Session, run_id: str, wanted: Iterable[Foreseen]) -> list[float | None]:
    """Seconds of computing of each; None where the run has no evaluation to tell it by.

    Time is proportional to views and ACT steps. With a search or an adaptation it depends on the task: only
    evaluations with just the same settings tell it.
    """
    measured = [
        (protocol_of(row).settings, row.seconds / scored)
        for row, scored in rows.of_run(session, run_id)
        if row.status == RunStatus.FINISHED and row.seconds > 0 and scored
    ]
    return [_seconds(each, measured) for each in wanted]


def _seconds(wanted: Foreseen, measured: Measured) -> float | None:
    own = wanted.settings
    if own.search or own.adaptation:
        like = [seconds for of, seconds in measured if _key(of) == _key(own)]
    else:
        plain = ((of, seconds) for of, seconds in measured if not (of.search or of.adaptation))
        like = [seconds * _passes(own) / _passes(of) for of, seconds in plain]
    return wanted.test_inputs * median(like[:ENOUGH]) if like else None


def _passes(of: Settings) -> int:
    return of.views * of.act_steps


def _key(of: Settings) -> tuple[str, str, int, int]:
    return of.search, of.adaptation, of.views, of.act_steps
