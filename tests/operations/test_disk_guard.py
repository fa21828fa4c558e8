"""A disk with less free space than is to be kept: what would fill it is refused, and the lab says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.kit.errors import StorageFull
from tests.support.commands import output, typed
from tests.support.databases import SqliteFiles
from tests.support.records.tiny_runs import Memory, tiny
from tests.support.web import WebServer
from worker.data.sets import BuiltinTasks
from worker.training.checkpoints import checkpoint
from worker.training.stop import StopSignal
from worker.training.trainer import train

ALL = "1e9"  # GiB: more than any disk has
PAIR = {"input": [[0, 1]], "output": [[1, 0]]}
BODY = {"name": "mine", "tasks": {"a": {"train": [PAIR, PAIR], "test": [PAIR]}}}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[httpx.Client]:
    """A client of a server whose disk has less free space than is to be kept."""
    folder = tmp_path_factory.mktemp("full")
    environment = {
        "ETRM_HOME": str(folder),
        "ETRM_DATABASE_URL": sqlite_files.new(),
        "ETRM_MIN_FREE_GIB": ALL,
    }
    server = WebServer(folder, environment)
    with server.client() as client:
        yield client
    server.stop()


def test_an_upload_is_refused_in_words_and_nothing_is_kept(full: httpx.Client) -> None:
    refused = full.post("/api/v1/sets", json=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "storage_full")
    assert "The set mine was not saved" in refused.json()["error"]["message"]
    assert "ETRM_MIN_FREE_GIB" in refused.json()["error"]["hint"]
    checked = full.post("/api/v1/sets/check", json=BODY)
    assert (checked.status_code, checked.json()["valid"]) == (200, False)
    assert "was not saved" in checked.json()["message"]
    assert [each["name"] for each in full.get("/api/v1/sets").json()] == []
    form = {"name": "mine"}
    page = full.post("/data", data=form, files={"file": ("a.json", b"{}")}, headers={"Accept": "text/html"})
    assert page.status_code == 507
    assert "The set mine was not saved" in page.text


def test_what_is_small_is_still_taken(full: httpx.Client) -> None:
    run = full.post("/api/v1/runs/external", json={"name": "logs"}).json()["id"]
    points = {"step": [1], "values": {"loss": [1.0]}}
    assert full.post(f"/api/v1/runs/{run}/metrics", json=points).status_code == 200


def test_the_storage_page_says_so(full: httpx.Client, server: WebServer) -> None:
    assert full.get("/api/v1/storage").json()["disk_is_low"] is True
    assert "uploads and checkpoints are refused" in full.get("/settings").text
    with server.client() as client:
        assert client.get("/api/v1/storage").json()["disk_is_low"] is False
        assert "uploads and checkpoints are refused" not in client.get("/settings").text


def test_the_command_says_so(tmp_path: Path) -> None:
    output(tmp_path, "migrate")
    assert "are refused" not in output(tmp_path, "storage")
    assert "are refused" in typed(tmp_path, "storage", ETRM_MIN_FREE_GIB=ALL).stdout


def test_a_checkpoint_is_refused_and_none_is_half_written(tmp_path: Path) -> None:
    memory = Memory()
    with pytest.raises(StorageFull, match="The checkpoint of step 10 was not saved"):
        train(tiny(), BuiltinTasks(), memory, tmp_path / "run", StopSignal(), least_free=2**62)
    assert checkpoint.list_checkpoints(tmp_path / "run") == []
