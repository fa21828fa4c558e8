"""SIGTERM, as Slurm, Kubernetes and `kill` send it: real scripts that log and are asked to end."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.terminal.port import free_local_port
from tests.support.processes import PATIENCE, eventually
from tests.support.scripts import points_of, run_ids, run_of, running_script, sync
from tests.support.web import WebServer

LOOP = """
    import itertools, signal, sys, time
    import etrm_lab

    {before}
    run = etrm_lab.init(name="mine")
    {after}
    for step in itertools.count():
        run.log({{"loss": float(step)}}, step=step)
        if step == 20:
            print("logged", flush=True)
        if step > 20:
            {work}
    {end}
"""
BUSY = "sum(range(100_000))"
ASLEEP = "time.sleep(600)"


def loop(work: str = BUSY, before: str = "", after: str = "", end: str = "") -> str:
    return LOOP.format(work=work, before=before, after=after, end=end)


def journal(folder: Path, run_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"etrm-runs/{run_id}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("work", [BUSY, ASLEEP], ids=["busy", "asleep"])
def test_a_script_that_is_terminated_says_so_and_dies_of_the_signal(
    tmp_path: Path, server: WebServer, client: httpx.Client, work: str
) -> None:
    with running_script(tmp_path, loop(work), server.url, server.token) as script:
        assert script.stdout
        assert script.stdout.readline() == "logged\n"
        script.terminate()
        assert script.wait(PATIENCE) == -signal.SIGTERM
    (run_id,) = run_ids(tmp_path)
    run = run_of(client, run_id)
    assert run["status"] == "failed"
    assert run["status_cause"].startswith("terminated by SIGTERM")
    logged = [each["step"] for each in journal(tmp_path, run_id) if each["kind"] == "points"]
    assert len(logged) > 20
    assert points_of(client, run_id) == {"loss": {step: float(step) for step in logged}}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_of_the_scripts_own_is_left_alone(
    tmp_path: Path, server: WebServer, client: httpx.Client, when: str
) -> None:
    """It ends its loop in good order, as a script does that saves a checkpoint when it must go."""
    own = "asked = []; signal.signal(signal.SIGTERM, lambda *_: asked.append(1))"
    text = loop("if asked: break", end="print('in good order')", **{when: own})
    with running_script(tmp_path, text, server.url, server.token) as script:
        assert script.stdout
        assert script.stdout.readline() == "logged\n"
        script.terminate()
        assert script.stdout.readline() == "in good order\n"
        assert script.wait(PATIENCE) == 0
    (run_id,) = run_ids(tmp_path)
    assert run_of(client, run_id)["status"] == "finished"


def test_a_signal_that_the_script_ignores_stays_ignored(tmp_path: Path, server: WebServer) -> None:
    own = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    text = loop("print('still here', flush=True); sys.stdin.readline()", before=own)
    with running_script(tmp_path, text, server.url, server.token) as script:
        assert script.stdout
        assert script.stdin
        assert script.stdout.readline() == "logged\n"
        assert script.stdout.readline() == "still here\n"
        script.terminate()
        script.stdin.write("\n")
        script.stdin.flush()
        assert script.stdout.readline() == "still here\n"


def test_a_forked_child_dies_of_it_as_ever_and_its_parent_logs_on(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    text = """
        import os, signal, time
        import etrm_lab

        run = etrm_lab.init(name="mine")
        run.log({"loss": 1.0})
        ends = set()
        for _ in range(20):  # a signal that is there before the child is ready counts as well
            child = os.fork()
            if child == 0:
                time.sleep(600)
                os._exit(1)
            os.kill(child, signal.SIGTERM)
            ends.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(*ends, flush=True)
        run.log({"loss": 2.0})
    """
    with running_script(tmp_path, text, server.url, server.token) as script:
        assert script.stdout
        assert script.stdout.readline() == f"{-signal.SIGTERM}\n"
        assert script.wait(PATIENCE) == 0
    (run_id,) = run_ids(tmp_path)
    assert (run_of(client, run_id)["status"], points_of(client, run_id)) == (
        "finished",
        {"loss": {0: 1.0, 1: 2.0}},
    )


def test_without_an_answer_of_the_lab_its_end_stays_in_the_journal(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    away = f"http://127.0.0.1:{free_local_port()}"
    with running_script(tmp_path, loop(ASLEEP), away, server.token) as script:
        assert script.stdout
        assert script.stdout.readline() == "logged\n"
        script.terminate()
        assert script.wait(PATIENCE) == -signal.SIGTERM
    (run_id,) = run_ids(tmp_path)
    assert journal(tmp_path, run_id)[-1]["status"] == "failed"
    assert sync(tmp_path, server.url, server.token).returncode == 0
    eventually(lambda: run_of(client, run_id)["status"] == "failed", "the run to be over in the lab")
