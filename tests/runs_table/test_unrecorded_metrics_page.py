"""A metric that no run has recorded (yet) is a name like any other: no address with it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.db.session import session_scope
from backend.domain.metrics import NAMES
from backend.lifecycle import external_runs
from tests.support.databases import SqliteFiles
from tests.support.web import WebServer


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[WebServer]:
    """A lab whose one run has recorded nothing."""
    folder: Path = tmp_path_factory.mktemp("unrecorded")
    server = WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": sqlite_files.new()})
    with session_scope(server.engine) as session:
        external_runs.create(session, "theirs", {})
    yield server
    server.stop()


@pytest.fixture
def page(lab: WebServer) -> Iterator[httpx.Client]:
    with lab.client(headers={"Accept": "text/html"}) as client:
        yield client


@pytest.mark.parametrize(
    "address",
    [
        "/?group=seed",
        "/?sort=-accuracy/token",
        "/?group=seed&sort=loss:min&column=val/loss",
        "/?column=accuracy/test&column=encoder/retrieval",
        "/?sort=-val/loss",
        "/?sort=-accuracy/tokens",
        "/?group=variant",
        "/?filter=accuracy/token == null",
    ],
)
def test_the_table_stands(page: httpx.Client, address: str) -> None:
    answer = page.get(address)
    assert answer.status_code == 200
    assert "theirs" in answer.text


def test_a_name_that_no_run_has_is_told(page: httpx.Client) -> None:
    text = page.get("/?sort=-accuracy/tokens").text
    assert "No run has recorded &#39;accuracy/tokens&#39;. Did you mean &#39;accuracy/token&#39;?" in text
    assert "No run has recorded" not in page.get("/?sort=-accuracy/token").text


def test_the_api_lists_exports_and_names_them(page: httpx.Client) -> None:
    listed = page.get("/api/v1/runs", params={"sort": "-val/loss", "filter": "not (accuracy/token > 0)"})
    assert (listed.status_code, len(listed.json()["runs"])) == (200, 1)
    assert listed.json()["notes"] == ["No run has recorded 'val/loss'. Did you mean 'loss'?"]
    assert page.get("/api/v1/runs/export?columns=accuracy/token,val/loss&sort=loss").status_code == 200
    assert page.get("/api/v1/runs?sort=-acuracy/token").status_code == 422
    assert set(NAMES) <= {each["name"] for each in page.get("/api/v1/runs/names").json()}


def test_a_dashboard_over_a_metric_that_is_gone_stands(page: httpx.Client) -> None:
    curves = {"id": "gone", "kind": "curves", "metric": "val/loss"}
    body = {"name": "Gone", "content": {"source": {"filter": "not (val/loss > 1)"}, "panels": [curves]}}
    slug = page.post("/api/v1/dashboards", json=body).json()["slug"]
    shown = page.get(f"/d/{slug}")
    assert shown.status_code == 200
    assert "No run has recorded val/loss yet." in shown.text
    assert page.get(f"/d/{slug}/figures?panel=gone").json()["figures"] == {}
    wrong = body | {"content": {"source": {"filter": "acuracy/token > 1"}}}
    assert page.post("/api/v1/dashboards", json=wrong).status_code == 422
