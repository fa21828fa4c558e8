"""Many scripts log at once, over HTTP: to several servers of one database, and to one that is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.session import session_scope
from backend.kit.errors import NotFound
from backend.people import service as accounts
from tests.lifecycle.test_intake import refusing
from tests.support.web import WebServer

SCRIPTS, CALLS = 8, 25
RETRIES = 20
NAME = "somebody who logs"
ENOUGH = 40  # calls answered before the server is killed


@contextmanager
def served(folder: Path, database_url: str) -> Iterator[Callable[[], WebServer]]:
    """Starts servers of one database."""
    servers: list[WebServer] = []

    def start() -> WebServer:
        servers.append(WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": database_url}))
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            server.process.kill()
            server.process.wait()
            server.close()


def created(client: httpx.Client) -> str:
    answer = client.post("/api/v1/runs/external", json={"name": "mine"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def log(client: httpx.Client, run_id: str, step: int) -> httpx.Response:
    """The answer; who is told to come again in a moment, on a busy machine, does."""
    body = {"step": [step], "values": {"loss": [step / 2], "accuracy": [step / 4]}}
    for _ in range(RETRIES):
        answer = client.post(f"/api/v1/runs/{run_id}/metrics", json=body)
        if answer.status_code != 503:
            break
    return answer


def steps(client: httpx.Client, run_id: str) -> list[int]:
    """The steps of a run's points, whose values are checked on the way."""
    answer = client.get(f"/api/v1/runs/{run_id}/series")
    assert answer.status_code == 200, answer.text
    loss, accuracy = answer.json()["series"]["loss"], answer.json()["series"]["accuracy"]
    assert loss["step"] == accuracy["step"]
    assert loss["value"] == [step / 2 for step in loss["step"]]
    return list(loss["step"])


def test_scripts_of_two_servers_lose_and_double_nothing(tmp_path: Path, database_url: str) -> None:
    with served(tmp_path, database_url) as start:
        servers = [start(), start()]
        with servers[0].client() as client:
            run_ids = [created(client) for _ in range(SCRIPTS // 2)]

        def script(number: int) -> list[int]:
            """Every run is logged to by two scripts, one at each server, which take turns in its steps."""
            run_id, half = run_ids[number // 2], number % 2
            with servers[half].client() as client:
                answers = [log(client, run_id, 2 * at + half) for at in range(CALLS)]
            assert {answer.status_code for answer in answers} == {200}, answers
            return [answer.json()["version"] for answer in answers]

        with ThreadPoolExecutor(SCRIPTS) as pool:
            versions = list(pool.map(script, range(SCRIPTS)))
        for number, run_id in enumerate(run_ids):
            own = [*versions[2 * number], *versions[2 * number + 1]]
            assert sorted(own) == list(range(1, 2 * CALLS + 1))  # every call got one of its own
            with servers[number % 2].client() as client:
                assert steps(client, run_id) == list(range(2 * CALLS))


def test_a_run_whose_points_the_database_refuses_costs_no_other_a_point(
    tmp_path: Path, engine: Engine, database_url: str
) -> None:
    with served(tmp_path, database_url) as start:
        server = start()
        with server.client() as client:
            bad, *good = [created(client) for _ in range(SCRIPTS)]
            assert log(client, bad, 0).status_code == 200

        def script(run_id: str) -> set[int]:
            with server.client() as client:
                return {log(client, run_id, step).status_code for step in range(1, CALLS)}

        with refusing(engine, bad), ThreadPoolExecutor(SCRIPTS) as pool:
            statuses = list(pool.map(script, [bad, *good]))
        assert statuses == [{500}, *([{200}] * len(good))]
        with server.client() as client:
            assert steps(client, bad) == [0]
            assert [steps(client, run_id) for run_id in good] == [list(range(1, CALLS))] * len(good)


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path, database_url: str) -> None:
    answered: dict[str, list[int]] = {}
    enough = threading.Semaphore(0)
    with served(tmp_path, database_url) as start:
        server = start()
        with server.client() as client:
            run_ids = [created(client) for _ in range(SCRIPTS)]

        def script(run_id: str) -> None:
            with server.client() as client:
                for step in range(1_000_000):
                    try:
                        answer = log(client, run_id, step)
                    except httpx.HTTPError:
                        return
                    assert answer.status_code == 200, answer.text
                    answered.setdefault(run_id, []).append(step)
                    enough.release()

        with ThreadPoolExecutor(SCRIPTS) as pool:
            ends = [pool.submit(script, run_id) for run_id in run_ids]
            for _ in range(ENOUGH):
                assert enough.acquire(timeout=120)
            server.process.kill()
            for end in ends:
                end.result()
        with start().client() as client:
            for run_id in run_ids:
                done = answered.get(run_id, [])
                found = steps(client, run_id) if done else []
                assert found in (done, [*done, len(done)])  # one more may have been written, unanswered


def test_a_revoked_token_logs_nothing_more(tmp_path: Path, client: httpx.Client, server: WebServer) -> None:
    with session_scope(server.engine) as session:
        secret = accounts.create_token(session, tmp_path.name, scope="log")
    with server.client(headers={"Authorization": f"Bearer {secret}"}) as script:
        run_id = created(script)
        assert [log(script, run_id, step).status_code for step in range(3)] == [200] * 3
        with session_scope(server.engine) as session:  # as `etrm token revoke` does, in another process
            accounts.revoke_token(session, tmp_path.name)
        refused = log(script, run_id, 3)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorised")
    assert steps(client, run_id) == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda session: accounts.remove_person(session, NAME), 401),
        (lambda session: accounts.change_role(session, NAME, "viewer"), 403),
    ],
    ids=["removed", "a viewer now"],
)
def test_whoever_may_no_longer_log_logs_nothing_more(
    client: httpx.Client, server: WebServer, change: Callable[[Session], None], code: int
) -> None:
    with session_scope(server.engine) as session:
        accounts.add_person(session, NAME, "editor")
        secret = accounts.create_token(session, NAME, NAME)
    try:
        with server.client(headers={"Authorization": f"Bearer {secret}"}) as script:
            run_id = created(script)
            assert [log(script, run_id, step).status_code for step in range(3)] == [200] * 3
            with session_scope(server.engine) as session:  # at once, and in another process
                change(session)
            assert log(script, run_id, 3).status_code == code
        assert steps(client, run_id) == [0, 1, 2]
    finally:
        with session_scope(server.engine) as session, suppress(NotFound):
            accounts.remove_person(session, NAME)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"step": [5], "values": {"loss": ["x"]}}, "values.loss"),
        ({"step": [5], "values": {"loss": [1, 2]}}, "values.loss"),
        ({"step": [-1], "values": {"loss": [1]}}, "step"),
        ({"step": [5], "values": {"a,b": [1]}}, "values.a,b"),
        ({"step": [5], "values": {"loss": [1]}, "wall_time": [1e13]}, "wall_time"),
        ({"step": [5], "values": {"loss": [1]}, "steps": []}, "steps"),
        ({"step": [5]}, "values"),
    ],
)
def test_a_refusal_names_the_field(client: httpx.Client, external: str, body: object, field: str) -> None:
    assert log(client, external, 0).status_code == 200
    refused = client.post(f"/api/v1/runs/{external}/metrics", json=body)
    assert refused.status_code == 422, refused.text
    assert [each["field"] for each in refused.json()["error"]["fields"]] == [field]
    assert steps(client, external) == [0]
