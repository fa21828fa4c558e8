"""A lab to be photographed: broker, web server and workers that only say they are alive."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Engine, delete

from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db.migrate import upgrade
from backend.db.session import make_engine, session_scope
from backend.embedded import valkey
from backend.people import service as accounts
from backend.people.tables import ApiToken
from backend.workers import service as workers
from backend.workers.service import LOST_AFTER, WorkerBeat
from tests.support.passing_time import keep_alive
from tests.support.processes import eventually, kill
from tests.support.showcase.contents import Showcase, fill
from tests.support.showcase.runs import worker_id
from tests.support.web import WebServer

MiB, GiB = 2**20, 2**30
BEAT_EVERY = 10.0  # seconds


class Studio:
    """A lab on a database of its own. `places` are what addresses name, `login()` gives a link."""

    def __init__(self, home: Path, server: WebServer, places: Mapping[str, str]) -> None:
        self.home, self.url, self.places, self._engine = home, server.url, places, server.engine

    def login(self) -> str:
        with session_scope(self._engine) as session:
            return f"{self.url}/login?token={accounts.issue_login(session)}"


@contextmanager
def studio(home: Path, full: bool) -> Iterator[Studio]:
    """Start the lab in `home`; what was put there before is used again."""
    home.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{home / 'etrm.sqlite3'}"
    upgrade(url)
    engine = make_engine(url)
    places = _places(engine, home, full)
    broker = valkey.Broker(home)
    environment = {
        "ETRM_HOME": str(home),
        "ETRM_DATABASE_URL": url,
        "ETRM_BROKER_URL": broker.url,
        "ETRM_ARTIFACTS": str(home / "artifacts"),
    }
    process = _start(broker, home)
    over = threading.Event()
    workers = threading.Thread(target=_live, args=(engine, places, full, over), daemon=True)
    workers.start()
    server = WebServer(home, environment)
    with session_scope(engine) as session:  # no token of the test's among those of the lab
        session.execute(delete(ApiToken).where(ApiToken.name.startswith("test-")))
    try:
        yield Studio(home, server, places)
    finally:
        over.set()
        workers.join()
        server.stop()
        kill(process)
        engine.dispose()


def _places(engine: Engine, home: Path, full: bool) -> Mapping[str, str]:
    kept = home / "places.json"
    if kept.exists():
        places: dict[str, str] = json.loads(kept.read_text())
        return places
    found = _named(fill(engine, home / "artifacts")) if full else _bare(engine)
    kept.write_text(json.dumps(found))
    return found


def _named(shown: Showcase) -> dict[str, str]:
    variants = shown.variants
    return {name: str(value) for name, value in asdict(shown).items() if name != "variants"} | {
        "board": shown.own_dashboard,
        "played": shown.played,
        "unanswered": shown.unanswered,
        "run": variants["iter-arc1"][0],
        "collapsed": variants["var-arc1"][0],
        "diverged": variants["slots-arc1"][3],
        "several": ",".join(run_id for ids in variants.values() for run_id in ids),
        "six": ",".join(ids[0] for ids in variants.values()),
    }


def _bare(engine: Engine) -> dict[str, str]:
    """A lab in which nothing was done, but for a dashboard without panels and a link."""
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        _, secret = dashboards.share(session, dashboards.READY_MADE)
        return {"share": secret, "board": dashboards.create(session, "Worth another week?").slug}


def _start(broker: valkey.Broker, home: Path) -> subprocess.Popen[bytes]:
    with (home / "broker.log").open("ab") as log:
        process = subprocess.Popen(broker.command, stdin=subprocess.PIPE, stdout=log)
    assert process.stdin
    with process.stdin as stdin:
        stdin.write(broker.config)
    eventually(lambda: valkey.answers(broker.url), "the broker's answer", 10)
    return process


def _live(engine: Engine, places: Mapping[str, str], full: bool, over: threading.Event) -> None:
    """Say that the workers are alive until it is over; one of the full lab's fell silent long ago."""
    now = time.time()
    cpu = WorkerBeat("studio.1.812.1", "studio", 812, "cpu", "CPU, 16 cores", 64 * GiB, None, now - 60)
    scored = places.get("run")  # by an evaluation that two of them share
    gpus = [
        WorkerBeat(
            worker_id(at), f"gpu-{at}", 4000 + 7 * at, "cuda", "NVIDIA H100 80GB HBM3",
            81_559 * MiB, run_id, now - 86_400,
        )
        for at, run_id in enumerate((places.get("running"), places.get("second"), scored, scored, None), 1)
    ]  # fmt: skip
    with session_scope(engine) as session:
        if full:
            workers.beat(session, gpus[-1])
            keep_alive(session, -4 * LOST_AFTER)
    while True:
        with session_scope(engine) as session:
            for each in gpus[:-1] if full else [cpu]:
                workers.beat(session, each)
        if over.wait(BEAT_EVERY):
            return
