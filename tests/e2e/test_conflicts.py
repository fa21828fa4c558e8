"""Two people write at once, in two browsers: each sees the other's text, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import Engine

from tests.support.pages.browser import Complaints
from tests.support.records.recorded import record_run


@pytest.fixture
def writing(context: BrowserContext) -> Iterator[Page]:
    """A page that complains of nothing but the conflict, which the browser writes down by itself."""
    page = context.new_page()
    complaints = Complaints(page)
    yield page
    assert all("409 (Conflict)" in each for each in complaints.found)


def test_notes_that_somebody_else_saved_are_shown_beside_mine(
    writing: Page, context: BrowserContext, database: Engine
) -> None:
    run = record_run(database, points=10, tasks=2, seed=1, name="written by two")
    address = f"/api/v1/runs/{run}"
    context.request.patch(address, data={"notes": "first", "tags": ["a"]})
    writing.goto("/")
    writing.locator(f"#run-{run}").focus()
    writing.keyboard.press("e")
    form = writing.locator(f"#run-{run} .row-form")
    form.get_by_label("Notes", exact=True).fill("mine")

    context.request.patch(address, data={"notes": "theirs", "tags": ["a", "b"]})
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("Somebody else changed this run")
    expect(form.get_by_label("Their notes")).to_have_value("theirs")
    expect(form.get_by_label("Notes", exact=True)).to_have_value("mine")
    assert context.request.get(address).json()["notes"] == "theirs"

    form.get_by_role("button", name="Keep both").click()
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    saved = context.request.get(address).json()
    assert (saved["notes"], saved["tags"]) == ("theirs\n\nmine", ["a", "b"])


def test_a_dashboard_that_somebody_else_saved_is_not_lost(writing: Page, context: BrowserContext) -> None:
    content = {"panels": [{"id": "words", "kind": "prose", "text": "first"}]}
    body = {"name": "Of two", "content": content}
    made = context.request.post("/api/v1/dashboards", data=body).json()
    address = f"/api/v1/dashboards/{made['slug']}"
    writing.goto(f"/d/{made['slug']}?edit=1")

    content["panels"][0]["text"] = "theirs"
    context.request.put(address, data=body | {"version": made["version"]})
    writing.locator(".is-prose [data-tool=change]").click()
    writing.locator("#panel-dialog [name=text]").fill("mine")
    writing.get_by_role("button", name="Save panel").click()
    dialog = writing.get_by_role("dialog", name="Somebody else saved this dashboard")
    expect(dialog.get_by_label("Text: theirs")).to_have_value("theirs")
    expect(dialog.get_by_label("Text: yours")).to_have_value("mine")
    dialog.get_by_role("button", name="Save mine as a copy").click()
    writing.wait_for_url("**/d/of-two-my-changes*")
    expect(writing.locator(".prose")).to_have_text("mine")
    texts = [
        context.request.get(f"/api/v1/dashboards/{slug}").json()["content"]["panels"][0]["text"]
        for slug in (made["slug"], "of-two-my-changes")
    ]
    assert texts == ["theirs", "mine"]
