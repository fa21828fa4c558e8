"""Two hosts with a network of their own: one is cut off while it trains, and returns. The long form, with a
hundred runs, is `make two-hosts`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
from sqlalchemy import text

from backend.db.session import make_engine
from tests.faults.long.registry import Skipped
from tests.faults.long.results import append, document, read_fleets
from tests.faults.long.two_hosts.fair_order import CLAIMED, ENDED, QUEUED, Happening, Lab, judge
from tests.faults.long.two_hosts.lab import TwoHosts, database_between, two_hosts
from tests.faults.long.two_hosts.trial import carry_out_and_check
from tests.support.namespaces import Bridge, Host
from tests.support.processes import eventually, kill

SEED = 14
BURSTS = (5, 3, 1)
NOTICED_WITHIN = 90.0  # seconds: 25 on an idle machine
HOLD = """
import os, sys
from sqlalchemy import text
from backend.db.session import make_engine, session_scope

with session_scope(make_engine(os.environ["ETRM_DATABASE_URL"])) as session:
    session.execute(text("LOCK TABLE run IN EXCLUSIVE MODE"))
    print("held", flush=True)
    sys.stdin.read()
"""
OPEN = text(
    "SELECT count(*) FROM pg_locks JOIN pg_class ON oid = relation WHERE relname = 'run' AND mode = :mode"
)

OWNERS = {"a0": "ana", "a1": "ana", "a2": "ana", "a3": "ana", "b0": "bo", "b1": "bo", "c0": "cy"}
PLACES = {run: float(at) for at, run in enumerate(OWNERS)}
WORKERS = ("north", "south")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[TwoHosts]:
    try:
        with two_hosts(tmp_path) as lab:
            yield lab
    except Skipped as skipped:
        pytest.skip(str(skipped))


@pytest.fixture
def between() -> Iterator[tuple[Bridge, str]]:
    try:
        with database_between() as found:
            yield found
    except Skipped as skipped:
        pytest.skip(str(skipped))


@pytest.mark.faults
@pytest.mark.long
def test_runs_end_once_and_in_fair_order_while_a_host_is_cut_off(lab: TwoHosts, tmp_path: Path) -> None:
    result = carry_out_and_check(lab, BURSTS, cuts=1, seed=SEED)
    assert not result.broken
    append(tmp_path, result)
    assert read_fleets(tmp_path) == [result]
    assert "9 (5 + 3 + 1)" in document([], [result])


@pytest.mark.faults
def test_a_host_that_is_cut_off_in_a_transaction_keeps_no_lock(between: tuple[Bridge, str]) -> None:
    bridge, url = between
    engine = make_engine(url)

    def held() -> int:
        with engine.connect() as connection:
            return connection.scalar(OPEN, {"mode": "ExclusiveLock"}) or 0

    with host_on(bridge) as host, holding(host, url) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        assert held() == 1
        host.cut()
        eventually(lambda: not held(), "the end of the transaction", NOTICED_WITHIN, every=0.5)
        assert holder.poll() is None
    engine.dispose()


@contextmanager
def host_on(bridge: Bridge) -> Iterator[Host]:
    host = Host(bridge, "north", 1)
    try:
        yield host
    finally:
        host.remove()


@contextmanager
def holding(host: Host, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process on the host that locks the table of runs, says so, and leaves its transaction open."""
    command = [*host.prefix, sys.executable, "-c", HOLD]
    environment = os.environ | {"ETRM_DATABASE_URL": url}
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE) as holder:
        try:
            yield holder
        finally:
            kill(holder)


def history(choose: Callable[[Lab], str]) -> list[Happening]:
    """All launch at once; two workers take what `choose` says, and each run takes 7 s."""
    happened = [Happening(at, QUEUED, run) for run, at in PLACES.items()]
    lab, busy = Lab(OWNERS), dict.fromkeys(WORKERS, "")
    at = 100.0

    def happen(what: Happening) -> None:
        happened.append(what)
        lab.happen(what, PLACES)

    for each in happened:
        lab.happen(each, PLACES)
    while lab.waiting:
        for worker in WORKERS:
            if busy[worker]:
                happen(Happening(at - 0.1, ENDED, busy[worker], worker))
            if lab.waiting:
                busy[worker] = choose(lab)
                happen(Happening(at, CLAIMED, busy[worker], worker))
            at += 7.0
    return happened


def test_a_replay_finds_a_fair_order_fair() -> None:
    judgement = judge(history(Lab.next), OWNERS, PLACES)
    assert judgement.unfair == []
    assert judgement.certain == len(OWNERS)


def test_a_replay_tells_whose_turn_it_was() -> None:
    judgement = judge(history(lambda lab: min(lab.waiting, key=lab.waiting.__getitem__)), OWNERS, PLACES)
    assert "south took run a1 of ana although b0 of bo was next (running: {'ana': 1})" in judgement.unfair


@pytest.mark.parametrize(("ended", "is_fair"), [(110.0, False), (99.5, True)])
def test_what_happens_at_once_may_have_happened_in_either_order(ended: float, is_fair: bool) -> None:
    """South takes a second run of ana's: her turn only if her first, on north, had ended by then."""
    owners = {"a0": "ana", "a1": "ana", "b0": "bo", "b1": "bo"}
    queued = [Happening(float(at), QUEUED, run) for at, run in enumerate(owners)]
    happened = [
        Happening(70.0, CLAIMED, "a0", "north"),
        Happening(80.0, CLAIMED, "b0", "south"),
        Happening(98.8, ENDED, "b0", "south"),
        Happening(99.0, CLAIMED, "a1", "south"),
        Happening(ended, ENDED, "a0", "north"),
    ]
    assert (not judge([*queued, *happened], owners, PLACES).unfair) == is_fair


def test_who_comes_first_may_be_stored_last() -> None:
    owners = {"a0": "ana", "b0": "bo"}
    happened = [
        Happening(1.0, QUEUED, "b0"),
        Happening(1.1, QUEUED, "a0"),
        Happening(9.0, CLAIMED, "a0", "north"),
    ]
    assert not judge(happened, owners, {"a0": 0.1, "b0": 0.2}).unfair
    assert judge(happened, owners, {"a0": 0.2, "b0": 0.1}).unfair
