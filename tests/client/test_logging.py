"""A script of a user's own logs with three added lines, and its run is in the lab as it was logged."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.support.scripts import log_of, points_of, run_ids, run_of, run_script, sync
from tests.support.web import WebServer

LOOP = """
    import math
    import etrm_lab                                                     # added

    run = etrm_lab.init(name="mine", project="arc", config={"lr": 0.1, "nan": math.nan})  # added
    weight = 3.0
    for step in range(200):
        loss = weight * weight
        weight -= 0.1 * 2 * weight
        run.log({"loss": loss, "even": {"step": step} if step % 2 == 0 else {}}, step=step)  # added
    run.log({"loss": math.nan, "flat": math.inf}, step=200)
"""


def test_a_plain_loop_is_logged_with_three_added_lines(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    done = run_script(tmp_path, LOOP, server)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (run_id,) = run_ids(tmp_path)
    run = run_of(client, run_id)
    assert (run["name"], run["project"], run["status"], run["origin"]) == (
        "mine",
        "arc",
        "finished",
        "external",
    )
    assert run["config"] == {"lr": 0.1, "nan": "NaN"}
    points = points_of(client, run_id)
    assert points.keys() == {"loss", "even/step", "flat"}
    assert points["loss"] == {step: pytest.approx(9 * 0.8 ** (2 * step)) for step in range(200)} | {200: None}
    assert points["even/step"] == {step: step for step in range(0, 200, 2)}
    assert points["flat"] == {200: None}
    assert f"{server.url}/runs/{run_id}" in done.stderr


def test_text_config_alerts_and_files_are_logged(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    (tmp_path / "step_5.pt").write_bytes(b"weights")
    text = """
        import etrm_lab

        with etrm_lab.init(name="mine", config={"lr": 0.1}) as run:
            run.config.update({"depth": 2})
            run.config.width = 3
            run.log({"loss": 1.0, "note": "warm-up", "grid": [[1, 2], [3, 4]], "what": object()}, step=5)
            for _ in range(2):
                run.log_text("the same line")
            run.log_text("careful", level="warning")
            run.log_checkpoint("step_5.pt")
            run.alert("spike", "The loss rose.", value=9.5)
            run.summary["best"] = 0.25
    """
    done = run_script(tmp_path, text, server)
    assert done.returncode == 0, done.stderr
    assert "what is not logged: object is neither a number nor a text." in done.stderr
    (run_id,) = run_ids(tmp_path)
    run = run_of(client, run_id)
    assert run["config"] == {"lr": 0.1, "depth": 2, "width": 3}
    assert [(each["name"], each["text"], each["value"]) for each in run["alarms"]] == [
        ("spike", "The loss rose.", 9.5)
    ]
    lines = log_of(client, run_id)
    assert lines[:5] == [
        "note at step 5: warm-up",
        "grid at step 5:\n12\n34",
        "the same line",
        "the same line",
        "careful",
    ]
    digest = hashlib.sha256(b"weights").hexdigest()
    assert lines[5] == f"Checkpoint of step 5: {tmp_path / 'step_5.pt'} · 7 bytes · SHA-256 {digest}"
    assert points_of(client, run_id)["best"] == {5: 0.25}


@pytest.mark.parametrize(
    ("end", "status", "cause"),
    [
        ("raise ValueError('diverged')", "failed", "ValueError: diverged"),
        ("sys.exit(3)", "failed", "exit code 3"),
        ("sys.exit('no data')", "failed", "no data"),
        ("sys.exit(0)", "finished", ""),
        ("raise KeyboardInterrupt", "cancelled", "KeyboardInterrupt"),
    ],
)
def test_how_a_script_ends_is_said_of_its_run(
    tmp_path: Path, server: WebServer, client: httpx.Client, end: str, status: str, cause: str
) -> None:
    begin = "import sys, etrm_lab; run = etrm_lab.init(); run.log({'loss': 1})"
    for number, text in enumerate((f"{begin}; {end}", f"{begin}\nwith run: {end}"), 1):
        done = run_script(tmp_path, text, server)
        assert (done.returncode == 0) == (status == "finished"), done.stderr
        run_id = run_ids(tmp_path)[-1]
        run = run_of(client, run_id)
        assert (run["status"], run["status_cause"]) == (status, cause), number
        traced = any("Traceback" in line for line in log_of(client, run_id))
        assert traced == end.startswith("raise")


def test_predictions_become_cards_of_the_gallery(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    task = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3, 3]], "output": [[4, 4]]}]}
    client.post("/api/v1/sets", json={"name": "by-script", "tasks": dict.fromkeys(("a", "b", "c"), task)})
    text = """
        import etrm_lab

        run = etrm_lab.init(name="mine")
        for task, grid in {"a": [[[3, 3]], [[4, 4]]], "b": "44", "c": [[11, 12]]}.items():
            votes = [2, 1] if task == "a" else None
            run.log_predictions(task, 0, grid, set="by-script", step=10, views=4, votes=votes)
        run.log_predictions("unknown", 0, [[1]], set="by-script", step=10, views=4)
    """
    done = run_script(tmp_path, text, server)
    assert done.returncode == 0, done.stderr
    assert "by-script has no task 'unknown'" in done.stderr
    (run_id,) = run_ids(tmp_path)
    (result,) = client.get(f"/api/v1/runs/{run_id}/evaluations").json()
    scores = {each["k"]: (each["solved"], each["n"]) for each in result["passes"]}
    assert (result["step"], result["views"], scores[1], scores[2]) == (10, 4, (1, 3), (2, 3))
    assert result["failure_modes"] == {"copied input": 1, "empty": 1}
    cards = client.get("/api/v1/gallery", params={"run": run_id}).json()["items"]
    assert {each["task_id"] for each in cards} == {"a", "b", "c"}


def test_a_confidence_that_is_not_a_number_holds_nothing_back(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    """Neither as it is logged, nor out of a journal that an older client wrote."""
    task = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]], "output": [[4]]}]}
    client.post("/api/v1/sets", json={"name": "unsure", "tasks": {"a": task}})
    text = """
        import math, etrm_lab

        run = etrm_lab.init(name="mine")
        for sure in (CONFIDENCE, 0.5):
            run.log_predictions("a", 0, [[4]], set="unsure", step=int(sure == 0.5), confidence=sure)
        run.log({"loss": 1.0})
    """
    logged = run_script(tmp_path, text.replace("CONFIDENCE", "math.nan"), server)
    run_script(tmp_path, text.replace("CONFIDENCE", "0.25"))
    first, second = run_ids(tmp_path)
    journal = tmp_path / "etrm-runs" / f"{second}.jsonl"
    journal.write_text(journal.read_text().replace('"confidence":0.25', '"confidence":NaN'))

    synced = sync(tmp_path, server.url, server.token)

    assert (logged.returncode, synced.returncode) == (0, 0), logged.stderr + synced.stderr
    assert "sending stopped" not in logged.stderr
    assert "A number in it is NaN or infinite" in synced.stderr
    for run_id, steps in ((first, {0, 1}), (second, {1})):
        assert points_of(client, run_id) == {"loss": {0: 1.0}}
        found = client.get(f"/api/v1/runs/{run_id}/evaluations").json()
        assert {each["step"] for each in found} == steps


def test_only_rank_0_of_a_distributed_training_logs(tmp_path: Path, server: WebServer) -> None:
    text = "import etrm_lab; run = etrm_lab.init(); run.log({'loss': 1}); print(run.is_logging)"
    for variables, logs in (
        ({"RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "2"}, False),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
    ):
        done = run_script(tmp_path, text, server, **variables)
        assert (done.stdout, done.returncode) == (f"{logs}\n", 0), done.stderr
        assert len(run_ids(tmp_path)) == logs


def test_a_forked_child_logs_nothing_and_breaks_nothing(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    text = """
        import os, sys
        import etrm_lab

        run = etrm_lab.init(name="mine")
        for step in range(40):
            run.log({"loss": step}, step=step)
            if step % 10 == 0 and os.fork() == 0:
                run.log({"loss": -1.0, "child": 1.0}, step=step)
                run.finish(1)
                sys.exit(7)  # its handlers of the end of a script run, too
        for _ in range(4):
            os.wait()
    """
    done = run_script(tmp_path, text, server)
    assert done.returncode == 0, done.stderr
    (run_id,) = run_ids(tmp_path)
    assert points_of(client, run_id) == {"loss": {step: step for step in range(40)}}
    assert run_of(client, run_id)["status"] == "finished"


def test_a_child_that_starts_a_run_of_its_own_logs_it(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    text = """
        import os
        import etrm_lab

        run = etrm_lab.init(name="parent", id="parent0000")
        if os.fork() == 0:
            etrm_lab.init(name="child", id="child00000").log({"loss": 2.0})
        else:
            run.log({"loss": 1.0})
            os.wait()
    """
    done = run_script(tmp_path, text, server)
    assert done.returncode == 0, done.stderr
    assert points_of(client, "parent0000") == {"loss": {0: 1.0}}
    assert points_of(client, "child00000") == {"loss": {0: 2.0}}


def test_without_a_lab_all_stays_in_the_journal(tmp_path: Path) -> None:
    done = run_script(tmp_path, LOOP)
    assert done.returncode == 0, done.stderr
    assert "no address of a lab is known" in done.stderr
    (run_id,) = run_ids(tmp_path)
    journal = (tmp_path / "etrm-runs" / f"{run_id}.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in journal]
    assert Counter(kinds) == {"start": 1, "provenance": 1, "points": 201, "finish": 1}
    assert json.loads(journal[kinds.index("points")])["values"] == {"loss": 9.0, "even/step": 0}


def test_a_run_says_which_code_it_is_of(tmp_path: Path, server: WebServer, client: httpx.Client) -> None:
    """A script in a repository with something that is not committed, and a secret in it."""

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "model.py").write_text("width = 64\n")
    git("init", "-q")
    git("add", "model.py")
    git("commit", "-qm", "First")
    git("remote", "add", "origin", "https://me:pa55word@example.org/mine.git")
    git("config", "diff.noprefix", "true")  # of the user's: such a diff would not apply
    git("config", "color.ui", "always")
    (tmp_path / "model.py").write_text("width = 128\nAPI_KEY = 'abcdefgh1234'\n")
    (tmp_path / "new.py").write_text("depth = 2\n")

    done = run_script(tmp_path, LOOP, server)

    assert done.returncode == 0, done.stderr
    (run_id,) = run_ids(tmp_path)
    (start,) = client.get(f"/api/v1/runs/{run_id}/provenance").json()["starts"]
    assert start["commit"] == git("rev-parse", "HEAD")
    assert start["remote"] == "https://***@example.org/mine.git"
    assert start["python"] == platform.python_version()
    assert start["packages"]["httpx"]
    assert (start["hidden"], start["cut"], len(start["diff"])) == (1, False, 64)
    diff = client.get(f"/api/v1/runs/{run_id}/provenance/0/diff").text
    assert "+width = 128" in diff
    assert "+++ b/new.py" in diff
    assert "+depth = 2" in diff
    assert "abcdefgh1234" not in diff


def test_the_script_of_the_user_guide_runs_as_it_stands(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    guide = (Path(__file__).parents[2] / "docs/user-guide.md").read_text()
    script = next(block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "init(" in block)
    done = run_script(tmp_path, script, server)
    assert done.returncode == 0, done.stderr
    (run_id,) = run_ids(tmp_path)
    run = run_of(client, run_id)
    assert (run["status"], run["step"]) == ("finished", 999)
