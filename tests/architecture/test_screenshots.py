"""No page is forgotten when pages are photographed."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.app import create_app
from backend.settings import Settings
from backend.web.routing import Route
from tests.support.screenshots.film import FILM, LARGEST
from tests.support.screenshots.guide import PICTURES, TOUR, tour
from tests.support.screenshots.pages import NO_PAGES, SHOTS, is_of_pages

HAVE_NO_EMPTY_STATE = {"/login", "/offline", "/api/docs", "/groups/{group_id}", "/studies/{study_id}"}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Addresses that a browser can open, as the application declares them."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("lab")))
    return {
        route.path
        for route in app.routes
        if isinstance(route, Route) and "GET" in route.methods and _is_seen(route)
    }


def _is_seen(route: Route) -> bool:
    """It belongs to the pages, or answers with HTML elsewhere."""
    answer = str(route.endpoint.__annotations__.get("return"))
    return is_of_pages(route) or "HTMLResponse" in answer


def test_every_page_is_photographed(routes: set[str]) -> None:
    assert "/runs/{run_id}" in routes
    assert routes - NO_PAGES.keys() - {shot.route for shot in SHOTS} == set()


def test_every_shot_is_of_a_page(routes: set[str]) -> None:
    assert {shot.route for shot in SHOTS if shot.answer == 200} - routes == set()
    assert NO_PAGES.keys() - routes == set()


def test_every_page_is_photographed_full_and_empty(routes: set[str]) -> None:
    empty = {shot.route for shot in SHOTS if shot.state == "empty"}
    full = {shot.route for shot in SHOTS if shot.state == "full"}
    assert full - {""} - empty == HAVE_NO_EMPTY_STATE


def test_every_picture_has_a_name_of_its_own() -> None:
    names = [(shot.name, shot.state) for shot in SHOTS]
    assert len(set(names)) == len(names)


def test_pictures_of_the_texts_are_among_the_shots() -> None:
    assert {each.shot for each in PICTURES} <= {shot.name for shot in SHOTS if shot.state == "full"}
    shown = {path.name for path in Path("docs/images").glob("*.png")}
    assert {FILM.name, *(each.file for each in PICTURES)} == shown


def test_the_tour_is_as_its_script_writes_it() -> None:
    assert TOUR.read_text() == tour()
    assert FILM.stat().st_size <= LARGEST
