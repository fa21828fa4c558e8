"""What a script has logged reaches the lab once, whatever dies on the way."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from etrm_lab.exit_codes import ExitCode
from tests.support.databases import SqliteFiles
from tests.support.processes import Lab, eventually, kill
from tests.support.scripts import log_of, points_of, run_of, run_script, running_script, sync
from tests.support.servers import started_lab
from tests.support.web import WebServer

ID = "k3v9x0q2ab"
# It logs one step for each line that it reads, and says which.
BY_LINE = f"""
    import sys
    import etrm_lab

    run = etrm_lab.init(name="mine", resume="{ID}", config={{"lr": 1}})
    step = run.step
    for line in sys.stdin:
        for _ in range(int(line)):
            step += 1
            run.log({{"loss": float(step)}}, step=step)
            if step % 10 == 0:
                run.log_text(f"at {{step}}")
        print(step)
    run.finish()
"""


@pytest.fixture
def lab_of_its_own(tmp_path: Path, sqlite_files: SqliteFiles) -> Iterator[Lab]:
    """Its server is killed and started again at the same address."""
    folder = tmp_path / "lab"
    folder.mkdir()
    with started_lab(folder, sqlite_files.new()) as lab:
        yield lab


@contextmanager
def serving(lab: Lab, port: int) -> Iterator[WebServer]:
    server = WebServer(lab.folder, lab.environment, port)
    try:
        yield server
    finally:
        kill(server.process)
        server.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def expected(last: int) -> dict[str, dict[int, float]]:
    return {"loss": {step: float(step) for step in range(last + 1)}}


def lines_until(last: int) -> list[str]:
    return [f"at {step}" for step in range(0, last + 1, 10)]


def test_a_script_that_is_killed_resumes_without_gap_and_without_double(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    last = -1
    for steps in (150, 1, 400):
        with running_script(tmp_path, BY_LINE, server.url, server.token) as script:
            assert script.stdin
            assert script.stdout
            for _ in range(2):
                script.stdin.write(f"{steps}\n")
                script.stdin.flush()
                reached = int(script.stdout.readline())
                assert reached == last + steps, (tmp_path / "errors.txt").read_text()
                last = reached
            script.kill()
            script.wait()
    with running_script(tmp_path, BY_LINE, server.url, server.token) as script:
        script.communicate("5\n")
    last += 5
    assert points_of(client, ID) == expected(last)
    assert log_of(client, ID) == lines_until(last)
    assert run_of(client, ID)["status"] == "finished"


def test_the_end_of_a_line_that_was_cut_off_costs_that_line_alone(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    text = "import etrm_lab; etrm_lab.init(resume='cutoff0000').log({'loss': 1.0})"
    assert run_script(tmp_path, text).returncode == 0
    journal = tmp_path / "etrm-runs/cutoff0000.jsonl"
    with journal.open("a") as opened:
        opened.write('{"kind":"points","step":1,"val')
    assert run_script(tmp_path, text, server).returncode == 0
    assert points_of(client, "cutoff0000") == {"loss": {0: 1.0, 1: 1.0}}


def test_a_lab_that_is_away_for_a_while_gets_all_of_it(tmp_path: Path, lab_of_its_own: Lab) -> None:
    port = free_port()
    with serving(lab_of_its_own, port) as server:
        url, token = server.url, server.token
        with running_script(tmp_path, BY_LINE, url, token) as script:
            assert script.stdin
            assert script.stdout
            script.stdin.write("50\n")
            script.stdin.flush()
            assert script.stdout.readline() == "49\n"
            with server.client() as client:
                path = f"/api/v1/runs/{ID}"
                eventually(lambda: client.get(path).json().get("step") == 49, "the first points")
            kill(server.process)
            script.stdin.write("50\n")
            script.stdin.flush()
            assert script.stdout.readline() == "99\n"
            eventually(
                lambda: "The script continues" in (tmp_path / "errors.txt").read_text(),
                "the lab to be missed",
            )
            with serving(lab_of_its_own, port) as again, again.client() as client:
                script.communicate("50\n")
                assert points_of(client, ID) == expected(149)
                assert log_of(client, ID) == lines_until(149)
                assert run_of(client, ID)["status"] == "finished"


def test_what_a_lab_that_stays_away_misses_is_sent_later(tmp_path: Path, lab_of_its_own: Lab) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running_script(tmp_path, BY_LINE, url, "unknown") as script:
        script.communicate("120\n")
        assert script.returncode == 0
    assert "etrm-lab sync" in (tmp_path / "errors.txt").read_text()
    with serving(lab_of_its_own, port) as server, server.client() as client:
        refused = sync(tmp_path, url, "wrong")
        assert refused.returncode == ExitCode.NOT_ALLOWED
        assert "does not accept the token" in refused.stderr
        done = sync(tmp_path, url, server.token)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{ID}: sent ")
        again = sync(tmp_path, url, server.token, "etrm-runs")
        assert again.stdout == f"{ID}: all was sent before\n"
        (tmp_path / f"etrm-runs/{ID}.sent").unlink()  # what the lab has acknowledged is forgotten
        assert sync(tmp_path, url, server.token, f"etrm-runs/{ID}.jsonl").returncode == 0
        assert points_of(client, ID) == expected(119)
        assert log_of(client, ID) == lines_until(119)
        run = run_of(client, ID)
        assert (run["status"], run["config"]) == ("finished", {"lr": 1})


def test_a_run_continues_after_what_another_machine_has_logged(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    """The journal here is shorter than the run: without a step the next one is logged, none again."""
    text = """
        import etrm_lab

        run = etrm_lab.init(id="elsewhere0")
        run.log({"loss": 1.0})
        run.finish()
    """
    assert run_script(tmp_path, text, server).returncode == 0
    path = "/api/v1/runs/elsewhere0"
    assert client.post("/api/v1/runs/external", json={"name": "mine", "id": "elsewhere0"}).is_success
    assert client.post(f"{path}/metrics", json={"step": [80], "values": {"loss": [2.0]}}).is_success
    assert run_script(tmp_path, text, server).returncode == 0
    assert points_of(client, "elsewhere0") == {"loss": {0: 1.0, 80: 2.0, 81: 1.0}}


def test_a_run_that_is_cancelled_in_the_lab_tells_its_script(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    text = """
        import sys, time
        import etrm_lab

        run = etrm_lab.init(name="mine", id="cancelled0")
        step = 0
        while not run.stopped:
            run.log({"loss": step}, step=step)
            step += 1
            time.sleep(0.05)
        print("stopped", flush=True)
        run.log({"loss": -1.0}, step=step)
    """
    with running_script(tmp_path, text, server.url, server.token) as script:
        eventually(lambda: client.get("/api/v1/runs/cancelled0").is_success, "the run")
        assert client.post("/api/v1/runs/cancelled0/cancel").is_success
        out, _ = script.communicate()
        assert (out, script.returncode) == ("stopped\n", 0)
    assert run_of(client, "cancelled0")["status"] == "cancelled"
    lines = (tmp_path / "etrm-runs/cancelled0.jsonl").read_text().splitlines()
    assert json.loads(lines[-2])["values"] == {"loss": -1.0}  # kept, if not sent


def test_a_run_is_logged_by_one_process_at_a_time(tmp_path: Path, server: WebServer) -> None:
    with running_script(tmp_path, BY_LINE, server.url, server.token) as script:
        assert script.stdin
        assert script.stdout
        script.stdin.write("1\n")
        script.stdin.flush()
        first = script.stdout.readline()
        assert first, (tmp_path / "errors.txt").read_text()
        second = run_script(tmp_path, f"import etrm_lab; etrm_lab.init(resume='{ID}')", server)
        assert "is being logged by another process" in second.stderr
        assert "being logged" in sync(tmp_path, server.url, server.token).stderr
        script.communicate()


def test_logging_never_waits_for_a_lab_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as silent:  # it takes connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        text = f"""
            import os, threading
            import etrm_lab

            threading.Timer(60, lambda: os._exit(9)).start()
            run = etrm_lab.init(url="{url}", token="x")
            for step in range(20_000):
                run.log({{"loss": 0.1, "accuracy": 0.2}}, step=step)
            print("logged", flush=True)
            os._exit(0)
        """
        done = run_script(tmp_path, text)
    assert (done.returncode, done.stdout) == (0, "logged\n"), done.stderr
