"""Links to plays in a real browser: whatever has become of one, the page shows its answer or that it waits.
The worker is the test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine, select

from backend.db.session import reading_scope, session_scope
from backend.domain.play import PlayRequest, json_of, parse_play
from backend.playground import claims
from backend.playground import queries as rows
from backend.playground import service as plays
from backend.playground.claims import Claim
from backend.playground.pages import EXAMPLE
from backend.playground.tables import Play
from tests.support.pages import walk
from tests.support.pages.browser import Complaints
from tests.support.processes import eventually
from tests.support.records.furnished import Furnished
from tests.support.records.played import NEIGHBOURS, answer_to, take_play
from tests.support.records.recorded import record_run

REFUSED = "the server responded with a status of 404"  # to a question about a run that there is not


@pytest.fixture(scope="module")
def run(empty_lab: Furnished) -> str:
    """Id of a run with a checkpoint."""
    return record_run(empty_lab.engine)


@pytest.fixture
def page(browser: Browser, empty_lab: Furnished) -> Iterator[Page]:
    """A page that must not complain. Afterwards nothing waits for an answer."""
    page = walk.opened(browser, empty_lab)
    complaints = Complaints(page)
    yield page
    page.context.close()
    assert [each for each in complaints.found if REFUSED not in each] == []
    with session_scope(empty_lab.engine) as session:
        for play_id in session.scalars(select(Play.id)).all():
            claims.cancel(session, play_id)


def asked(run: str) -> PlayRequest:
    return parse_play({"task": json_of(EXAMPLE), "run": run})


def begun(engine: Engine, run: str) -> Claim:
    """A play that a worker has in hand."""
    with session_scope(engine) as session:
        plays.ask(session, asked(run))
        return take_play(session)


def taken(engine: Engine) -> Claim:
    """The play that has waited longest, in the hands of a worker."""
    with session_scope(engine) as session:
        return take_play(session)


def answer(engine: Engine, held: Claim) -> None:
    with session_scope(engine) as session:
        assert claims.finish(session, held, answer_to(EXAMPLE))


def known(engine: Engine) -> list[str]:
    """The statuses of all plays."""
    with reading_scope(engine) as session:
        return list(session.scalars(select(Play.status)))


def waiting(engine: Engine) -> int:
    """How many plays wait for an answer."""
    return sum(status in rows.WAITING for status in known(engine))


def test_a_link_to_a_play_that_waits_says_so_and_its_answer_is_not_lost(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    first = begun(empty_lab.engine, run)
    page.goto(f"/play/{first.play_id}")
    answers, status = page.locator("#answers"), page.locator("#status")
    expect(status).to_have_text("A worker is answering…")
    expect(answers).to_contain_text("The answer appears here")
    expect(answers).not_to_contain_text("Nothing asked yet")

    page.get_by_role("button", name="Ask the checkpoint").click()  # before the first has its answer
    expect(page).not_to_have_url(re.compile(first.play_id))
    expect(status).to_contain_text("no worker is online")
    answer(empty_lab.engine, first)
    expect(answers.get_by_role("heading", name="Candidates by votes")).to_be_visible()
    expect(status).to_contain_text("no worker is online")  # of the second

    answer(empty_lab.engine, taken(empty_lab.engine))
    expect(status).to_contain_text(re.compile("waited .*, had the checkpoint in memory, computed in 1.4"))
    expect(page.locator("#moves-strip li")).to_have_count(2)
    expect(page.locator("#moves-strip li").first).to_contain_text("as given")


def test_a_link_to_an_answer_shows_the_neighbours_that_come_after_it(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    held = begun(empty_lab.engine, run)
    with session_scope(empty_lab.engine) as session:
        claims.finish(session, held, answer_to(EXAMPLE, neighbours=None))
    page.goto(f"/play/{held.play_id}")
    expect(page.locator("#status")).to_contain_text("Answered in")
    expect(page.locator("#neighbours")).to_contain_text("Comparing the context")
    with session_scope(empty_lab.engine) as session:
        claims.add_neighbours(session, held.play_id, NEIGHBOURS)
    expect(page.locator("#neighbours")).to_contain_text("Of 256 training tasks")


def test_a_link_to_a_play_that_failed_or_was_cancelled_offers_to_ask_again(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    held = begun(empty_lab.engine, run)
    page.goto(f"/play/{held.play_id}")
    expect(page.locator("#status")).to_have_text("A worker is answering…")
    with session_scope(empty_lab.engine) as session:
        claims.fail(session, held, "Out of memory.")
    expect(page.locator("#status")).to_have_text("No answer: Out of memory.")
    expect(page.locator("#answers")).to_contain_text("Ask again")
    page.reload()
    expect(page.locator("#status")).to_have_text("No answer: Out of memory.")
    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(page.locator("#answers")).to_contain_text("The answer appears here")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled.")
    eventually(lambda: not waiting(empty_lab.engine), "the end of the waiting")


def test_each_refusal_takes_the_place_of_the_one_before_it(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    page.goto("/play?run=nosuchrun1")
    toasts = page.locator("#toasts .note")
    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(toasts.filter(has_text="was not asked")).to_contain_text("run 'nosuchrun1'")
    page.get_by_role("combobox", name="Run", exact=True).fill("nosuchrun2")
    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(toasts.filter(has_text="was not asked")).to_contain_text("run 'nosuchrun2'")
    expect(toasts.filter(has_text="was not asked")).to_have_count(1)
    page.get_by_role("combobox", name="Run", exact=True).fill(run)
    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(page.locator("#status")).to_contain_text("no worker is online")
    expect(toasts.filter(has_text="was not asked")).to_have_count(0)


def test_asking_twice_at_once_leaves_one_play_whose_answer_is_shown(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    before = len(known(empty_lab.engine))
    page.goto(f"/play?run={run}")
    page.get_by_role("button", name="Ask the checkpoint").dblclick()
    eventually(lambda: len(known(empty_lab.engine)) == before + 2, "the second play")
    assert waiting(empty_lab.engine) == 1
    answer(empty_lab.engine, taken(empty_lab.engine))
    expect(page.locator("#status")).to_contain_text("Answered in")


def test_a_change_before_the_answer_is_there_is_asked_in_its_place(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    before = len(known(empty_lab.engine))
    page.goto(f"/play?run={run}")
    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(page.locator("#status")).to_contain_text("no worker is online")
    page.get_by_role("checkbox", name="Show demonstration 2").uncheck()
    eventually(lambda: len(known(empty_lab.engine)) == before + 2, "the second play")
    assert waiting(empty_lab.engine) == 1
    held = taken(empty_lab.engine)
    with reading_scope(empty_lab.engine) as session:
        request = plays.get(session, held.play_id).request
    assert isinstance(request, PlayRequest)
    assert len(request.read_task().demonstrations) == len(EXAMPLE.demonstrations) - 1


def paste(page: Page, content: object) -> None:
    page.locator("#paste textarea").fill(json.dumps(content))
    page.get_by_role("button", name="Use this task").click()


def test_what_is_no_task_leaves_the_answers_where_they_are(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    page.goto(f"/play?run={run}")
    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(page.locator("#status")).to_contain_text("no worker is online")
    page.get_by_text("Pick or paste a task").click()
    toasts = page.locator("#toasts .note")
    for content in ({"one": "x"}, {"train": [None], "test": [None]}):
        paste(page, content)
        expect(toasts.filter(has_text="This is not one ARC task.")).to_have_count(1)
        toasts.get_by_role("button", name="Close").click()
    answer(empty_lab.engine, taken(empty_lab.engine))  # of the play that is still waited for
    expect(page.locator("#status")).to_contain_text("Answered in")
    paste(page, {"one": {"train": [{"input": [[1, 11]]}], "test": []}})
    page.get_by_role("checkbox", name="Show demonstration 2").uncheck()
    expect(page.locator("#status")).to_contain_text("no worker is online")  # asked again
    answer(empty_lab.engine, taken(empty_lab.engine))
    expect(page.locator("#moves-strip li")).to_have_count(2)


def test_undo_brings_back_the_name_by_which_a_model_knows_the_task(
    page: Page, empty_lab: Furnished, run: str
) -> None:
    page.goto(f"/play?run={run}")
    page.get_by_text("Pick or paste a task").click()
    page.get_by_text("Save as a task").click()
    name = page.locator("#save").get_by_label("Name")
    expect(name).to_have_value(EXAMPLE.id)
    paste(page, {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]]}]})
    expect(name).to_have_value("pasted")
    page.get_by_role("button", name="Undo").click()
    expect(name).to_have_value(EXAMPLE.id)
    page.get_by_role("button", name="Ask the checkpoint").click()
    expect(page.locator("#status")).to_contain_text("no worker is online")
    with reading_scope(empty_lab.engine) as session:
        (request,) = session.scalars(select(Play.request).where(Play.status == "queued"))
    assert (request["name"], request["task"]) == (EXAMPLE.id, json_of(EXAMPLE))


def test_a_demonstration_stays_however_the_others_go(page: Page, empty_lab: Furnished, run: str) -> None:
    page.goto(f"/play?run={run}")
    for number in (1, 2):
        page.get_by_role("checkbox", name=f"Show demonstration {number}").uncheck()
    page.get_by_role("button", name="Remove demonstration 3").click()
    expect(page.locator("#toasts .note")).to_contain_text("One demonstration has to stay.")
    expect(page.locator(".play-pair")).to_have_count(4)
    page.get_by_role("checkbox", name="Show demonstration 2").check()
    page.get_by_role("button", name="Remove demonstration 3").click()
    expect(page.locator(".play-pair")).to_have_count(3)
