"""A whole lab (`etrm up`) and a real browser, once for all tests in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine

from backend.db.session import make_engine
from tests.support.databases import SqliteFiles
from tests.support.lab import StartedLab
from tests.support.pages.browser import Complaints, chromium
from tests.support.records.furnished import Furnished, furnish, lab_without_worker

PATIENCE = 120_000  # milliseconds; only what never comes takes so long, and a busy machine is slow


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedLab]:
    lab = StartedLab(tmp_path_factory.mktemp("lab"), "--no-demo")
    yield lab
    lab.stop()


@pytest.fixture(scope="session")
def database(lab: StartedLab) -> Iterator[Engine]:
    """The lab's database, for a test that plays the worker."""
    engine = make_engine(f"sqlite:///{lab.home / 'etrm.sqlite3'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def session_file(lab: StartedLab, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cookies of a browser that opened the link of `etrm up`."""
    file = tmp_path_factory.mktemp("browser") / "cookies.json"
    context = browser.new_context()
    page = context.new_page()
    page.goto(lab.login_url)
    assert page.url == f"{lab.url}/"
    context.storage_state(path=file)
    context.close()
    return file


@pytest.fixture(scope="module")
def empty_lab(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Furnished]:
    """A lab without a run, a dashboard of one's own or a worker."""
    with lab_without_worker(tmp_path_factory.mktemp("empty"), sqlite_files.new()) as lab:
        yield lab


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Furnished]:
    """A lab in which every page has something to show; nothing pressed there starts a training."""
    folder = tmp_path_factory.mktemp("furnished")
    with lab_without_worker(folder, sqlite_files.new()) as lab:
        yield Furnished(lab.url, lab.engine, furnish(lab.engine, folder / "artifacts"))


@pytest.fixture
def context(lab: StartedLab, browser: Browser, session_file: Path) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=lab.url,
        storage_state=session_file,
        viewport={"width": 1440, "height": 900},
        service_workers="block",  # requests that a test holds up or answers itself must not pass one
    )
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not complain: no console error, no exception, no failed request."""
    page = context.new_page()
    complaints = Complaints(page)
    yield page
    assert complaints.found == []
