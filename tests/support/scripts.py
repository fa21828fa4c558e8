"""Scripts of a user's own that log with the client: real processes that find nothing of the lab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import PATIENCE
from tests.support.web import WebServer

CLIENT = Path(__file__).parents[2] / "client"
LEFT_OUT = ("ETRM_URL", "ETRM_TOKEN", "RANK", "LOCAL_RANK", "PYTHONPATH", "PYTHONSAFEPATH")


def logged(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The records of a kind in the one journal of a folder."""
    (journal,) = folder.glob("*.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    return [record for record in records if record["kind"] == kind]


def environment(folder: Path, url: str = "", token: str = "", **more: str) -> dict[str, str]:
    """Of a process that finds the client and no stored login."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    lab = {"ETRM_URL": url, "ETRM_TOKEN": token} if url else {}
    return kept | lab | {"PYTHONPATH": str(CLIENT), "XDG_CONFIG_HOME": str(folder), **more}


def run_script(
    folder: Path, text: str, server: WebServer | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """The script's end, with what it printed."""
    url, token = (server.url, server.token) if server else ("", "")
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=folder,
        env=environment(folder, url, token, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def running_script(folder: Path, text: str, url: str, token: str) -> Iterator[subprocess.Popen[str]]:
    """The script while it runs, with its input and output; it is killed at the end if it has not ended."""
    with (folder / "errors.txt").open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", textwrap.dedent(text)],
            cwd=folder,
            env=environment(folder, url, token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def sync(folder: Path, url: str, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`etrm-lab sync` in this folder."""
    return client_command(folder, url, token, "sync", *arguments)


def bring_in(
    folder: Path, server: WebServer | None, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """`etrm-lab import` in this folder; without a server into journals alone."""
    url, token = (server.url, server.token) if server else ("", "")
    return client_command(folder, url, token, "import", *map(str, arguments))


def client_command(folder: Path, url: str, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`etrm-lab` in this folder."""
    return subprocess.run(
        [sys.executable, "-m", "etrm_lab", *arguments],
        cwd=folder,
        env=environment(folder, url, token),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def run_ids(folder: Path) -> list[str]:
    """The runs that have a journal here, the oldest first."""
    paths = sorted((folder / "etrm-runs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    return [path.stem for path in paths]


def points_of(client: httpx.Client, run_id: str) -> dict[str, dict[int, float | None]]:
    """Every point of a run in the lab: metric -> step -> value. NaN and infinity are None."""
    answer = client.get(f"/api/v1/runs/{run_id}/series", params={"max_points": 100_000})
    assert answer.is_success, answer.text
    found = {}
    for name, curve in answer.json()["series"].items():
        assert len(set(curve["step"])) == len(curve["step"]) == curve["points"], f"{name} has a step twice"
        found[name] = dict(zip(curve["step"], curve["value"], strict=True))
    return found


def run_of(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """The run in the lab."""
    answer = client.get(f"/api/v1/runs/{run_id}")
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def log_of(client: httpx.Client, run_id: str) -> list[str]:
    """The lines of the run's log in the lab."""
    return [each["text"] for each in client.get(f"/api/v1/runs/{run_id}/log").json()["lines"]]
