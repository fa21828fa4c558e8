"""A hypothesis in a real browser: stated in the form, stopped by its rule, judged on the page of its run."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.lifecycle import service as runs
from backend.runs import queries as rows
from tests.support.records.tiny import tiny

TRAINING = 300_000  # milliseconds at most; a few seconds on a free machine


def finished_parent(database: Engine) -> str:
    """A tiny run to clone, in a state that no worker takes."""
    with session_scope(database) as session:
        run_id = runs.create(session, tiny()).id
        row = rows.get(session, run_id)
        assert row is not None
        row.status = "finished"
    return run_id


def visible(section: Locator, label: str) -> Locator:
    return section.get_by_label(label, exact=True).locator("visible=true")


def test_a_run_is_stopped_by_its_rule_and_its_hypothesis_refuted(page: Page, database: Engine) -> None:
    page.goto(f"/runs/new?from={finished_parent(database)}")
    expect(page.locator("#queue-note")).to_have_text(re.compile("Starts|No worker|Wait"))
    section = page.locator("#section-hypothesis")
    expect(visible(section, "Claim")).to_have_count(0)
    section.locator("summary").click()
    section.get_by_role("radio", name=re.compile("^bar")).check()
    expect(section.locator("[name='hypothesis.stop.kind']:checked")).to_have_value("none")
    visible(section, "Claim").fill("Exact grids come within five steps.")
    measure = visible(section, "Measure")
    measure.fill("acuracy/exact")
    measure.press("Tab")
    problem = section.locator(".problem:visible")
    expect(problem).to_contain_text("Did you mean 'accuracy/exact'?")
    measure.fill("accuracy/exact")
    visible(section, "Bar").fill("90")
    visible(section, "Bar").press("Tab")
    expect(problem).to_contain_text("Write 0.9 for 90 %")
    visible(section, "Bar").fill("0.9")
    section.get_by_role("radio", name=re.compile("^hopeless")).locator("visible=true").check()
    visible(section, "Measure").last.fill("accuracy/exact")
    visible(section, "Value").fill("0.9")
    visible(section, "Not before step").fill("5")
    visible(section, "Not before step").press("Tab")
    expect(problem).to_have_count(0)
    expect(page.locator("#changes")).to_contain_text("hypothesis.kind")

    page.get_by_role("button", name="Launch run").click()
    page.wait_for_url(re.compile(r"/runs/[a-z0-9]{10}$"))
    run_id = page.url.rpartition("/")[2]

    told = page.locator("#hypothesis")
    expect(told).to_contain_text("Exact grids come within five steps.")
    expect(told.locator(".status")).to_have_text("refuted", timeout=TRAINING)
    expect(told).to_contain_text("Stopped at step")
    expect(page.locator("#run-head")).to_contain_text("by its stop rule: accuracy/exact")
    page.goto(f"/runs/new?from={run_id}")
    expect(section.locator("[name='hypothesis.stop.kind']:checked")).to_have_value("hopeless")
    expect(visible(section, "Claim")).to_have_value("Exact grids come within five steps.")
    page.goto("/?" + urlencode({"filter": 'verdict == "refuted"', "column": "verdict"}))
    expect(page.locator(f"#run-{run_id} .status")).to_have_text("refuted")
