"""Looking at predictions: the gallery, the task browser and a task's page, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from tests.support.records.recorded import record_run


@pytest.fixture(scope="module")
def evaluated(database: Engine) -> list[str]:
    """Two finished runs that answer the same forty test inputs."""
    return [record_run(database, points=4, tasks=40, seed=seed, name=f"seen {seed}") for seed in (0, 1)]


def test_the_gallery_is_filtered_walked_and_returned_to(page: Page, evaluated: list[str]) -> None:
    page.goto(f"/gallery?run={evaluated[0]}")
    cards = page.locator(".gallery-card")
    expect(page.locator("#gallery-body .facets")).to_contain_text("of 40 test inputs")

    page.get_by_label("First attempt").select_option("wrong size")
    expect(cards.first.locator(".status")).to_have_text("wrong size")
    assert "mode=wrong+size" in page.url
    page.locator(".facet", has_text="wrong size").click()  # again: all
    expect(page.get_by_label("First attempt")).to_have_value("")
    page.go_back()
    expect(page.get_by_label("First attempt")).to_have_value("wrong size")
    page.go_forward()
    expect(page.get_by_label("First attempt")).to_have_value("")

    for number in (24, 40):  # more come before the last is reached
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        expect(cards.nth(number - 1)).to_be_attached()
    expect(cards).to_have_count(40)
    cards.nth(30).focus()
    page.keyboard.press("j")
    expect(cards.nth(31)).to_be_focused()
    name = cards.nth(31).get_attribute("aria-label")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.findall(r"Task (\w+)", name or "")[0])

    page.go_back()
    expect(cards).to_have_count(40)  # as far down as before
    expect(cards.nth(31)).to_be_in_viewport()
    page.reload()
    expect(cards.nth(31)).to_be_in_viewport()

    page.keyboard.press("v")
    expect(page.locator(".gallery-table tbody tr.gallery-card").first).to_be_visible()
    assert "view=table" in page.url


def test_two_runs_stand_side_by_side_and_their_difference_is_found(page: Page, evaluated: list[str]) -> None:
    page.goto("/gallery")
    page.get_by_text("Side by side").click()
    options = page.get_by_label("Evaluation A").locator("option")
    values = {
        run: options.filter(has_text=run).first.get_attribute("value") or "" for run in ("seen 0", "seen 1")
    }
    page.get_by_label("Evaluation A").select_option(values["seen 1"])
    expect(page.get_by_label("Evaluation B")).to_be_visible()
    page.get_by_label("Evaluation B").select_option(values["seen 0"])
    card = page.locator(".gallery-card").first
    expect(card.locator(".answer-column")).to_have_count(2)

    page.get_by_label("Only where").select_option("both")
    expect(card.locator(".answer-column .status")).to_have_text(["correct", "correct"])
    page.get_by_label("Only where").select_option("a_only")
    expect(page.get_by_text("No matches")).to_be_visible()
    page.get_by_role("link", name="Show everything").click()
    expect(page.locator(".gallery-card").first).to_be_visible()


def test_a_puzzle_is_found_and_its_votes_are_looked_at(page: Page, evaluated: list[str]) -> None:
    page.goto("/tasks?set=arc-agi-1/evaluation&size=small")
    expect(page.locator(".tile img.grid[data-drawn]").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("0692e18c")
    expect(page.get_by_role("option").filter(has_text="0692e18c").first).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/**/0692e18c")

    runs = page.locator(".run-answer").filter(has_text="seen")
    expect(runs).to_have_count(2)
    runs.nth(1).get_by_role("link", name="Show votes").click()
    expect(page.locator("#votes")).to_contain_text(runs.nth(1).get_attribute("aria-label") or "")
    expect(page.locator(".candidate").first).to_contain_text("votes")
    expect(page.locator(".disagreement tbody tr")).to_have_count(8)
    expect(page.locator("#act")).to_contain_text("right from step 5 · wrong again from step 7")
    expect(page.get_by_role("img", name="Loss on the demonstrations by search step")).to_be_visible()
    page.get_by_label("ACT step", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#step-said")).to_have_text("step 6 of 8: right, halting probability 60 %")
    page.reload()
    expect(page.locator("#step-said")).to_contain_text("step 6 of 8")
    before = page.url
    page.locator("h2").first.click()
    page.keyboard.press("j")
    page.wait_for_url(re.compile(r"/tasks/arc-agi-1/evaluation/(?!0692e18c)"))
    page.keyboard.press("k")
    page.wait_for_url(before.partition("?")[0])
