"""Calls that log points share transactions: nothing is lost or doubled, and none pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session

from backend.db.session import Writes, reading_scope, session_scope, watch_writes, writes
from backend.domain.records import MetricFrame
from backend.kit.errors import Unavailable
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.lifecycle.intake import Call, Intake
from backend.metrics import queries as series_rows
from backend.metrics import service as series
from backend.metrics.together import Addition
from backend.people import service as accounts
from backend.runs.tables import Run
from tests.support import asynchronous

RUNS, STEPS = 6, 12
METRICS = ("loss", "accuracy")


class Told(list[tuple[str, int]]):
    """What an intake tells of: runs and versions."""

    def __call__(self, versions: dict[str, list[int]]) -> None:
        self.extend((run_id, version) for run_id, reached in versions.items() for version in reached)


@pytest.fixture
def told() -> Told:
    return Told()


@contextmanager
def opened(engine: Engine, told: Told) -> Iterator[Intake]:
    intake = Intake(engine, told)
    try:
        yield intake
    finally:
        intake.close()


def external(engine: Engine, *metrics: str) -> str:
    """A run that logs, at step 0 of these metrics."""
    with session_scope(engine) as session:
        run_id = external_runs.create(session, "mine", {}).id
        if metrics:
            series.append(session, run_id, frame(0, *metrics))
    return run_id


def frame(step: int, *metrics: str) -> MetricFrame:
    return MetricFrame([step], [float(step)], {name: [step / 2] for name in metrics or METRICS})


def call(run_id: str, step: int, *metrics: str, credential: str = "") -> Call:
    return Call(Addition.of(run_id, frame(step, *metrics)), step, 1, credential)


def add(intake: Intake, calls: Sequence[Call]) -> list[int | None]:
    """What each of the calls gets, all made at once."""

    async def together() -> list[int | None]:
        return await asyncio.gather(*map(intake.add, calls))

    return asynchronous.run(together())


def steps(engine: Engine, run_id: str, name: str = "loss") -> list[int]:
    with reading_scope(engine) as session:
        return series.read(session, run_id)[name].steps.tolist()  # type: ignore[no-any-return]


def test_calls_at_once_share_transactions_and_every_point_is_there_once(engine: Engine, told: Told) -> None:
    run_ids = [external(engine, *METRICS) for _ in range(RUNS)]
    calls = [call(run_id, step) for step in range(1, STEPS) for run_id in run_ids]
    commits = []
    event.listen(engine, "commit", lambda _connection: commits.append(1))
    with opened(engine, told) as intake:
        versions = add(intake, calls)
    assert len(commits) < len(calls) / 4
    for run_id in run_ids:
        own = [version for one, version in zip(calls, versions, strict=True) if one.addition.run_id == run_id]
        assert own == list(range(2, STEPS + 1))  # the first was the one that made the series
        with reading_scope(engine) as session:
            assert series.version(session, run_id) == STEPS
            curves = series.read(session, run_id)
            latest = series.latest(session, [run_id], METRICS)[run_id]
            change = series.since(session, run_id, STEPS - 2)
            assert runs.get(session, run_id).step == STEPS - 1
        for name in METRICS:
            assert curves[name].steps.tolist() == list(range(STEPS))
            assert curves[name].values.tolist() == [step / 2 for step in range(STEPS)]
            line = latest[name]
            assert (line.step, line.value, line.min, line.max) == (
                STEPS - 1,
                (STEPS - 1) / 2,
                0.0,
                (STEPS - 1) / 2,
            )
        assert change.curves["loss"].steps.tolist() == [STEPS - 2, STEPS - 1]
    expected = {(run_id, version) for run_id in run_ids for version in range(2, STEPS + 1)}
    assert (set(told), len(told)) == (expected, len(expected))


def test_what_is_wrong_with_a_call_is_its_own_affair(engine: Engine, told: Told) -> None:
    good, other, over, fresh = (external(engine, *METRICS) for _ in range(4))
    unstarted = external(engine)
    with session_scope(engine) as session:
        external_runs.finish(session, over)
    calls = [
        call(good, 1),
        call("nobodyhere", 1),
        call(over, 1),
        call(fresh, 1, "new"),
        call(other, 0),  # writes over what is there
        call(unstarted, 1),
        call(good, 2, credential=accounts.token_credential("etrm_unknown")),
        call(good, 3),
    ]
    with opened(engine, told) as intake:
        versions = add(intake, calls)
    assert versions == [2, None, None, None, None, None, None, 3]
    assert steps(engine, good) == [0, 1, 3]
    assert [steps(engine, run_id) for run_id in (over, fresh, other)] == [[0], [0], [0]]
    assert told == [(good, 2), (good, 3)]


def test_a_token_counts_as_it_is_when_the_points_are_written(engine: Engine, told: Told) -> None:
    run_id = external(engine, *METRICS)
    with session_scope(engine) as session:
        accounts.add_person(session, "ada", "editor")
        accounts.add_person(session, "eve", "viewer")
        secrets = {
            name: accounts.token_credential(accounts.create_token(session, name, person, scope))
            for name, person, scope in [
                ("of the owner", "", "log"),
                ("of an editor", "ada", "log"),
                ("of a viewer", "eve", "admin"),
                ("for reading", "", "read"),
                ("revoked", "", "log"),
            ]
        }
        accounts.revoke_token(session, "revoked")
    with opened(engine, told) as intake:
        got = {
            name: add(intake, [call(run_id, step, credential=credential)])[0]
            for step, (name, credential) in enumerate(secrets.items(), start=1)
        }
    assert got == {
        "of the owner": 2,
        "of an editor": 3,
        "of a viewer": None,
        "for reading": None,
        "revoked": None,
    }


def test_a_run_that_somebody_holds_keeps_no_other_waiting(engine: Engine, told: Told) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite locks the whole file")
    held, free = external(engine, *METRICS), external(engine, *METRICS)
    with Session(engine) as holder, holder.begin():
        holder.scalar(select(Run).where(Run.id == held).with_for_update())
        with opened(engine, told) as intake:
            assert add(intake, [call(held, 1), call(free, 1)]) == [None, 2]


@contextmanager
def refusing(engine: Engine, run_id: str) -> Iterator[None]:
    """Meanwhile the database itself takes no points of this run's series."""
    with reading_scope(engine) as session:
        ids = ", ".join(str(line.id) for line in series_rows.lines_of(session, [run_id], None))
    if engine.dialect.name == "postgresql":
        refuse = f"ALTER TABLE series_segment ADD CONSTRAINT no CHECK (series_id NOT IN ({ids})) NOT VALID"
        allow = "ALTER TABLE series_segment DROP CONSTRAINT no"
    else:
        refuse = (
            f"CREATE TRIGGER no BEFORE INSERT ON series_segment WHEN NEW.series_id IN ({ids}) "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        allow = "DROP TRIGGER no"
    with engine.begin() as connection:
        connection.execute(text(refuse))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text(allow))


