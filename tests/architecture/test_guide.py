"""What the user guide tells readers to type works as written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import torch

from tests.support.commands import output
from tests.support.documents import ROOT
from tests.support.scripts import points_of, run_ids, run_script
from tests.support.web import WebServer

GUIDE = (ROOT / "docs/user-guide.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next heading."""
    return re.split(r"^#+ ", GUIDE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def scripts_of(title: str) -> list[str]:
    """The Python blocks below a heading."""
    return re.findall(r"```python\n(.*?)```", section(title), re.DOTALL)


def test_a_script_logs_a_run_with_the_calls_of_the_guide(client: httpx.Client) -> None:
    calls = re.findall(r"^\| `(POST|PUT) (\S+)` \| `(\{.*?\})`", section("Without the client"), re.MULTILINE)
    assert len(calls) == 8
    run = ""
    for method, path, body in calls:
        answer = client.request(method, path.replace("{id}", run), json=json.loads(body))
        assert answer.is_success, answer.text
        run = run or answer.json()["id"]
    assert client.get(f"/api/v1/runs/{run}").json()["status"] == "finished"
    assert set(client.get(f"/api/v1/runs/{run}/series").json()["series"]) == {"loss"}


def test_a_script_logs_with_the_three_lines_of_the_guide(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    logging, _, asking = scripts_of("Log from my own script")
    assert "runs.to_pandas()" in asking  # pandas is not installed here
    for text in (logging, asking.replace("runs.to_pandas()", "runs.rows")):
        done = run_script(tmp_path, text, server)
        assert done.returncode == 0, done.stderr
    (run_id,) = run_ids(tmp_path)
    assert len(points_of(client, run_id)["loss"]) == 1000


def test_a_killed_script_continues_from_its_checkpoint_as_in_the_guide(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    _, script, _ = scripts_of("Log from my own script")
    log = "    run.log({"
    assert script.count(log) == 1
    killed = script.replace(log, f"    if step == 250: import os; os.kill(os.getpid(), 9)\n{log}")

    assert run_script(tmp_path, killed, server).returncode == -9
    done = run_script(tmp_path, script, server)

    assert done.returncode == 0, done.stderr
    (run_id,) = run_ids(tmp_path)
    assert sorted(points_of(client, run_id)["loss"]) == list(range(1000))
    saved = torch.load(tmp_path / "mine.pt", weights_only=True)
    assert saved["optimiser"]["state"][0]["step"] == 1000  # AdamW counts the updates of its whole life


def test_the_tutorial_queues_a_run_with_a_claim(home: Path) -> None:
    command = re.search(
        r"^ *etrm (train .*)$", section("Tutorial: from a first run to a conclusion"), re.MULTILINE
    )
    assert command
    assert "Queued run" in output(home, *shlex.split(command[1]))
    assert "open" in output(home, "runs")


def test_the_examples_of_filters_are_accepted(client: httpx.Client) -> None:
    paragraph = section("Find runs").partition("**Filter.**")[2].partition(" Names are")[0]
    examples = re.findall(r"`([^`]+)`", paragraph)
    assert len(examples) >= 5
    for example in examples:
        answer = client.get("/api/v1/runs", params={"filter": example})
        assert answer.is_success, (example, answer.text)


def test_the_part_of_a_config_in_the_guide_is_valid(client: httpx.Client) -> None:
    example = re.search(r"`(\{\"preset\".*?\})`", section("Launch a run"))
    assert example
    assert client.post("/api/v1/runs", json=json.loads(example[1])).status_code == 201
