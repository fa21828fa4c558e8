"""Many event streams in one process: work per change and not per reader, and a place for each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.people import Role
from backend.kit.errors import NotFound, TooManyRequests
from backend.people import service as people
from backend.queue.stream import QueueSource
from backend.run_page.run_stream import RunSource
from backend.web.live import reader as readers
from backend.web.live.hub import Timing
from backend.web.live.reader import Reader
from backend.web.live.slots import Slots
from tests.support.streams import (
    BEGIN,
    READERS,
    Told,
    external,
    lines_in,
    opened,
    run,
    say,
    steps_in,
    told,
    until,
    write,
)

pytestmark = pytest.mark.usefixtures("no_broker")


def test_a_change_costs_the_same_for_one_reader_and_for_many(engine: Engine, database_url: str) -> None:
    async def asked(count: int) -> int:
        run_id = external(engine)
        async with opened(database_url) as streams:
            followers = [await streams.of_run(run_id) for _ in range(count)]
            for reader in followers:
                await told(reader)
            streams.asked.clear()
            write(engine, run_id, 1)
            for reader in followers:
                events = await until(reader, lambda seen: bool(seen) and seen[-1][0] == "status")
                assert [kind for kind, _, _ in events] == ["points", "status"]
            return len(streams.asked)

    async def live() -> None:
        assert await asked(1) == await asked(READERS) > 0

    run(live())


async def heartbeats(followers: Sequence[Reader]) -> None:
    """One of each."""
    for reader in followers:
        await until(reader, lambda seen: any(kind == "heartbeat" for kind, _, _ in seen))


def test_while_nothing_changes_no_stream_asks_the_database(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url, Timing(heartbeat=0.2, poll=0.02)) as streams:
            followers = [await streams.of_run(run_id) for _ in range(READERS)]
            followers += [await streams.of_table() for _ in range(READERS)]
            followers += [
                await streams.hub.open("ada", "", "queue", QueueSource, None) for _ in range(READERS)
            ]
            await heartbeats(followers)  # by then what they were opened with is told
            streams.asked.clear()
            for _ in range(3):
                await heartbeats(followers)
            assert streams.asked == []
            late = await streams.of_run(run_id)
            assert [kind for kind, _, _ in await told(late)] == ["status"]
            assert streams.asked == []  # who comes later is told from memory

    run(live())


def test_who_may_still_read_is_one_question_for_all(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        with session_scope(engine) as session:
            people.add_person(session, "ada", Role.VIEWER)
            secrets = {name: people.create_token(session, name, "ada") for name in "ab"}
        async with opened(database_url, Timing(heartbeat=0.2, poll=3600)) as streams:
            followers = {name: list[Reader]() for name in secrets}
            for name, secret in secrets.items():
                credential = people.token_credential(secret)
                for _ in range(READERS):
                    reader = await streams.hub.open(
                        "ada", credential, ("run", run_id), lambda: RunSource(run_id), BEGIN
                    )
                    followers[name].append(reader)
            streams.asked.clear()
            await until(followers["a"][0], lambda seen: [kind for kind, _, _ in seen].count("heartbeat") == 3)
            assert 1 <= len(streams.asked) <= 4
            with session_scope(engine) as session:
                people.revoke_token(session, "a")
            for reader in followers["a"]:
                while await told(reader):
                    pass
            write(engine, run_id, 1)
            for reader in followers["b"]:
                assert steps_in(await until(reader, lambda seen: bool(steps_in(seen)))) == [1]

    run(live())


def test_a_reader_who_does_not_read_is_told_to_come_again_and_holds_up_nobody(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MAX_WAITING", 5000)

    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url) as streams:
            slow, quick = await streams.of_run(run_id), await streams.of_run(run_id)
            seen: Told = []
            for number in range(10):
                say(engine, run_id, f"{number}" * 1000)
                seen += await until(quick, lambda events: bool(lines_in(events)))
            assert len(lines_in(seen)) == 10
            assert [kind for kind, _, _ in await told(slow)] == ["refresh"]
            assert await told(slow) == []

    run(live())


def test_what_is_refused_takes_no_place(engine: Engine, database_url: str) -> None:
    async def live() -> None:
        run_id = external(engine)
        async with opened(database_url, slots=Slots(3, 2)) as streams:
            for _ in range(5):
                with pytest.raises(NotFound, match="nosuchrun0"):
                    await streams.of_run("nosuchrun0")
            first = await streams.of_run(run_id)
            await streams.of_run(run_id)
            with pytest.raises(TooManyRequests, match="ada already has 2"):
                await streams.of_run(run_id)
            await streams.of_run(run_id, owner="bob")
            with pytest.raises(TooManyRequests, match="server already has 3"):
                await streams.of_run(run_id, owner="bob")
            streams.hub.leave(first)
            streams.hub.leave(first)  # once more changes nothing
            await streams.of_run(run_id)
            with pytest.raises(TooManyRequests):
                await streams.of_run(run_id)

    run(live())
