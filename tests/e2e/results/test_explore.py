"""Exploring runs in a real browser: limits by mouse and keyboard, importance, a chart of an expression."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import MetricFrame
from backend.lifecycle import external_runs
from backend.metrics import service as series

FILTER = 'project == "dragged"'
AXES = "".join(f"&axis={name}&low=&high=" for name in ("rate", "kind", "loss"))
ADDRESS = f"/explore?filter={FILTER}&x=rate&y=loss&colour=kind{AXES}"


@pytest.fixture(scope="module")
def runs(database: Engine) -> list[str]:
    """Twelve runs; the loss falls with the rate."""
    draw = random.Random(2)
    ids = []
    with session_scope(database) as session:
        for at in range(12):
            config = {"rate": at + 1, "kind": draw.choice(["slots", "graph"])}
            run_id = external_runs.create(session, f"dragged {at}", config, project="dragged").id
            values: dict[str, list[float | None]] = {"loss": [20.0 - at, 18.0 - at], "other": [1.0, 2.0]}
            series.append(session, run_id, MetricFrame([1, 2], [1.8e9, 1.8e9 + 1], values))
            ids.append(run_id)
    return ids


def test_limits_are_dragged_and_typed_and_the_others_stand_back(page: Page, runs: list[str]) -> None:
    page.goto(ADDRESS)
    rows = page.locator("#explore-runs tbody tr")
    expect(rows).to_have_count(12)
    expect(page.locator("#importance tbody tr").first).to_contain_text("falls with it")

    grip = page.locator(".p-axis[data-axis=rate] line.axis").bounding_box()
    assert grip is not None
    page.mouse.move(grip["x"], grip["y"] - 3)  # above its end: to the end
    page.mouse.down()
    page.mouse.move(grip["x"], grip["y"] + grip["height"] * 0.5, steps=4)
    page.mouse.up()
    expect(rows).to_have_count(6)
    expect(page.locator(".is-parallel .lines path.is-out")).to_have_count(6)
    expect(page.locator(".is-scatter .dot.is-out")).to_have_count(6)

    page.get_by_label("rate: from").fill("11")
    page.get_by_label("rate: from").press("Enter")
    expect(rows).to_have_count(2)
    page.get_by_role("link", name="Compare 2 runs").click()
    expect(page.locator("#compare")).to_be_visible()


def test_a_mark_leads_to_its_run(page: Page, runs: list[str]) -> None:
    page.goto(ADDRESS)
    page.locator(f'.is-scatter [data-address="/runs/{runs[4]}"]').click()
    expect(page.get_by_role("heading", name="dragged 4")).to_be_visible()


def test_an_expression_is_charted_followed_and_removed(page: Page, database: Engine, runs: list[str]) -> None:
    page.goto(f"/runs/{runs[0]}?smooth=0")
    page.get_by_label("chart of an expression").fill("loss - other")
    page.get_by_role("button", name="Add chart").click()
    chart = page.locator(".chart[data-expression]")
    expect(chart.locator(".legend b")).to_have_text("16.0")
    assert "smooth=0" in page.url

    with session_scope(database) as session:
        series.append(session, runs[0], MetricFrame([3], [1.8e9 + 2], {"loss": [9.0], "other": [4.0]}))
    expect(chart.locator(".legend b")).to_have_text("5.00")

    chart.locator(".chart-menu summary").click()
    chart.get_by_role("button", name="Remove this chart").click()
    expect(page.locator(".chart[data-expression]")).to_have_count(0)
    assert "expr" not in page.url
