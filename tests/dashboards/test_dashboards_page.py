"""Dashboards as the server makes them: every panel, the share link, the export."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from starlette.requests import Request

from backend.settings import Settings
from backend.web.deps import address_of, is_only_here
from tests.support.records.recorded import record_run
from tests.support.web import WebServer

WORDS = "**bold** [ok](https://a.example) [no](javascript:alert(1)) <img src=x onerror=alert(1)>"
CHART = {"id": "chart", "kind": "curves", "title": "Tokens", "metric": "accuracy/token", "by": "run"}


@pytest.fixture(scope="module")
def ids(page_server: WebServer) -> list[str]:
    engine: Engine = page_server.engine
    return [record_run(engine, seed=seed, points=30, tasks=6, name=f"boarded {seed}") for seed in range(2)]


@pytest.fixture(scope="module")
def board(page_server: WebServer, ids: list[str]) -> str:
    panels: list[dict[str, Any]] = [
        CHART,
        {"id": "words", "kind": "prose", "text": WORDS},
        {"id": "bars", "kind": "bars", "measure": "pass@1"},
        {"id": "grids", "kind": "grids", "most": 2},
        *(
            {"id": table, "kind": "table", "table": table}
            for table in ("results", "significance", "published", "encoder")
        ),
        {"id": "config", "kind": "table", "table": "config", "by": "run"},
        {"id": "none", "kind": "curves", "metric": "never"},
        {"id": "gap", "kind": "curves", "metric": "accuracy/token - accuracy/exact", "by": "run"},
        {"id": "typo", "kind": "curves", "metric": "accuracy/token - accuracy/exac"},
        {"id": "dots", "kind": "scatter", "x": "seed", "y": "loss:min / 2", "colour": "encoder"},
    ]
    body = {"name": "Everything", "content": {"source": {"runs": ids}, "panels": panels}}
    with page_server.client() as client:
        return str(client.post("/api/v1/dashboards", json=body).json()["slug"])


def test_every_kind_of_panel_is_filled(page_client: httpx.Client, board: str) -> None:
    page = page_client.get(f"/d/{board}").text

    assert page.count('class="smooth"') == 4  # two charts of two runs
    assert "<strong>bold</strong>" in page
    assert "&lt;img src=x" in page
    assert 'href="javascript' not in page
    assert 'class="bars"' in page
    assert page.count('class="still-grid"') >= 6
    assert "ETRM deterministic" in page
    assert "No run has recorded never yet." in page
    assert "Significance needs two configurations" in page
    assert "EMA weights · 8 views · 4 ACT steps · 6 tasks. Newest such of each run." in page
    assert "2 healthy" in page  # two seeds, one row


def test_numbers_come_as_csv(page_client: httpx.Client, board: str, ids: list[str]) -> None:
    def rows(panel: str) -> list[str]:
        return page_client.get(f"/d/{board}/panels/{panel}.csv").text.splitlines()

    assert rows("bars")[1].startswith("deterministic,0.1666")
    assert rows("results")[1].startswith(f"{ids[0]},deterministic,2,arc-agi-1/evaluation")
    assert len(rows("published")) == 7
    assert rows("config")[1] == "seed,0,1"
    assert page_client.get(f"/d/{board}/panels/nothing.csv").status_code == 404


def test_comparisons_are_counted_and_their_p_values_adjusted(page_server: WebServer) -> None:
    presets = ("quick", "quick_etrm_iterative", "quick_trm_arc2")
    ids = [record_run(page_server.engine, preset=preset, points=5, tasks=6) for preset in presets]
    panel = {"id": "which", "kind": "table", "table": "significance"}
    body = {"name": "Three at once", "content": {"source": {"runs": ids}, "panels": [panel]}}
    with page_server.client() as client:
        board = client.post("/api/v1/dashboards", json=body).json()["slug"]
        page = client.get(f"/d/{board}", headers={"Accept": "text/html"}).text
        head, *rows = csv.reader(io.StringIO(client.get(f"/d/{board}/panels/which.csv").text))
        query = {"runs": ",".join(ids)}
        by_run = client.get("/compare/significance", params=query, headers={"Accept": "text/html"}).text
        by_seed = client.get("/compare/significance", params={**query, "by": "seed"}).text

    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["comparisons"] for row in found] == ["2", "2"]
    assert all(float(row["p adjusted"]) >= float(row["p"]) for row in found)
    for text in (page, by_run, by_seed):
        assert "2 comparisons with the baseline" in text
        assert text.count("adjusted</span>") == 2


def test_an_export_needs_nothing_else(page_client: httpx.Client, board: str) -> None:
    answer = page_client.get(f"/d/{board}/export.html")

    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["content-disposition"]
    for outside in ("<script", "<link", 'src="/', 'href="/'):
        assert outside not in answer.text.partition("</head>")[2], outside
    assert answer.text.count('class="smooth"') == 4


def test_a_link_says_whether_only_this_machine_opens_it(page_client: httpx.Client, board: str) -> None:
    made = page_client.post(f"/api/v1/dashboards/{board}/shares").json()
    assert made["only_here"]
    assert "Only this machine opens a link" in page_client.get(f"/d/{board}").text
    assert is_only_here("http://[::1]:8000")

    settings = Settings(public_url="https://lab.example")
    request = Request({"type": "http", "server": ("127.0.0.1", 8000), "path": "/", "headers": []})
    assert address_of(request, settings) == "https://lab.example"
    assert not is_only_here(address_of(request, settings))


def test_a_stranger_with_the_link_sees_this_dashboard_and_nothing_else(
    page_server: WebServer, page_client: httpx.Client, board: str, ids: list[str]
) -> None:
    made = page_client.post(f"/api/v1/dashboards/{board}/shares").json()
    with page_server.stranger(headers={"Accept": "text/html"}) as stranger:
        page = stranger.get(made["url"])
        assert page.status_code == 200
        assert "Everything" in page.text
        for inside in ('href="/runs', "/api/v1", f'href="/d/{board}'):
            assert inside not in page.text, inside
        figure = stranger.get(f"{made['url']}/figures?panel=chart").json()["figures"]["chart"]
        assert [trace["meta"]["role"] for trace in figure["data"]][:2] == ["raw", "smooth"]
        assert stranger.get(f"{made['url']}/panels/bars.csv").status_code == 200
        points = stranger.get(f"{made['url']}/series.csv", params={"names": "accuracy/token,loss"}).text
        assert points.splitlines()[0] == "run,step,wall_time,accuracy/token"  # loss is on no panel
        assert ids[0] in points
        for closed in (f"/d/{board}", "/", f"/runs/{ids[0]}", "/api/v1/dashboards"):
            assert stranger.get(closed).status_code in (303, 401), closed
        assert stranger.get("/s/unknown").status_code == 404

        page_client.delete(f"/api/v1/dashboards/{board}/shares/{made['id']}")
        for address in ("", "/figures?panel=chart", "/panels/bars.csv", "/series.csv?names=loss"):
            assert stranger.get(made["url"] + address).status_code == 404
        for address in (made["url"], "/s/unknown", "/s/", f"{made['url']}/elsewhere"):
            answer = stranger.get(address, headers={"Accept": "text/html"})
            assert answer.status_code == 404
            assert 'class="rail"' not in answer.text  # whose scripts would send a stranger to the login
            assert 'href="/"' not in answer.text
        assert "This link is invalid or was revoked." in stranger.get(made["url"]).text


def test_a_dashboard_is_made_empty_or_from_a_comparison(
    page_server: WebServer, page_client: httpx.Client, ids: list[str]
) -> None:
    assert page_client.post("/dashboards", data={"name": "Empty"}).headers["location"] == "/d/empty?edit=1"
    asked = {"name": "For tonight", "runs": ",".join(ids), "by": "run"}
    assert page_client.post("/dashboards", data=asked).headers["location"] == "/d/for-tonight"
    content = page_client.get("/api/v1/dashboards/for-tonight").json()["content"]
    assert content["source"]["runs"] == ids
    curves = [panel for panel in content["panels"] if panel["kind"] == "curves"]
    assert {panel["by"] for panel in curves} == {"run"}
    assert "No run has recorded" not in page_client.get("/d/for-tonight").text

    with page_server.client() as client:
        other = client.post("/api/v1/runs/external", json={"name": "mine"}).json()["id"]
        client.post(f"/api/v1/runs/{other}/metrics", json={"step": [1], "values": {"reward": [0.5]}})
    page_client.post("/dashboards", data={"name": "Others", "runs": other})
    (panel,) = page_client.get("/api/v1/dashboards/others").json()["content"]["panels"]
    assert panel["metric"] == "reward"


PICTURES = """![a *plot*](https://evil.example/pixel.png "t")
![](//evil.example/b.png) ![here](/static/x.png) [![in a link](http://evil.example/c.png)](https://a.example)
![own](data:image/png;base64,iVBORw0KGgo=) ![ref]

[ref]: https://evil.example/d.png
"""


def test_no_page_fetches_a_picture_of_another_host(page_client: httpx.Client) -> None:
    content = {"panels": [{"id": "p", "kind": "prose", "text": PICTURES}]}
    slug = page_client.post("/api/v1/dashboards", json={"name": "Pictures", "content": content}).json()[
        "slug"
    ]
    for path in (f"/d/{slug}", f"/d/{slug}/export.html"):
        html = page_client.get(path).text
        assert re.findall(r'<img[^>]*src="([^"]*)', html) == ["data:image/png;base64,iVBORw0KGgo="]
        for address in (
            "https://evil.example/pixel.png",
            "//evil.example/b.png",
            "https://evil.example/d.png",
        ):
            assert f'<a href="{address}">' in html


def test_an_export_forbids_the_browser_to_fetch_anything(page_client: httpx.Client, board: str) -> None:
    html = page_client.get(f"/d/{board}/export.html").text
    head = html[: html.index("</head>")]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', head)
    assert policy
    assert policy[1].startswith("default-src 'none'; ")
    assert head.index("Content-Security-Policy") < head.index("<style>")
    assert not re.search(r"https?://|//", policy[1])
    assert "<script" not in html


def test_an_expression_is_a_panel_of_curves_in_every_form(
    page_client: httpx.Client, board: str, ids: list[str]
) -> None:
    text = "accuracy/token - accuracy/exact"
    page = page_client.get(f"/d/{board}").text
    panel = page[page.index('data-id="gap"') :]
    assert panel[: panel.index("</section>")].count('class="smooth"') == 2
    assert "Did you mean &#39;accuracy/exact&#39;" in page

    figures = page_client.get(f"/d/{board}/figures", params={"panel": ["gap", "typo"]}).json()["figures"]
    assert set(figures) == {"gap"}
    assert figures["gap"]["runs"] == ids

    share = page_client.post(f"/api/v1/dashboards/{board}/shares").json()["url"].partition("/s/")[2]
    lines = page_client.get(f"/s/{share}/series.csv", params={"names": f'"{text}"'}).text.splitlines()
    assert lines[0] == f"run,step,wall_time,{text}"
    assert len(lines) == 1 + 2 * 30


def test_a_scatter_is_shared_and_exported(page_client: httpx.Client, board: str, ids: list[str]) -> None:
    share = page_client.post(f"/api/v1/dashboards/{board}/shares").json()["url"].partition("/s/")[2]
    for address in (f"/d/{board}", f"/s/{share}", f"/d/{board}/export.html"):
        page = page_client.get(address).text
        assert "loss:min / 2 by seed: 2 runs" in page, address
    rows = page_client.get(f"/d/{board}/panels/dots.csv").text.splitlines()
    assert rows[0] == "run,name,configuration,seed,loss:min / 2,encoder"
    assert {row.split(",")[0] for row in rows[1:]} == set(ids)
