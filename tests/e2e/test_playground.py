"""The playground in a real browser: draw a task, ask a checkpoint, break the task, save it, open the link."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from backend.db.session import make_engine, session_scope
from backend.people import service as accounts
from tests.support.lab import StartedLab
from tests.support.processes import eventually
from tests.support.records.tiny_runs import tiny_raw


@pytest.fixture(scope="module")
def trained(lab: StartedLab) -> str:
    """Id of a run with a checkpoint, trained by the lab's own worker."""
    engine = make_engine(f"sqlite:///{lab.home / 'etrm.sqlite3'}")
    with session_scope(engine) as session:
        token = accounts.create_token(session, "playground")
    engine.dispose()
    with httpx.Client(base_url=lab.url, headers={"Authorization": f"Bearer {token}"}) as client:
        answer = client.post("/api/v1/runs", json=tiny_raw("etrm", 10))
        assert answer.status_code == 201, answer.text
        run_id = str(answer.json()["id"])
        eventually(
            lambda: client.get(f"/api/v1/runs/{run_id}").json()["status"] == "finished", "the training"
        )
    return run_id


def test_a_task_is_drawn_asked_broken_saved_and_opened_again(page: Page, trained: str) -> None:
    page.goto(f"/play?run={trained}")
    # Draw, by pointer and by keyboard.
    page.get_by_role("button", name="Edit test 1, input").click()
    page.get_by_role("radio", name="Colour 4").click()
    editor = page.get_by_role("application", name="Grid editor")
    editor.click(position={"x": 10, "y": 10})
    expect(page.locator("#editing")).to_have_text("Editing test 1, input")
    editor.press("ArrowRight")
    editor.press("5")
    editor.press("Space")
    page.get_by_text("Pick or paste a task").click()
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.locator("#paste textarea")).to_have_value(re.compile(r'"test":\[\{"input":\[\[4,5,0\]'))

    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(page.get_by_role("status").filter(has_text="Answered in")).to_be_visible()
    expect(page.get_by_role("heading", name="Candidates by votes")).to_be_visible()
    expect(page.get_by_role("slider", name="ACT step")).to_be_visible()
    link = page.url
    assert "/play/" in link
    expect(page.locator("#neighbours")).to_contain_text("training task")

    # Break it: each change is asked again by itself.
    page.get_by_role("checkbox", name="Show demonstration 2").uncheck()
    expect(page.locator("#moves-strip li")).to_have_count(2)
    expect(page.locator("#moves-strip li").nth(1)).to_contain_text("demonstration 2 left out")
    page.get_by_role("button", name="Swap demonstrations 1 and 2").click()
    expect(page.locator("#moves-strip li")).to_have_count(3)
    broken = page.url
    assert broken != link

    page.get_by_text("Save as a task").click()
    page.locator("#save").get_by_label("Name").fill("broken-one")
    page.get_by_role("button", name="Save task").click()
    expect(page.get_by_text("Saved broken-one in my-tasks.")).to_be_visible()
    page.goto("/tasks/my-tasks/broken-one")
    expect(page.locator(".puzzle-demos .pair")).to_have_count(2)

    page.goto(broken)
    expect(page.get_by_role("heading", name="Candidates by votes")).to_be_visible()
    expect(page.locator(".play-pair.is-left-out")).to_have_count(1)
