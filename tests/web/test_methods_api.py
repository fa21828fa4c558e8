"""HEAD, OPTIONS and `Allow` of every address, and what every answer of the API carries."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/runs",
        "/api/v1/runs/{external}",
        "/healthz",
        "/readyz",
        "/",
        "/login",
        "/api/openapi.json",
        "/runs/{external}",
    ],
)
def test_head_works_wherever_get_does(client: httpx.Client, external: str, path: str) -> None:
    path = path.format(external=external)
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/runs/{external}/events"])
def test_head_of_an_event_stream_ends(client: httpx.Client, external: str, path: str) -> None:
    assert client.head(path.format(external=external), timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/v1/runs", "GET, POST, HEAD, OPTIONS"),
        ("PUT", "/api/v1/runs/{external}", "GET, PATCH, DELETE, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("PATCH", "/login", "GET, POST, HEAD, OPTIONS"),
    ],
)
def test_a_refused_method_is_told_which_there_are(
    client: httpx.Client, external: str, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path.format(external=external))
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    asked = client.options(path.format(external=external))
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allow, b"")


def test_options_of_nothing_is_not_found(client: httpx.Client) -> None:
    assert client.options("/api/v1/nothing").status_code == 404


def test_nobody_keeps_an_answer_of_the_api(client: httpx.Client, external: str) -> None:
    for path in (
        "/api/v1/runs",
        f"/api/v1/runs/{external}",
        "/api/v1/nothing",
        "/api/openapi.json",
        "/healthz",
        "/readyz",
    ):
        assert client.get(path).headers["cache-control"] == "no-store", path
    assert client.get("/static/x/css/tokens.css").headers["cache-control"] == "no-cache"


def test_the_description_names_what_any_request_may_meet(client: httpx.Client) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            known = set(operation["responses"])
            assert {"403", "422", "429", "503"} <= known, (method, path)
            assert ("401" in known) == (path not in ("/healthz", "/readyz")), (method, path)
            assert "{" not in path or "404" in known, (method, path)
            assert "requestBody" not in operation or {"408", "413"} <= known, (method, path)
    assert paths["/healthz"]["get"]["security"] == []
