"""NaN as a value, names that mean something else too, every point in a file, and parts that break alone."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from tests.support.web import WebServer


def logged(client: httpx.Client, name: str, values: dict[str, list[Any]], **more: Any) -> str:
    run_id = str(client.post("/api/v1/runs/external", json={"name": name}).json()["id"])
    if values:
        steps = list(range(len(next(iter(values.values())))))
        answer = client.post(f"/api/v1/runs/{run_id}/metrics", json={"step": steps, "values": values, **more})
        assert answer.status_code == 200, answer.text
    return run_id


def listed(client: httpx.Client, filter_text: str, **query: str) -> list[str]:
    answer = client.get("/api/v1/runs", params={"filter": filter_text, **query})
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()["runs"]]


def test_nan_is_a_value_and_not_missing(page_client: httpx.Client) -> None:
    nan = logged(page_client, "nan", {"loss": [1.0, "NaN"]})
    infinite = logged(page_client, "infinite", {"loss": [1.0, "Infinity"]})
    one = logged(page_client, "one", {"loss": [1.0]})
    none = logged(page_client, "none", {"own": [1.0]})
    ids = ", ".join(f'"{each}"' for each in (nan, infinite, one, none))

    def found(condition: str) -> set[str]:
        return set(listed(page_client, f"id in ({ids}) and {condition}"))

    assert found("loss == null") == {none}
    assert found("loss == NaN") == found('loss == "NaN"') == {nan}
    assert found("loss > 0") == {infinite, one}
    assert found("loss == Infinity") == {infinite}
    for sort, order in (("loss", [one, infinite, nan, none]), ("-loss", [infinite, one, nan, none])):
        assert listed(page_client, f"id in ({ids})", sort=sort) == order
    run = page_client.get(f"/api/v1/runs/{nan}").json()
    assert run["metrics"]["loss"] == {"last": "NaN", "min": 1.0, "max": 1.0, "step": 1}
    asked = {"filter": f"id in ({ids})", "columns": "loss", "sort": "loss"}
    lines = page_client.get("/api/v1/runs/export", params=asked | {"format": "json"}).json()
    assert [line["loss"] for line in lines] == [1.0, "Infinity", "NaN", None]
    csv = page_client.get("/api/v1/runs/export", params=asked).text
    assert ",NaN," in csv
    assert ",Infinity," in csv
    table = page_client.get("/", params={"filter": f'id in ("{nan}")', "column": "loss"}).text
    assert ">NaN<" in table
    assert (
        ">NaN, n=1<"
        in page_client.get("/", params={"filter": f'id == "{nan}"', "column": "loss", "group": "seed"}).text
    )


def test_a_chart_s_csv_has_every_point(page_client: httpx.Client) -> None:
    points = 150_000
    run_id = logged(page_client, "long", {"loss": [float(at % 7) for at in range(points)]})
    asked = {"runs": run_id, "names": '"loss"'}
    lines = page_client.get("/api/v1/compare/series/export", params=asked).text.splitlines()
    assert lines[0] == "run,step,wall_time,loss"
    assert len(lines) == points + 1


def test_a_file_of_curves_says_nan_and_what_is_missing(page_client: httpx.Client) -> None:
    values = {"loss": [1.0, "NaN", "-Infinity"], "own": [None, 2.0, None]}
    run_id = logged(page_client, "odd", values, wall_time=[10.0, 5.0, 7.0])
    asked = {"runs": run_id, "names": "loss,own"}
    rows = page_client.get("/api/v1/compare/series/export", params=asked).text.splitlines()[1:]
    assert [row.split(",", 2)[2] for row in rows] == ["10.0,1.0,", "5.0,NaN,2.0", "7.0,-Infinity,"]


@pytest.mark.parametrize(
    "name", ["step", "seed", "status", "training.steps", "loss:max", "accuracy", 'a "b" c']
)
def test_a_metric_can_be_asked_for_whatever_else_its_name_means(page_client: httpx.Client, name: str) -> None:
    run_id = logged(page_client, "named", {name: [41.5, 42.5]})
    asked = f"metric({json.dumps(name)})"
    assert listed(page_client, f'id == "{run_id}" and {asked} > 42') == [run_id]
    assert listed(page_client, f'id == "{run_id}" and {asked}:min < 42') == [run_id]
    lines = page_client.get(
        "/api/v1/runs/export", params={"filter": f'id == "{run_id}"', "columns": asked, "format": "json"}
    ).json()
    assert lines[0][asked] == 42.5
    page = page_client.get("/", params={"filter": f'id == "{run_id}"', "column": asked, "sort": f"-{asked}"})
    assert page.status_code == 200
    assert ">42.5<" in page.text
    names = [each["name"] for each in page_client.get("/api/v1/runs/names").json()]
    assert asked in names or name in names
    assert (
        page_client.get(f"/api/v1/runs/{run_id}/series", params={"names": json.dumps(name)}).status_code
        == 200
    )


@pytest.mark.parametrize("name", [" loss", "loss ", "", "a,b", "a`b", "a\nb"])
def test_a_name_that_nothing_can_ask_for_is_refused_by_its_field(
    page_client: httpx.Client, name: str
) -> None:
    run_id = logged(page_client, "refused", {})
    body = {"step": [1], "values": {name: [1.0]}}
    answer = page_client.post(
        f"/api/v1/runs/{run_id}/metrics", json=body, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"][0]["field"].startswith("values")


def test_a_chart_that_breaks_shows_its_error_in_its_place(page_client: httpx.Client, page_db: Engine) -> None:
    run_id = logged(page_client, "broken", {"loss": [1.0, 2.0], "own": [1.0, 2.0]})
    content = {
        "source": {"runs": [run_id]},
        "panels": [{"id": name, "kind": "curves", "metric": name, "by": "run"} for name in ("loss", "own")],
    }
    slug = page_client.post("/api/v1/dashboards", json={"name": "Broken", "content": content}).json()["slug"]
    share = page_client.post(f"/api/v1/dashboards/{slug}/shares", json={}).json()["url"]
    with page_db.begin() as connection:
        broken = text(
            "update series_segment set points = :points where series_id in "
            "(select id from series where run_id = :run and name = 'loss')"
        )
        connection.execute(broken, {"points": b"\x00", "run": run_id})

    for address in (
        f"/runs/{run_id}",
        f"/compare?runs={run_id}",
        f"/d/{slug}",
        share,
        f"/d/{slug}/export.html",
    ):
        page = page_client.get(address)
        assert page.status_code == 200, address
        assert re.search(r"Could not show chart &#39;[^&]+&#39; \(error [0-9a-f]{8}\)", page.text), address
        assert page.text.count('class="smooth"') == 1, address  # the other one is drawn
    figures = page_client.get(f"/runs/{run_id}/figures?panel=loss&panel=other-own").json()["figures"]
    assert "problem" in figures["loss"]
    assert "data" in figures["other-own"]
    assert page_client.get("/").status_code == 200


def test_a_run_that_cannot_be_read_is_a_row_that_says_so(
    page_server: WebServer, page_client: httpx.Client, page_db: Engine
) -> None:
    run_id = logged(page_client, "unreadable", {"loss": [1.0]})
    with page_db.begin() as connection:
        connection.execute(text("update run set tags = '3' where id = :run"), {"run": run_id})

    page = page_client.get("/")
    assert page.status_code == 200
    trace = re.search(rf"Could not show run {run_id} \(error ([0-9a-f]{{8}})\)", page.text)
    assert trace
    assert f"error {trace[1]}: could not show run {run_id}" in page_server.log.read_text()
    answer = page_client.get("/api/v1/runs")
    assert answer.status_code == 200
    assert any(run["problem"] for run in answer.json()["runs"])
    assert page_client.get(f"/runs/{run_id}").status_code == 200
    assert page_client.get("/?group=seed").status_code == 200
    tagged = page_client.get("/", params={"filter": 'tag == "x" or name == "unreadable"', "column": "tag"})
    assert tagged.status_code == 200
    assert "unreadable" in tagged.text
    page_client.post(f"/api/v1/runs/{run_id}/finish", json={})
    page_client.delete(f"/api/v1/runs/{run_id}")


def test_a_row_that_cannot_be_drawn_says_so() -> None:
    from backend.web.rendering import shielded_html

    def fail(*_: object) -> Any:
        raise ValueError("<b>")

    row = shielded_html("row", "run <x>", fail, 1)
    assert row.startswith('<tr class="is-broken">')
    assert "Could not show run &lt;x&gt; (error " in row
