"""The table of runs where it has no row: it says why, and the next thing to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.web import WebServer


@pytest.fixture
def alone(tmp_path: Path, sqlite_url: str) -> Iterator[httpx.Client]:
    """A lab of its own, without a run."""
    server = WebServer(tmp_path, {"ETRM_HOME": str(tmp_path), "ETRM_DATABASE_URL": sqlite_url})
    try:
        with server.client() as client:
            yield client
    finally:
        server.stop()


def test_a_table_without_rows_says_why_in_each_of_its_forms(alone: httpx.Client) -> None:
    views = ({}, {"group": "seed"})
    for view in views:
        assert "No runs yet" in alone.get("/", params=view).text
    assert "No runs match" in alone.get("/", params={"filter": "seed == 1"}).text

    run_id = alone.post("/api/v1/runs/external", json={"name": "mine"}).json()["id"]
    alone.post(f"/api/v1/runs/{run_id}/finish")
    assert alone.patch(f"/api/v1/runs/{run_id}", json={"archived": True}).status_code == 200

    for view in views:
        page = alone.get("/", params=view).text
        assert "All runs are archived." in page
        assert "Show archived runs" in page
        assert "No runs yet" not in page
