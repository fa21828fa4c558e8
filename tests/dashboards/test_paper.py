"""Dashboards and comparisons for a paper: figures, tables, what they rest on, and who may have them."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.domain.dashboards import encoder_variants
from tests.support.pdf import embedded_fonts, page_size
from tests.support.records.recorded import record_run
from tests.support.web import WebServer

CURVES = {"id": "tokens", "kind": "curves", "title": "Tokens", "metric": "accuracy/token", "by": "seed"}
NAME = r"a_b & <c> $\x$ |"


@pytest.fixture(scope="module")
def ids(page_server: WebServer) -> list[str]:
    engine: Engine = page_server.engine
    presets = ("quick", "quick", "quick_etrm_iterative")
    return [
        record_run(engine, preset=preset, seed=seed, points=30, tasks=6, name=NAME)
        for seed, preset in enumerate(presets)
    ]


@pytest.fixture(scope="module")
def board(page_server: WebServer, ids: list[str]) -> str:
    panels: list[dict[str, Any]] = [
        CURVES,
        {"id": "bars", "kind": "bars", "measure": "pass@1"},
        {"id": "grids", "kind": "grids", "most": 2},
        {"id": "words", "kind": "prose", "text": "Some **words**."},
        *(
            {"id": table, "kind": "table", "table": table}
            for table in ("results", "significance", "published", "encoder", "config")
        ),
        {"id": "none", "kind": "curves", "title": "Nothing yet", "metric": "never"},
        {"id": "dots", "kind": "scatter", "title": "Dots", "x": "seed", "y": "loss"},
    ]
    body = {"name": "For the paper", "content": {"source": {"runs": ids}, "panels": panels}}
    with page_server.client() as client:
        return str(client.post("/api/v1/dashboards", json=body).json()["slug"])


def unpacked(answer: httpx.Response, folder: Path) -> set[str]:
    """Paths of the files of an archive, which then lie in the folder."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
        return set(archive.namelist())


