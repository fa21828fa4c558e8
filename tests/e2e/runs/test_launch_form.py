"""The launch form in a real browser: wrong input, kinds, JSON beside it, clones, no script."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.config.presets import quick
from backend.lifecycle import service as runs
from tests.support.lab import StartedLab
from tests.support.records.recorded import record_run

RUN = re.compile(r"/runs/[a-z0-9]{10}$")


def test_wrong_input_is_told_beside_its_field_when_one_leaves_it(page: Page) -> None:
    page.goto("/runs/new")
    heads = page.get_by_label("Heads", exact=True).locator("visible=true")

    heads.fill("0")
    heads.press("Tab")

    problem = page.locator("[id='etrm-model.core.heads-problem']")
    expect(problem).to_have_text("must be at least 1 and at most 64, not 0.")
    expect(heads).to_have_attribute("aria-invalid", "true")
    expect(heads).to_have_value("0")
    heads.fill("4")
    heads.press("Tab")
    expect(problem).to_be_hidden()


def test_a_refused_launch_goes_to_the_first_wrong_field_and_loses_nothing(page: Page) -> None:
    page.goto("/runs/new")
    page.get_by_label("Name", exact=True).fill("kept")
    page.locator("#section-training").get_by_text("Advanced").click()
    steps = page.locator("#section-training").get_by_label("Steps", exact=True)
    steps.fill("many")
    page.locator("#section-optimisation").get_by_label("Learning rate", exact=True).fill("3")

    page.get_by_role("button", name="Launch run").click()

    expect(page.locator("#section-optimisation").get_by_label("Learning rate", exact=True)).to_be_focused()
    expect(page.locator("#problems")).to_contain_text("2 problems")
    expect(steps).to_have_value("many")
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
    assert page.url.endswith("/runs/new")


def test_another_kind_swaps_its_fields(page: Page) -> None:
    page.goto("/runs/new")
    expect(page.get_by_text("Re-encode every ACT step")).to_be_visible()

    page.get_by_role("radio", name="TRM: one learned").check()

    expect(page.get_by_text("Re-encode every ACT step")).to_be_hidden()
    expect(page.locator("#changes")).to_contain_text("model.kind")
    page.get_by_text("JSON", exact=True).first.click()
    written = json.loads(page.locator("#config-json").input_value())
    assert (written["model"]["kind"], written["model"]["embedding_width"]) == ("trm", 512)


def test_the_tasks_left_to_train_on_are_counted_as_one_types(page: Page) -> None:
    page.goto("/runs/new")
    counted = page.locator("#training-tasks")
    expect(counted).to_have_text("Trains on 32 tasks.")
    few = page.locator("#section-data").get_by_label("First n tasks", exact=True)

    few.fill("")
    few.press("Tab")

    expect(counted).to_contain_text("of 400 tasks: 2 left out as overlapping the evaluation, ")
    expect(counted).to_contain_text("fitting no canvas.")
    expect(counted).to_have_class(re.compile("is-warning"))


def test_the_json_beside_the_form_says_the_same_both_ways(page: Page) -> None:
    page.goto("/runs/new")
    page.get_by_label("Seed", exact=True).fill("11")
    page.get_by_text("JSON", exact=True).first.click()
    area = page.locator("#config-json")
    config = json.loads(area.input_value())
    assert config["seed"] == 11

    config["training"]["stpes"] = 5
    area.fill(json.dumps(config))
    expect(page.locator("#problems")).to_contain_text("Did you mean 'steps'?")

    del config["training"]["stpes"]
    config["training"]["steps"] = 77
    config["model"] = {"kind": "trm"}
    area.fill(json.dumps(config))
    expect(page.locator("#problems")).to_be_hidden()
    page.locator(".modes").get_by_text("Form", exact=True).click()
    expect(page.locator("#section-training").get_by_label("Steps", exact=True)).to_have_value("77")
    expect(page.get_by_role("radio", name="TRM: one learned")).to_be_checked()


def test_a_clone_is_launched_from_its_parent(page: Page, database: Engine) -> None:
    parent = record_run(database, points=5, seed=4, name="the parent")
    page.goto(f"/runs/{parent}")
    page.get_by_role("link", name="Clone").first.click()

    page.get_by_label("Seed", exact=True).fill("5")
    page.locator("#section-training").get_by_label("Steps", exact=True).fill("100000")
    expect(page.locator("#changes")).to_contain_text("training.steps")
    page.get_by_role("button", name="Launch run").click()

    page.wait_for_url(RUN)
    head = page.locator("#run-head")
    expect(head).to_contain_text("cloned from the parent")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    expect(head).to_contain_text("cancelled by the user", timeout=300_000)
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def test_a_set_can_be_added_and_is_completed_from_the_known_ones(page: Page) -> None:
    page.goto("/runs/new")
    page.get_by_role("button", name="Add a set").click()
    page.get_by_label("Set", exact=True).last.fill("arc-agi-2/evaluatoin")
    page.get_by_label("Set", exact=True).last.press("Tab")

    expect(page.locator(".problem").get_by_text("Did you mean 'arc-agi-2/evaluation'?")).to_be_visible()
    page.get_by_role("button", name="arc-agi-2/training", exact=True).click()
    expect(page.get_by_role("textbox", name="Training sets")).to_have_value(
        "arc-agi-1/training, arc-agi-2/training"
    )


def test_a_run_is_launched_with_a_set_that_was_added(page: Page, database: Engine) -> None:
    page.goto("/runs/new?preset=quick")
    page.get_by_role("button", name="Add a set").click()
    page.get_by_label("Set", exact=True).last.fill("arc-agi-2/evaluation")
    page.get_by_role("button", name="Launch run").click()

    page.wait_for_url(RUN)
    run = page.url.rpartition("/")[2]
    page.request.post(f"/api/v1/runs/{run}/cancel")
    with session_scope(database) as session:
        sets = runs.get(session, run).config["evaluation"]["sets"]
    before = [each.name for each in quick().evaluation.sets]
    assert [each["name"] for each in sets] == [*before, "arc-agi-2/evaluation"]


def test_what_is_typed_survives_a_reload_until_it_is_discarded(page: Page) -> None:
    page.goto("/runs/new?preset=quick")
    page.get_by_label("Name", exact=True).fill("kept")
    page.get_by_role("radio", name="TRM: one learned").check()
    page.locator("#sweep-seeds").fill("3")
    page.get_by_role("button", name="Launch 3 runs").wait_for()

    page.reload()

    expect(page.locator("#draft-note")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
    expect(page.get_by_role("radio", name="TRM: one learned")).to_be_checked()
    expect(page.get_by_role("button", name="Launch 3 runs")).to_be_visible()
    expect(page.locator("#changes")).to_contain_text("model.kind")
    page.get_by_text("JSON", exact=True).first.click()
    page.locator("#config-json").fill('{"preset": "quick", "seed": 7}')
    expect(page.locator("#problems")).to_be_hidden()
    page.reload()
    expect(page.locator("#config-json")).to_have_value('{"preset": "quick", "seed": 7}')

    page.locator("#draft-note").get_by_role("button", name="Discard").click()
    expect(page.locator("#draft-note")).to_be_hidden()
    expect(page.get_by_label("Name", exact=True)).to_have_value("quick")
    page.goto("/runs/new?preset=quick")
    expect(page.locator("#draft-note")).to_be_hidden()


def test_what_was_refused_is_not_replaced_by_an_older_draft(context: BrowserContext) -> None:
    page = context.new_page()  # a browser complains of what is refused
    name = page.get_by_label("Name", exact=True)
    page.goto("/runs/new")
    name.fill("older")
    page.goto("/runs/new?preset=quick")
    name.fill("newer")
    page.get_by_label("Project", exact=True).fill("  ")

    page.get_by_role("button", name="Launch run").click()

    expect(page.locator("#problems")).to_contain_text("must have a character that can be seen")
    expect(name).to_have_value("newer")
    page.goto("/runs/new")
    expect(name).to_have_value("newer")


def test_the_form_works_without_javascript(lab: StartedLab, browser: Browser, session_file: str) -> None:
    context = browser.new_context(base_url=lab.url, storage_state=session_file, java_script_enabled=False)
    page = context.new_page()
    page.goto("/runs/new?preset=trm_arc1")

    page.get_by_label("Seed", exact=True).fill("-1")
    page.get_by_role("button", name="Launch run").click()
    expect(page.locator("#seed-problem")).to_have_text("must be at least 0 and at most 2147483647, not -1.")

    page.locator("[name=config_json]").fill('{"preset": "quick", "name": "plain"}')
    page.locator(".modes").get_by_text("JSON", exact=True).click()
    page.get_by_role("button", name="Launch run").click()
    expect(page.get_by_role("heading", name="plain")).to_be_visible()
    context.request.post(f"{page.url.replace('/runs/', '/api/v1/runs/')}/cancel")
    context.close()
