"""Text that is no text is refused at the door, wherever it stands; nothing of the request is stored."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from backend.db.session import session_scope
from tests.web.test_bad_input_api import TASK, error

HALF, NUL, BELL, DEL, C1 = "cut \ud83d", "a\x00b", "a\x07", "a\x7f", "a\x9b31m"
RUN = "/api/v1/runs/{external}"


def refused(client: httpx.Client, method: str, path: str, body: Any, field: str) -> None:
    content = json.dumps(body)  # in ASCII, so that halves of pairs are escapes
    answer = client.request(
        method, path, content=content.encode(), headers={"Content-Type": "application/json"}
    )
    assert field in [each["field"] for each in error(answer, 422)["fields"]], answer.text


@pytest.mark.parametrize("bad", [HALF, NUL, BELL, DEL, C1, "\ude00\ud83d"])
@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PATCH", RUN, {"tags": ["good", "BAD"]}, "tags.1"),
        ("PATCH", RUN, {"name": "BAD"}, "name"),
        ("PATCH", RUN, {"notes": "BAD"}, "notes"),
        ("POST", "/api/v1/runs/tags", {"runs": ["{external}"], "add": ["BAD"]}, "add.0"),
        ("POST", "/api/v1/runs/external", {"name": "x", "config": {"a": [{"b": "BAD"}]}}, "config.a.0.b"),
        ("POST", "/api/v1/runs", {"preset": "quick", "name": "BAD"}, "name"),
        ("POST", f"{RUN}/metrics", {"step": [1], "values": {"loss": ["BAD"]}}, "values.loss.0"),
        ("POST", f"{RUN}/finish", {"status": "failed", "cause": "BAD"}, "cause"),
        ("POST", "/api/v1/dashboards", {"name": "BAD"}, "name"),
        ("PUT", "/api/v1/views/mine", {"query": "BAD"}, "query"),
        ("POST", "/api/v1/sets", {"name": "x", "tasks": {"id": TASK | {"note": "BAD"}}}, "tasks.id.note"),
        ("POST", "/api/v1/groups/preview", {"config": {"name": "BAD"}, "sweep": {}}, "config.name"),
        ("POST", "/api/v1/people", {"name": "BAD", "role": "viewer"}, "name"),
        ("POST", "/api/v1/tokens", {"name": "BAD"}, "name"),
    ],
)
def test_a_body_with_text_that_is_no_text_is_refused_by_its_field(
    client: httpx.Client, external: str, method: str, path: str, body: Any, field: str, bad: str
) -> None:
    filled = json.loads(json.dumps(body).replace("{external}", external).replace('"BAD"', json.dumps(bad)))
    refused(client, method, path.format(external=external), filled, field)
    run = client.get(RUN.format(external=external)).json()
    assert (run["name"], run["tags"], run["notes"], run["status"]) == ("mine", [], "", "running")


def test_keys_are_looked_at_as_well(client: httpx.Client, external: str) -> None:
    refused(client, "POST", "/api/v1/runs/external", {"name": "x", "config": {HALF: 1}}, "config.cut \\ud83d")
    body = {"step": [1], "values": {HALF: [1.0]}}
    refused(client, "POST", f"{RUN.format(external=external)}/metrics", body, "values.cut \\ud83d")


def test_bytes_that_are_half_of_a_pair_are_refused_by_their_field(
    client: httpx.Client, external: str
) -> None:
    raw = '{"tags": ["cut \ud83d"]}'.encode("utf-8", "surrogatepass")
    answer = client.patch(RUN.format(external=external), content=raw)
    assert [each["field"] for each in error(answer, 422)["fields"]] == ["tags.0"]


@pytest.mark.parametrize("blank", ["   ", "\u00a0\u2003", "\u200b\u200d", "\u2060\ufeff", "\u3164", "\u2800"])
def test_a_name_that_nobody_can_see_is_refused(client: httpx.Client, external: str, blank: str) -> None:
    run = RUN.format(external=external)
    refused(client, "PATCH", run, {"name": blank}, "name")
    refused(client, "PATCH", run, {"tags": [blank]}, "tags")
    refused(client, "POST", "/api/v1/runs/external", {"name": blank}, "name")
    refused(client, "POST", "/api/v1/dashboards", {"name": blank}, "name")
    metrics = {"step": [1], "values": {blank: [1.0]}}
    assert error(client.post(f"{run}/metrics", json=metrics), 422)["fields"][0]["field"].startswith("values")
    refused(client, "POST", "/api/v1/people", {"name": blank, "role": "viewer"}, "name")


def test_lines_are_taken_where_people_write_lines(client: httpx.Client, external: str) -> None:
    run = RUN.format(external=external)
    assert client.patch(run, json={"notes": "one\n\ttwo 🙂"}).status_code == 200
    refused(client, "PATCH", run, {"name": "one\ntwo"}, "name")
    made = client.post("/api/v1/runs/external", json={"name": "x", "config": {"prompt": "one\r\ntwo\t🙂"}})
    assert made.status_code == 201


@pytest.mark.parametrize("deep", [40, 400, 4_000, 40_000])
@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_json_nested_too_deeply_is_refused(client: httpx.Client, opening: str, deep: int) -> None:
    closing = "}" if opening[0] == "{" else "]"
    body = '{"name": "x", "config": {"a": ' + opening * deep + "1" + closing * deep + "}}"
    answer = client.post("/api/v1/runs/external", content=body, headers={"Content-Type": "application/json"})
    assert "nested too deeply" in error(answer, 422)["fields"][0]["message"]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "9" * 5000])
def test_a_number_that_json_or_a_float_does_not_have_is_refused(client: httpx.Client, number: str) -> None:
    body = f'{{"name": "x", "config": {{"a": [{number}]}}}}'
    answer = client.post("/api/v1/runs/external", content=body, headers={"Content-Type": "application/json"})
    assert [each["field"] for each in error(answer, 422)["fields"]] == ["config.a.0"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/runs?filter=%ED%A0%BD", "filter"),
        ("/api/v1/runs?filter=a%00", "filter"),
        ("/api/v1/runs?%07=a", "\x07"),
        ("/?filter=%C2%9B", "filter"),
        ("/api/v1/runs/%00", "path"),
        ("/runs/%ff", "path"),
        ("/static/x/css/tokens.css%00", "path"),
    ],
)
def test_an_address_with_text_that_is_no_text_is_refused(client: httpx.Client, path: str, field: str) -> None:
    assert [each["field"] for each in error(client.get(path), 422)["fields"]] == [field]


def test_forms_are_looked_at_as_well(client: httpx.Client) -> None:
    answer = client.post("/api/v1/sets", data={"name": "a\x00"}, files={"file": ("tasks.json", b"{}")})
    assert [each["field"] for each in error(answer, 422)["fields"]] == ["name"]
    answer = client.post("/dashboards", data={"name": "a\x07"})
    assert [each["field"] for each in error(answer, 422)["fields"]] == ["name"]
    broken = {"Content-Type": "multipart/form-data"}
    assert (
        "boundary"
        in error(client.post("/api/v1/sets", content=b"x", headers=broken), 422)["fields"][0]["message"]
    )


def test_what_an_older_release_stored_breaks_no_page(page_client: httpx.Client, page_db: Engine) -> None:
    made = page_client.post("/api/v1/runs/external", json={"name": "old", "config": {"a": 1}}).json()["id"]
    with session_scope(page_db) as session:
        session.execute(
            text("UPDATE run SET tags = :tags, config = :config WHERE id = :id"),
            {"id": made, "tags": '["cut \\ud83d"]', "config": '{"a\\udc00": "\\ud83d"}'},
        )
    for path in ("/", f"/runs/{made}", f"/compare?runs={made}", f"/api/v1/runs/{made}", "/api/v1/runs"):
        assert page_client.get(path).status_code == 200, path
    assert page_client.get(f"/api/v1/runs/{made}").json()["tags"] == ["cut \ufffd"]
    assert page_client.patch(f"/api/v1/runs/{made}", json={"tags": ["good"]}).status_code == 200