@pytest.fixture(scope="module")
def paper(page_server: WebServer, board: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    with page_server.client() as client:
        names = unpacked(client.get(f"/api/v1/dashboards/{board}/paper"), folder)
    figures = {
        f"figures/{id_}-{width}in.{as_}"
        for id_ in ("tokens", "bars", "grids")
        for width in ("3.5", "7")
        for as_ in ("pdf", "svg")
    }
    tables = {
        f"tables/{id_}.{ending}"
        for id_ in ("results", "significance", "published", "encoder", "config")
        for ending in ("tex", "typ", "md", "csv")
    }
    data = {"data/tokens.csv", "data/bars.csv", "data/grids.csv", "figures.csv", "lines.csv"}
    assert names == figures | tables | data | {"text/words.md", "redraw.py", "README.md"}
    return folder


def test_an_archive_has_every_figure_with_its_fonts_at_column_width(paper: Path) -> None:
    for path in (paper / "figures").glob("*.pdf"):
        assert page_size(path.read_bytes())[0] == (252 if "3.5in" in path.name else 504)
        assert embedded_fonts(path.read_bytes())
    for path in (paper / "figures").glob("*.svg"):
        assert ET.fromstring(path.read_bytes()).attrib["width"] in ("252pt", "504pt")


def test_a_reader_redraws_exactly_these_figures(paper: Path) -> None:
    before = {path.name: path.read_bytes() for path in (paper / "figures").iterdir()}
    for path in (paper / "figures").iterdir():
        path.unlink()
    done = subprocess.run(
        [sys.executable, "redraw.py"], cwd=paper, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in (paper / "figures").iterdir()} == before


def test_the_readme_names_runs_conditions_and_code_and_what_is_missing(paper: Path, ids: list[str]) -> None:
    text = (paper / "README.md").read_text()
    for run in ids:
        assert len(re.findall(rf"^\| {run} \| ", text, re.MULTILINE)) == 1
    assert "| Code |" in text
    assert "EMA weights" in text
    assert "Smoothed" in text or "smoothed by 0.6" in text
    assert "- Nothing yet: No run has recorded never yet." in text
    assert "- Dots: Panel 'dots' is a scatter, which is not drawn for a paper." in text


def test_figures_hold_what_the_tables_of_the_page_hold(
    paper: Path, page_client: httpx.Client, board: str
) -> None:
    bars = list(csv.DictReader((paper / "data/bars.csv").read_text().splitlines()))
    shown = list(csv.DictReader(page_client.get(f"/d/{board}/panels/bars.csv").text.splitlines()))
    assert [(row["value"], row["low"], row["basis"]) for row in bars] == [
        (row["value"], row["low"], row["basis"]) for row in shown
    ]
    assert all(re.match(r"\d+/\d+", row["basis"]) for row in bars)
    roles = [row["role"] for row in csv.DictReader((paper / "data/tokens.csv").read_text().splitlines())]
    assert {"raw", "average", "low", "high"} <= set(roles)
    grids = list(csv.DictReader((paper / "data/grids.csv").read_text().splitlines()))
    assert {row["part"] for row in grids} == {"demonstrations", "test"}
    captions = [row["caption"].partition(":")[0] for row in grids if row["part"] == "test"]
    assert captions[:2] == ["input", "truth"]
    assert {"deterministic", "iterative"} <= set(captions)


def test_tables_are_typeset(paper: Path) -> None:
    for table in ("results", "significance", "published", "encoder"):
        assert r"\toprule" in (paper / f"tables/{table}.tex").read_text()
        assert "#figure(" in (paper / f"tables/{table}.typ").read_text()
        assert "|---|" in (paper / f"tables/{table}.md").read_text()
    assert "Cross-sample variance" in (paper / "tables/results.tex").read_text()
    assert "published" in (paper / "tables/published.tex").read_text()


@pytest.mark.parametrize(("width", "points"), [("3.5", 252), ("7", 504)])
def test_one_figure_comes_alone(
    page_client: httpx.Client, board: str, ids: list[str], width: str, points: int
) -> None:
    runs = ",".join(ids)
    asked = {"width": width, "x": "samples", "smooth": "0.9"}
    for address in (
        f"/api/v1/dashboards/{board}/panels/tokens/figure",
        f"/api/v1/dashboards/{board}/panels/grids/figure",
        f"/api/v1/compare/figure?runs={runs}&metric=loss",
        f"/api/v1/compare/figure?runs={runs}&metric=loss&by=seed&hide={ids[2]}",
        f"/api/v1/runs/{ids[0]}/figure?panel=loss",
    ):
        answer = page_client.get(str(httpx.URL(address).copy_merge_params(asked)))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/pdf"
        assert page_size(answer.content)[0] == points
        assert embedded_fonts(answer.content)


def test_what_is_no_figure_or_table_is_refused(page_client: httpx.Client, board: str, ids: list[str]) -> None:
    panels = f"/api/v1/dashboards/{board}/panels"
    headers = {"Accept": "application/json"}
    for address, status, text in (
        (f"{panels}/results/figure", 404, "not a figure"),
        (f"{panels}/tokens/table", 404, "Export a figure as PDF or SVG."),
        (f"{panels}/dots/figure", 404, "Save it as PNG or CSV"),
        (f"{panels}/dots/table", 404, "Save it as PNG or CSV"),
        (f"{panels}/none/figure", 404, "No run has recorded never yet."),
        (f"{panels}/nothing/figure", 404, "no panel"),
        (f"{panels}/tokens/figure?width=5", 422, "is not a valid width"),
        (f"{panels}/tokens/figure?format=eps", 422, "is not a valid format"),
        (f"{panels}/results/table?format=word", 422, "is not a valid format"),
        (f"/api/v1/runs/{ids[0]}/figure?panel=los", 404, "loss"),
        (f"/api/v1/compare/figure?runs={ids[0]}&metric=loss&by=line", 422, "is not a valid"),
        (f"/api/v1/compare/paper?runs={ids[0]}&by=line", 422, "is not a valid"),
    ):
        answer = page_client.get(address, headers=headers)
        assert answer.status_code == status, address
        assert text in answer.text


def test_a_comparison_is_an_archive_too(page_client: httpx.Client, ids: list[str], tmp_path: Path) -> None:
    runs = [page_client.post("/api/v1/runs/external", json={"name": name}).json()["id"] for name in "ab"]
    for number, run in enumerate(runs):
        body = {"step": [1, 2, 3], "values": {"reward": [0.5, None, number]}}
        assert page_client.post(f"/api/v1/runs/{run}/metrics", json=body).is_success
    names = unpacked(page_client.get(f"/api/v1/compare/paper?runs={','.join(runs)}&by=run"), tmp_path)
    assert {"figures/metric-0-3.5in.pdf", "figures/metric-0-7in.svg", "data/metric-0.csv"} <= names
    readme = (tmp_path / "README.md").read_text()
    assert [f"| {run} |" in readme for run in (*runs, ids[0])] == [True, True, False]


def test_the_dashboard_that_is_there_holds_what_a_discussion_of_encoders_needs() -> None:
    """Training curves, collapse, examples, the table of variances, the comparison with TRM."""
    panels = {panel.id: panel for panel in encoder_variants().panels}
    assert {panels[id_].kind for id_ in ("train", "exact", "loss", "variance", "scale-free")} == {"curves"}
    assert panels["examples"].kind == "grids"
    assert {panels[id_].kind for id_ in ("results", "published", "significance", "health")} == {"table"}
    guide = (Path(__file__).parents[2] / "docs/user-guide.md").read_text()
    section = guide.partition("### Put a figure into a paper")[2].partition("\n### ")[0]
    for id_ in ("train", "exact", "loss", "variance", "examples", "results", "published"):
        assert f"`{id_}`" in section


def test_whoever_has_the_link_has_its_figures_and_no_others(
    page_server: WebServer, page_client: httpx.Client, board: str, ids: list[str]
) -> None:
    made = page_client.post(f"/api/v1/dashboards/{board}/shares").json()
    addresses = ("/panels/bars/figure?format=svg", "/panels/results/table?format=typst", "/paper")
    with page_server.stranger() as stranger:
        page = stranger.get(made["url"], headers={"Accept": "text/html"}).text
        assert 'id="paper"' in page
        for address in addresses:
            assert stranger.get(made["url"] + address).status_code == 200, address
        assert stranger.get(f"{made['url']}/panels/nothing/figure").status_code == 404
        for closed in (
            f"/api/v1/dashboards/{board}/paper",
            f"/api/v1/dashboards/{board}/panels/bars/figure",
            f"/api/v1/compare/paper?runs={ids[0]}",
            f"/api/v1/compare/figure?runs={ids[0]}&metric=loss",
            f"/api/v1/runs/{ids[0]}/figure?panel=loss",
        ):
            assert stranger.get(closed).status_code == 401, closed
        page_client.delete(f"/api/v1/dashboards/{board}/shares/{made['id']}")
        for address in addresses:
            assert stranger.get(made["url"] + address).status_code == 404, address


def test_pages_offer_the_files(page_client: httpx.Client, board: str, ids: list[str]) -> None:
    for page in (f"/d/{board}", f"/compare?runs={ids[0]}", f"/runs/{ids[0]}"):
        text = page_client.get(page).text
        for as_ in ("pdf", "svg"):
            for width in ("3.5", "7"):
                assert f'data-chart="{as_}" data-width="{width}"' in text
        assert ('id="paper"' in text) == (not page.startswith("/runs"))
