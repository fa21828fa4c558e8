"""The list of pages is complete, and what is made of it agrees with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Match

from backend.app import create_app
from backend.settings import Settings
from backend.web import pages
from backend.web.pages import NAVIGATION, PAGES, Page
from backend.web.routing import Route
from tests.support.screenshots.pages import NO_PAGES, is_of_pages

ROOT = Path(__file__).parents[2]
STATIC_PAGES = [page for page in PAGES if page.is_static and page.module]


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    """The routes of the pages in the order in which they are tried."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("lab")))
    return [each for each in app.routes if isinstance(each, Route) and is_of_pages(each)]


def test_every_address_of_the_pages_is_a_page_or_a_part_of_one(routes: list[Route]) -> None:
    seen = {each.path for each in routes if "GET" in each.methods}
    assert seen - NO_PAGES.keys() == {page.path for page in PAGES if page.module}


@pytest.mark.parametrize("page", STATIC_PAGES, ids=lambda page: page.name)
def test_a_page_is_reached_by_its_own_route(routes: list[Route], page: Page) -> None:
    scope = {"type": "http", "method": "GET", "path": page.path, "root_path": ""}
    first = next(each for each in routes if each.matches(scope)[0] is Match.FULL)
    assert first.path == page.path


def test_pages_are_told_apart() -> None:
    for of in ("name", "path", "title"):
        assert len({getattr(page, of) for page in PAGES}) == len(PAGES)


def test_an_icon_of_the_navigation_exists() -> None:
    symbols = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "frontend/static/icons.svg").read_text()))
    assert {page.icon for page in NAVIGATION} <= symbols


@pytest.mark.parametrize("page", NAVIGATION, ids=lambda page: page.name)
def test_every_page_of_the_navigation_is_found_by_its_title(page: Page) -> None:
    assert page in pages.search(page.title.upper())


def test_a_page_about_one_thing_is_not_found_without_it() -> None:
    assert [page.name for page in pages.search("dashboard")] == ["dashboards"]


def test_the_readme_lists_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    table = "\n".join(f"| {page.title} `{page.address}` | {page.about} |" for page in PAGES)
    assert table in readme, f"README's table of pages should be:\n{table}"
