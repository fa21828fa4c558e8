"""Who may use which address: declared by its route, whatever the names in the address are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from backend.app import create_app
from backend.settings import Settings
from backend.web.routing import EDITOR, METHODS, OPEN, VIEWER, Access, Addresses, Router, needs
from tests.support.web import WebServer

GOLDEN = Path(__file__).parents[1] / "golden/access.txt"
# Names that people may choose, and that are words of ours elsewhere in addresses.
HOSTILE = [
    "preview",
    "validate",
    "check",
    "storage",
    "login",
    "healthz",
    "readyz",
    "static",
    "s",
    "..",
    "%2e%2e",
    "a%2Fpreview",
]
OWN = (  # of who asks
    "/logout",
    "/api/v1/logout",
    "/api/v1/sessions",
    "/api/v1/sessions/{session_id}",
    "/api/v1/subscriptions",
    "/api/v1/subscriptions/{subscription_id}",
    "/api/v1/subscriptions/{subscription_id}/test",
)
ASKING = ("/config/validate", "/groups/preview", "/sets/check", "/runs/new/preview", "/studies/preview")


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Access]:
    """What each method of each path takes."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("lab")))
    found: dict[tuple[str, str], Access] = {}
    for each in iter_route_contexts(app.routes):
        for method in sorted((each.methods or set()) - {"HEAD"}):
            found[method, str(each.path)] = app.state.addresses.access(method, filled(str(each.path), "x9"))
    return found


def filled(path: str, name: str) -> str:
    return re.sub(r"\{[^}]+\}", name, path)


def test_what_each_address_takes_is_as_agreed(declared: dict[tuple[str, str], Access]) -> None:
    lines = sorted(f"{access:6} {method:6} {path}" for (method, path), access in declared.items())
    assert "\n".join(lines) + "\n" == GOLDEN.read_text(), f"a change of access belongs into {GOLDEN.name}"


@pytest.fixture(scope="module")
def people(server: WebServer) -> Iterator[dict[str, httpx.Client]]:
    """A stranger, and a person of each role."""
    clients = {"stranger": server.stranger()}
    with server.client() as owner:
        for role in ("viewer", "editor"):
            made = owner.post("/api/v1/people", json={"name": f"the {role}", "role": role})
            assert made.status_code == 201, made.text
            token = owner.post("/api/v1/tokens", json={"name": f"of the {role}", "person": f"the {role}"})
            headers = {"Authorization": f"Bearer {token.json()['secret']}"}
            clients[role] = server.stranger(headers=headers)
    yield clients
    for client in clients.values():
        client.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_stranger_reaches_only_what_is_open(
    declared: dict[tuple[str, str], Access], people: dict[str, httpx.Client], name: str
) -> None:
    for (method, path), access in declared.items():
        if access != OPEN and "{" in path:
            answer = people["stranger"].request(method, filled(path, name))
            assert answer.status_code == 401, f"{method} {answer.request.url}"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_viewer_changes_nothing_by_any_name(
    declared: dict[tuple[str, str], Access], people: dict[str, httpx.Client], name: str
) -> None:
    paths = {path for _, path in declared if "{" in path and not path.startswith(("/s/", "/static/"))}
    for path in sorted(paths):
        for method in set(METHODS) - {"GET"}:
            address = filled(path, name)
            if path in OWN or (method == "POST" and address.endswith(ASKING)):
                continue
            answer = people["viewer"].request(method, address, json={})
            assert answer.status_code in (403, 404, 405), f"{method} {answer.request.url}: {answer.text}"
            if (method, path) in declared and name.isalpha():
                assert answer.status_code == 403, f"{method} {answer.request.url}"


def test_an_editor_reaches_nothing_of_admins(
    declared: dict[tuple[str, str], Access], people: dict[str, httpx.Client]
) -> None:
    of_admins = [each for each, access in declared.items() if access == "admin"]
    assert of_admins
    for method, path in of_admins:
        for name in HOSTILE:
            answer = people["editor"].request(method, filled(path, name), json={})
            assert answer.status_code in (403, 404), f"{method} {answer.request.url}"
            if name.isalpha():
                assert answer.status_code == 403, f"{method} {answer.request.url}"


def test_a_viewer_may_ask_what_changes_nothing(
    declared: dict[tuple[str, str], Access], people: dict[str, httpx.Client]
) -> None:
    asking = [
        path
        for (method, path), access in declared.items()
        if method == "POST" and access == VIEWER and path not in OWN
    ]
    assert sorted(asking) == sorted(path for path in asking if path.endswith(ASKING))
    for path in asking:
        assert people["viewer"].post(path, json={}).status_code not in (401, 403), path


def test_a_route_that_does_not_say_who_may_use_it_is_not_registered() -> None:
    router = Router(reads=VIEWER)
    router.get("/read")(lambda: None)
    with pytest.raises(TypeError, match="POST /write does not say who may use it"):
        router.post("/write")(lambda: None)
    router.post("/ask")(needs(VIEWER)(lambda: None))

    app, plain = FastAPI(openapi_url=None), APIRouter()
    app.router.routes += router.routes
    assert Addresses(app.routes).access("POST", "/ask") == VIEWER
    plain.get("/forgotten")(lambda: None)
    app.include_router(plain, prefix="/api")
    with pytest.raises(TypeError, match="/forgotten does not say who may use it"):
        Addresses(app.routes)


@pytest.mark.parametrize(
    "route",
    [
        Mount("/mounted", app=FastAPI()),
        WebSocketRoute("/socket", lambda socket: None),
        Route("/traced", lambda request: None, methods=["TRACE"]),
        Route("/plain", lambda request: None, methods=["POST"]),
    ],
    ids=["mount", "socket", "TRACE", "plain route"],
)
def test_what_nothing_would_guard_is_not_served(route: BaseRoute) -> None:
    with pytest.raises(TypeError, match=r"nothing would guard it|does not say who may use it"):
        Addresses([route])


def test_the_route_that_answers_decides() -> None:
    router = Router(reads=VIEWER, writes=EDITOR)
    router.post("/things/preview")(needs(VIEWER)(lambda: None))
    router.put("/things/{name:path}")(lambda: None)
    router.get("/open/{name}")(needs(OPEN)(lambda: None))
    app = FastAPI(openapi_url=None)
    app.router.routes += router.routes
    addresses = Addresses(app.routes)
    assert addresses.access("POST", "/things/preview") == VIEWER
    assert addresses.access("PUT", "/things/preview") == EDITOR
    assert addresses.access("HEAD", "/open/x") == addresses.access("OPTIONS", "/open/x") == OPEN
    assert addresses.access("GET", "/open/x/y") == addresses.access("BREW", "/things/x") == VIEWER
    assert addresses.access("BREW", "/open/x") == OPEN  # and the router says that there is no such method
