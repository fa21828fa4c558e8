"""What the user guide tells readers to type works as written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx

from tests.support.commands import output
from tests.support.documents import ROOT

GUIDE = (ROOT / "docs/user-guide.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next heading."""
    return re.split(r"^#+ ", GUIDE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_a_script_logs_a_run_with_the_calls_of_the_guide(client: httpx.Client) -> None:
    calls = re.findall(r"^\| `POST (\S+)` \| `(\{.*?\})`", section("Log from my own script"), re.MULTILINE)
    assert len(calls) == 3
    run = ""
    for path, body in calls:
        answer = client.post(path.replace("{id}", run), json=json.loads(body))
        assert answer.is_success, answer.text
        run = run or answer.json()["id"]
    assert client.get(f"/api/v1/runs/{run}").json()["status"] == "finished"
    assert set(client.get(f"/api/v1/runs/{run}/series").json()["series"]) == {"loss"}


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
