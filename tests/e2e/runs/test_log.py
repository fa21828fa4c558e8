"""The *Log* tab: its search shows what the server finds, and lets go again."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import LogLine
from backend.runs import logs
from tests.support.records.recorded import record_run


def say(engine: Engine, run: str, level: str, text: str) -> None:
    with session_scope(engine) as session:
        logs.append(session, run, [LogLine(1.0, level, text)])  # type: ignore[arg-type]


def test_a_search_in_the_log_follows_what_is_typed_and_what_comes(page: Page, database: Engine) -> None:
    run = record_run(database, points=0)
    for number in range(300):  # more than the page holds at first
        say(database, run, "info", f"step {number}")
    say(database, run, "warning", "The GPU is <b>hot</b>")
    page.goto(f"/runs/{run}#log")
    search, found = page.locator("#log-search input"), page.locator("#log-found .log-line")
    search.fill("step 7")
    expect(found).to_have_count(11)
    expect(page.locator("#log-count")).to_have_text("11 lines")
    expect(page.locator("#log-lines")).to_be_hidden()
    expect(found.first.locator("mark")).to_have_text("step 7")
    say(database, run, "info", "step 7000")
    page.reload()
    expect(page.locator("#log-lines .log-line").last).to_have_text(re.compile("step 7000"))
    search.fill("STEP 7")
    expect(found).to_have_count(12)
    search.fill("")
    page.get_by_label("Lines at least as grave").select_option("warning")
    expect(found).to_have_count(1)
    expect(found.locator("span")).to_have_text("The GPU is <b>hot</b>")
    search.fill("nothing like it")
    expect(page.locator("#log-empty")).to_have_text("No line like that.")
    page.get_by_label("Lines at least as grave").select_option("info")
    search.fill("")
    expect(page.locator("#log-lines .log-line").last).to_be_visible()
    expect(page.locator("#log-found")).to_be_hidden()
