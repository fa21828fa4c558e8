"""A sweep from the launch form to the page of its group, in a real browser and without a mouse."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.config.presets import quick
from backend.domain.sweeps import parse_sweep
from backend.groups import service as groups
from backend.lifecycle import service as runs
from backend.runs import group_queries
from backend.runs.group_tables import RunGroup
from tests.support.records.recorded import record_run

GROUP = re.compile(r"/groups/([a-z0-9]{10})$")


def test_two_seeds_of_two_values_are_typed_previewed_launched_and_cancelled(
    page: Page, database: Engine
) -> None:
    page.goto("/runs/new")
    page.locator("#section-training").get_by_label("Steps", exact=True).fill("100000")
    page.get_by_label("Number of seeds").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("2")
    expect(page.get_by_role("button", name="Launch 2 runs")).to_be_visible()

    page.get_by_role("button", name="Sweep a field").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("model.core.widht")
    page.keyboard.press("Tab")
    page.keyboard.type("64, 99999")
    row = page.get_by_role("group", name="Swept field")
    expect(row).to_contain_text("unknown field. Did you mean 'width'?")
    expect(row.get_by_label("Field", exact=True)).to_have_attribute("aria-invalid", "true")

    row.get_by_label("Field", exact=True).fill("model.core.width")
    expect(row).to_contain_text("value 2: must be at least 8 and at most 4096, not 99999.")
    page.get_by_role("button", name="Launch run").press("Enter")
    expect(row.get_by_label("Field", exact=True)).to_be_focused()
    assert page.url.endswith("/runs/new")

    row.get_by_label("Values").fill("64, 128")
    expect(row.get_by_label("Field", exact=True)).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#sweep-preview")).to_contain_text("quick · width 128 · seed 1")
    page.get_by_role("button", name="Launch 4 runs").press("Enter")

    page.wait_for_url(GROUP)
    page.get_by_role("link", name="Show runs").press("Enter")
    expect(page.locator("#group-line")).to_contain_text("quick · width · 2 seeds: 4 runs.")
    expect(page.locator("#rows tr")).to_have_count(4)
    page.get_by_role("link", name="Means and comparison over seeds").press("Enter")
    page.wait_for_url(GROUP)
    found = GROUP.search(page.url)
    assert found
    with session_scope(database) as session:
        assert [run.seed for run in groups.get(session, found[1]).runs] == [0, 1, 0, 1]

    page.get_by_role("button", name="unfinished").press("Enter")
    page.get_by_role("button", name="Cancel the runs").press("Enter")
    expect(page.locator(".group-facts")).to_contain_text("4 cancelled", timeout=300_000)
    expect(page.get_by_role("button", name="unfinished")).to_have_count(0)


def test_a_parameter_search_has_inputs_of_its_own_and_says_what_is_wrong(page: Page) -> None:
    page.goto("/runs/new")
    page.get_by_role("button", name="Sweep a field").click()
    row = page.get_by_role("group", name="Swept field")
    row.get_by_label("Field", exact=True).fill("optimisation.learning_rate")
    row.get_by_label("Values").fill("1e-4..1e-2:log")
    expect(page.get_by_label("Objective of the search")).to_be_hidden()
    page.locator("#section-sweep").get_by_role("radio", name="parameter search").check()
    expect(page.get_by_label("Number of draws")).to_be_hidden()

    page.get_by_label("Objective of the search").fill("accuracy/tokn")
    expect(page.locator("#sweep-objective-problem")).to_contain_text("did you mean 'accuracy/token'?")
    expect(page.get_by_label("Objective of the search")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Number of trials").fill("0")
    expect(page.locator("#sweep-trials-problem")).to_contain_text("not 0")


def test_a_removed_field_leaves_one_plain_run(page: Page) -> None:
    page.goto("/runs/new")
    page.get_by_role("button", name="Sweep a field").click()
    row = page.get_by_role("group", name="Swept field")
    row.get_by_label("Field", exact=True).fill("training.batch_size")
    row.get_by_label("Values").fill("8..16")
    expect(page.get_by_role("button", name="Launch 9 runs")).to_be_visible()
    page.locator("#section-sweep").get_by_role("radio", name="random").check()
    expect(page.get_by_text("is missing. Set the number of random draws.")).to_be_visible()
    page.get_by_label("Number of draws").fill("3")
    expect(page.get_by_role("button", name="Launch 3 runs")).to_be_visible()

    row.get_by_role("button", name="Remove this field").click()

    expect(page.get_by_role("button", name="Launch run")).to_be_visible()
    expect(page.get_by_label("Number of draws")).to_be_hidden()


def test_the_page_of_a_group_says_whether_one_configuration_is_better(page: Page, database: Engine) -> None:
    with session_scope(database) as session:
        group = RunGroup(
            id=runs.new_id(),
            name="encoders",
            sweep=parse_sweep({"seeds": 2}).model_dump(mode="json"),
            config=quick().model_dump(mode="json"),
            created_at=time.time(),
        )
        group_queries.add(session, group)
        group_id = group.id
    for preset in ("quick", "quick_etrm_iterative"):
        for seed in (0, 1):
            record_run(database, preset, seed=seed, points=5, tasks=6, group_id=group_id)

    page.goto(f"/groups/{group_id}")
    verdicts = page.locator("#verdicts")
    expect(verdicts.get_by_role("row", name="iterative")).to_contain_text("undecided")
    expect(verdicts.get_by_role("row", name="iterative")).to_contain_text("points")
    expect(page.get_by_text("Is one of these configurations better?")).to_be_hidden()

    verdicts.get_by_role("link", name="another baseline").click()
    expect(page.locator("#significance-part")).to_contain_text("undecided")