def test_of_what_the_database_refuses_nothing_is_written_and_each_goes_alone(
    engine: Engine, told: Told
) -> None:
    good, bad = external(engine, *METRICS), external(engine, *METRICS)

    async def add_both() -> tuple[list[int | None], Writes]:
        watch_writes()
        return await asyncio.gather(intake.add(call(good, 1)), intake.add(call(bad, 1))), writes()

    with refusing(engine, bad), opened(engine, told) as intake:
        assert asynchronous.run(add_both()) == ([None, None], Writes.NONE)
        assert (steps(engine, good), steps(engine, bad), told) == ([0], [0], [])
        assert add(intake, [call(good, 1)]) == [2]  # its thread lives
    assert steps(engine, good) == [0, 1]


def test_what_a_request_is_told_of_its_write_is_what_became_of_it(engine: Engine, told: Told) -> None:
    run_id = external(engine, *METRICS)

    async def add_one(one: Call) -> Writes:
        watch_writes()
        with suppress(Unavailable):
            await intake.add(one)
        return writes()

    with opened(engine, told) as intake:
        assert asynchronous.run(add_one(call(run_id, 1))) is Writes.COMMITTED
        assert asynchronous.run(add_one(call("nobodyhere", 1))) is Writes.NONE


def test_the_end_of_the_server_waits_for_what_was_accepted(engine: Engine, told: Told) -> None:
    run_id = external(engine, *METRICS)
    intake = Intake(engine, told)

    async def add_and_close() -> list[Any]:
        waiting = [asyncio.create_task(intake.add(call(run_id, step))) for step in range(1, STEPS)]
        await asyncio.sleep(0)  # until all are in the queue
        await asyncio.to_thread(intake.close)
        return await asyncio.gather(*waiting)

    assert asynchronous.run(add_and_close()) == list(range(2, STEPS + 1))
    assert steps(engine, run_id) == list(range(STEPS))
