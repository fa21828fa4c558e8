"""What a lab answers: every reading address of the API, and of the pages what outlives other words."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx

NUMBER = re.compile(r"[−-]?\d[\d,\u202f]*(?:\.\d+)?")
SIZE = re.compile(r"[\d.,]+\s*(?:[kMGT]i?B|bytes?)\b")
PLACE = re.compile(r"^/(?:runs|groups|evaluations|tasks|d)/[^#?]+")
CELLS = ("td", "dd", "th")
CLOCKS = ("time", "script", "style", "template")  # what a later day, or a later build, shows otherwise
SERVERS_TOKEN = re.compile(r"test-\d+")  # made for the asking


def answers(client: httpx.Client, secret: str) -> dict[str, Any]:
    """Address -> answer: parsed JSON, the cells of a CSV file, or what `shown` says of a page."""
    found: dict[str, Any] = {}
    for address in _api(client):
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.text[:500]}"
        is_json = "json" in answer.headers["Content-Type"]
        found[address] = _without_own_token(answer.json()) if is_json else _table(answer.text)
    for address in _pages(client, secret):
        answer = client.get(address, headers={"Accept": "text/html"})
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
        found[f"page {address}"] = shown(answer.text)
    return found


def _ids(client: httpx.Client) -> list[str]:
    runs = client.get("/api/v1/runs", params={"filter": "created >= 0", "limit": 200}).json()["runs"]
    archived = client.get("/api/v1/runs", params={"filter": "archived == true"}).json()["runs"]
    return sorted(dict.fromkeys(run["id"] for run in [*runs, *archived]))


def _evaluations(client: httpx.Client) -> list[dict[str, Any]]:
    """All of them, by id: those that runs made at their end, and jobs."""
    of_runs = [client.get(f"/api/v1/runs/{run_id}").json()["results"] for run_id in _ids(client)]
    return sorted((each for results in of_runs for each in results), key=lambda each: int(each["id"]))


def _several(client: httpx.Client) -> str:
    """The finished runs that are trained here, oldest first, for a comparison."""
    asked = {"filter": 'status == "finished" and origin == "training"', "sort": "created", "limit": 12}
    return ",".join(run["id"] for run in client.get("/api/v1/runs", params=asked).json()["runs"])


def _api(client: httpx.Client) -> Iterator[str]:
    yield from (
        "/api/v1/runs?limit=200",
        "/api/v1/runs?filter=archived+%3D%3D+true",
        "/api/v1/runs?sort=-pass1&limit=200&metrics=loss",
        "/api/v1/runs?filter=accuracy%2Ftoken+%3E+0.5&sort=loss",
        "/api/v1/runs/export?format=json&columns=seed,pass1,loss,loss:min,group,verdict,alarm",
        "/api/v1/runs/export?format=csv",
        "/api/v1/groups",
        "/api/v1/dashboards",
        "/api/v1/evaluations?limit=200",
        "/api/v1/gallery?limit=48",
        "/api/v1/gallery?mode=nearly+right",
        "/api/v1/queue",
        "/api/v1/queue/wait",
        "/api/v1/workers",
        "/api/v1/views",
        "/api/v1/people",
        "/api/v1/tokens",
        "/api/v1/shares",
        "/api/v1/sets",
        "/api/v1/sets/mine/easy/tasks/one",
        "/api/v1/search?q=first",
        "/api/v1/duels",
    )
    for run_id in _ids(client):
        of_run = f"/api/v1/runs/{run_id}"
        yield from (of_run, f"{of_run}/health", f"{of_run}/log", f"{of_run}/history")
        yield from (f"{of_run}/checkpoints", f"{of_run}/evaluations", f"{of_run}/predictions?limit=4")
        yield (
            f"{of_run}/series?names=loss,accuracy/token" if _has_loss(client, run_id) else f"{of_run}/series"
        )
    for group in client.get("/api/v1/groups").json()["groups"]:
        yield f"/api/v1/groups/{group['id']}"
    for dashboard in client.get("/api/v1/dashboards").json():
        yield from (
            f"/api/v1/dashboards/{dashboard['slug']}",
            f"/api/v1/dashboards/{dashboard['slug']}/shares",
        )
    yield from _of_evaluations(client)
    several = _several(client)
    yield from (
        f"/api/v1/compare?runs={several}",
        f"/api/v1/compare/series?runs={several}&names=loss&max_points=10",
    )


def _has_loss(client: httpx.Client, run_id: str) -> bool:
    metrics = client.get(f"/api/v1/runs/{run_id}").json()["metrics"]
    return {"loss", "accuracy/token"} <= set(metrics)


def _of_evaluations(client: httpx.Client) -> Iterator[str]:
    evaluations = _evaluations(client)
    for each in evaluations:
        yield f"/api/v1/evaluations/{each['id']}"
    scored = [each["id"] for each in evaluations if each["status"] == "finished"]
    first, second, third = scored[:3]
    yield from (f"/api/v1/evaluations/compare?a={first}&b={each}" for each in (second, third))
    yield from (
        f"/api/v1/evaluations/{first}/tasks",
        f"/api/v1/evaluations/{first}/export?what=votes&format=csv",
    )
    yield f"/api/v1/evaluations/{first}/export?what=submission"
    yield f"/api/v1/gallery?evaluation={first}&evaluation={second}&change=differ"
    asked = client.get(f"/api/v1/evaluations/{first}/tasks").json()["test_inputs"][0]
    of_input = f"/api/v1/evaluations/{first}/tasks/{asked['task_id']}/{asked['test_index']}"
    yield from (f"{of_input}/votes", f"{of_input}/steps", f"{of_input}/search")


def _pages(client: httpx.Client, secret: str) -> Iterator[str]:
    several = _several(client)
    yield from (
        "/",
        "/?group=seed&sort=-pass1",
        "/?filter=archived+%3D%3D+true",
        f"/?baseline={several[:10]}",
    )
    yield from (f"/compare?runs={several}", f"/compare?runs={several}&by=seed", "/compare")
    for part in ("tasks", "significance"):
        yield from (f"/compare/{part}?runs={several}", f"/compare/{part}?runs={several}&by=seed")
    yield from (f"/runs/{run_id}" for run_id in _ids(client))
    yield from (f"/groups/{group['id']}" for group in client.get("/api/v1/groups").json()["groups"])
    yield from (f"/evaluations/{each['id']}" for each in _evaluations(client))
    yield from (f"/d/{each['slug']}" for each in client.get("/api/v1/dashboards").json())
    yield from (
        f"/s/{secret}",
        "/dashboards",
        "/gallery",
        "/gallery?view=table",
        "/queue",
        "/data",
        "/settings",
    )


def _table(text: str) -> list[list[Any]]:
    """The cells of a CSV file."""
    return [[_number(cell) for cell in row] for row in csv.reader(io.StringIO(text))]


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


def _without_own_token(answer: Any) -> Any:
    if isinstance(answer, list):
        return [
            each
            for each in answer
            if not (isinstance(each, dict) and SERVERS_TOKEN.fullmatch(str(each.get("name", ""))))
        ]
    return answer


def shown(html: str) -> dict[str, list[str]]:
    """The numbers in the cells of a page, and the runs, groups, evaluations and tasks that it leads to.

    Of sizes, which are those of the database's files as well, no number is taken.
    """
    reader = _Reader()
    reader.feed(html)
    return {"numbers": reader.numbers, "places": sorted(set(reader.places))}


class _Reader(HTMLParser):
    """Numbers inside cells, whatever the words around them; nothing inside `CLOCKS`."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[str] = []
        self.places: list[str] = []
        self._cells = self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._cells += tag in CELLS
        self._hidden += tag in CLOCKS
        place = PLACE.match(dict(attrs).get("href") or "") if tag == "a" else None
        if place:
            self.places.append(place[0])

    def handle_endtag(self, tag: str) -> None:
        self._cells -= tag in CELLS
        self._hidden -= tag in CLOCKS

    def handle_data(self, data: str) -> None:
        if self._cells > 0 and not self._hidden and not SERVERS_TOKEN.search(data):
            found = NUMBER.findall(SIZE.sub("", data))
            self.numbers += [re.sub(r"[,\u202f]", "", each).replace("−", "-") for each in found]
