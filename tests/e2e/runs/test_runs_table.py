"""The table of runs by mouse and by keyboard: completion, columns, baseline, grouping, views, archive."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from tests.support.records.recorded import record_run

MINE = 'name contains "tabled"'


@pytest.fixture(scope="module")
def tabled(database: Engine) -> list[str]:
    """Two seeds of one experiment and one of another."""
    return [
        record_run(database, points=6, seed=0, name="tabled seed 0", tasks=4),
        record_run(database, points=6, seed=1, name="tabled seed 1", tasks=4),
        record_run(database, preset="quick_etrm_iterative", points=6, seed=0, name="tabled other"),
    ]


def test_a_view_is_made_by_keyboard_and_mouse_kept_and_restored(page: Page, tabled: list[str]) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("name con")
    expect(page.get_by_role("option")).to_have_text([re.compile("contains")])
    page.keyboard.press("Escape")
    page.keyboard.type('tains "tabled" and accur')
    expect(page.get_by_role("option").first).to_contain_text("accuracy/")
    page.keyboard.press("Escape")
    for _ in " and accur":
        page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(3)

    page.locator("#columns-menu summary").click()
    page.get_by_label("When").uncheck()
    page.locator("#new-column").press_sequentially("exact")
    page.locator("#columns-menu").get_by_role("option", name="accuracy/exact").click()
    page.locator("#new-column").press_sequentially(":max")
    page.locator("#columns-menu").get_by_role("button", name="Show").click()
    heading = page.get_by_role("columnheader", name="accuracy/exact max")
    expect(heading).to_be_visible()
    expect(page.get_by_role("columnheader", name="When")).to_have_count(0)
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")

    page.wait_for_load_state("load")  # keys mean something once the page's module runs
    page.locator(f"#run-{tabled[1]}").focus()
    page.keyboard.press("b")
    expect(page.locator(f"#baseline-{tabled[1]}")).to_be_visible()
    expect(page.locator(f"#run-{tabled[0]} .col-plain .delta")).to_have_text(re.compile(r"[+−±]"))
    expect(page.locator(f"#run-{tabled[2]} .col-pass .delta")).to_have_count(0)  # never evaluated

    page.wait_for_load_state("load")
    page.locator("#views-menu summary").click()
    page.get_by_label("Name of the view").fill("tabled ones")
    page.get_by_label("Name of the view").press("Enter")
    expect(page.locator("#views-menu summary")).to_have_text("Views 1")
    page.locator("#views-menu summary").click()
    expect(page.get_by_role("link", name="tabled ones")).to_have_attribute("aria-current", "true")

    address, shown = page.url, page.locator("#runs").inner_text()
    page.goto("/")
    page.locator("#views-menu summary").click()
    page.get_by_role("link", name="tabled ones").click()
    expect(heading).to_be_visible()
    assert page.locator("#runs").inner_text() == shown
    page.go_back()
    expect(heading).to_have_count(0)
    page.goto(address)
    assert page.locator("#runs").inner_text() == shown

    page.wait_for_load_state("load")
    page.locator("#views-menu summary").click()
    page.get_by_role("button", name="Delete the view tabled ones").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete view").click()
    expect(page.locator("#views-menu summary")).to_have_text("Views")


def test_runs_that_differ_in_their_seed_become_one_row(page: Page, tabled: list[str]) -> None:
    page.goto("/?" + f"filter={MINE}")
    page.get_by_role("button", name="Means over seeds").click()
    expect(page.locator("#rows tr")).to_have_count(2)
    both = page.locator("#rows tr", has_text="2 seeds")
    expect(both).to_contain_text("n=2")
    expect(both).to_contain_text(re.compile(r"% \[[\d.]+\sto\s[\d.]+\], n=2"))
    expect(both).to_contain_text(re.compile(r"\d of 8 tasks solved"))
    both.get_by_role("link").click()
    expect(page.locator("#filter")).to_have_value(re.compile("variation == "))
    for run in tabled[:2]:  # other tests' runs may be of the same variation
        expect(page.locator(f"#run-{run}")).to_be_visible()
    page.go_back()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/compare?runs=*by=seed")


def test_tags_and_notes_are_edited_in_the_row_and_runs_are_put_away(page: Page, tabled: list[str]) -> None:
    page.goto("/?" + f"filter={MINE}&sort=name")
    row = page.locator(f"#run-{tabled[2]}")
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(row.get_by_label("Tags, separated by commas")).to_be_focused()
    page.keyboard.type("keep, odd")
    page.keyboard.press("Tab")
    page.keyboard.type("jkx look again")
    page.keyboard.press("Control+Enter")
    expect(row.locator(".tag")).to_have_text(["keep", "odd"])
    expect(row).to_contain_text("jkx look again")
    row.hover()
    row.get_by_role("button", name="Edit tags and notes").click()
    row.get_by_label("Tags, separated by commas").fill("keep")
    row.get_by_role("button", name="Save").click()
    expect(row.locator(".tag")).to_have_text(["keep"])

    row.get_by_role("checkbox").check()
    page.locator("[data-bulk=archive]").click()
    expect(row).to_have_count(0)
    page.goto("/?" + f"filter=archived == true and {MINE}")
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("#rows tr.none")).to_be_visible()


def test_all_selected_runs_are_tagged_at_once(page: Page, database: Engine) -> None:
    for seed in range(3):
        record_run(database, points=2, seed=seed, name="to be tagged", tags=["kept"])
    page.goto('/?filter=name == "to be tagged"')
    page.locator("#pick-all").check()
    menu = page.locator("#tag-menu")
    menu.locator("summary").click()
    expect(page.locator("#bulk-tag")).to_be_focused()
    page.keyboard.type("seen")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Tagged 3 runs seen.")).to_be_visible()
    expect(page.locator("#rows tr", has_text="seen")).to_have_count(3)
    expect(page.locator("#selection-count")).to_have_text("3 selected")

    page.locator("#rows [data-pick]").first.uncheck()
    menu.locator("summary").click()
    page.locator("#bulk-tag").fill("kept")
    menu.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Removed kept from 2 runs.")).to_be_visible()
    expect(page.locator("#rows tr", has_text="kept")).to_have_count(1)


def test_after_not_in_the_values_of_the_name_are_offered(page: Page, tabled: list[str]) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("status no")
    page.get_by_role("option", name="not in").click()
    page.keyboard.type('"fin')
    page.get_by_role("option", name='"finished"').click()
    expect(page.locator("#filter")).to_have_value('status not in "finished" ')


def test_a_click_opens_a_run_and_shift_picks_a_range(page: Page, tabled: list[str]) -> None:
    page.goto("/?" + f"filter=archived in [true, false] and {MINE}&sort=name")
    boxes = page.locator("#rows [data-pick]")
    expect(boxes).to_have_count(3)
    page.wait_for_load_state("load")
    boxes.first.check()
    page.locator("#rows .col-status").last.click(modifiers=["Shift"])
    expect(page.locator("#selection-count")).to_have_text("3 selected")
    boxes.last.click(modifiers=["Shift"])
    expect(page.locator("#selection-count")).to_have_text("2 selected")

    row = page.locator(f"#run-{tabled[0]}")
    row.locator(".col-when").click()
    page.wait_for_url(f"**/runs/{tabled[0]}")


def test_a_word_alone_is_looked_for_in_names(page: Page, tabled: list[str]) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("tabled seed 1")
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.get_by_text("Runs with 'tabled' in their name.")).to_be_visible()


def test_a_run_is_renamed_on_its_page_and_its_id_copied(page: Page, database: Engine) -> None:
    run = record_run(database, points=3, name="nameles")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_have_value("nameles")
    dialog.get_by_label("Name").fill("nameless")
    dialog.get_by_label("Name").press("Enter")
    expect(page.get_by_role("heading", name="nameless")).to_be_visible()

    page.get_by_role("button", name=run).click()
    expect(page.locator("#toasts")).to_contain_text("Copied the run's id.")
    assert page.evaluate("navigator.clipboard.readText()") == run
