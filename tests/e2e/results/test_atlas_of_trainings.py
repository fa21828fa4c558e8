"""Real trainings in the atlas, one that collapses and one that does not: picture and verdict agree."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.lab import StartedLab
from tests.support.processes import eventually
from tests.support.records.tiny_runs import tiny_raw

STEPS = 40
# A decay of learning rate x weight decay = 1 takes all weights away at each step: no encoder survives it.
OPTIMISATION = {
    "collapses": {"learning_rate": 0.1, "weight_decay": 10.0, "warmup_steps": 1},
    "sound": {"learning_rate": 1e-4},
}
ROUND = """map => {
  const rings = [...map.querySelectorAll(".ring")].map((ring) => Number(ring.getAttribute("r")));
  const dots = [...map.querySelectorAll(".dot")];
  const places = dots.map((dot) => dot.style.transform.match(/-?[\\d.]+/g).map(Number));
  return { rings: rings.sort((a, b) => a - b), places };
}"""


@pytest.fixture(scope="module")
def trained(lab: StartedLab, browser: Browser, session_file: Any) -> dict[str, str]:
    """Name -> id of the finished runs."""
    context = browser.new_context(base_url=lab.url, storage_state=session_file)
    ids = {}
    for name, optimisation in OPTIMISATION.items():
        raw = tiny_raw(
            steps=STEPS,
            optimisation=optimisation,
            training={"batch_size": 12, "log_every": 10},
            health={"probe_every": 10, "probe_tasks": 6, "patience": 2},
            evaluation={"sets": []},
        )
        answer = context.request.post("/api/v1/runs", data=raw | {"name": name})
        assert answer.ok, answer.text()
        ids[name] = answer.json()["id"]
    for run_id in ids.values():
        eventually(lambda run_id=run_id: _is_finished(context, run_id), f"the end of run {run_id}")
    context.close()
    return ids


def _is_finished(context: BrowserContext, run_id: str) -> bool:
    run = context.request.get(f"/api/v1/runs/{run_id}").json()
    assert run["status"] in ("queued", "running", "finished"), run["status_cause"]
    return bool(run["status"] == "finished")


def radius(page: Page) -> tuple[float, float, float]:
    """The root of the mean square distance of the dots from their middle; the radii of the two rings."""
    drawn = page.locator("#atlas-map").evaluate(ROUND)
    places = drawn["places"]
    middle = [sum(place[axis] for place in places) / len(places) for axis in (0, 1)]
    squares = [math.dist(place, middle) ** 2 for place in places]
    return math.sqrt(sum(squares) / len(squares)), *drawn["rings"]


def verdict(page: Page) -> str:
    return page.locator(".verdict .status").inner_text()


def test_a_training_that_collapses_is_drawn_as_a_point(page: Page, trained: dict[str, str]) -> None:
    page.goto(f"/atlas?runs={trained['collapses']}")
    cloud, collapsed, _ = radius(page)
    assert cloud < collapsed
    assert verdict(page) == "collapsed"
    expect(page.locator("#atlas-moments [data-word]")).to_have_text("collapsed")

    page.get_by_role("slider", name="step").press("Home")
    expect(page.locator("#atlas-at")).to_have_text("10")
    expect(page.locator("#atlas-moments [data-word]")).not_to_have_text("collapsed")
    cloud, collapsed, _ = radius(page)
    assert cloud > collapsed


def test_a_training_that_does_not_stays_a_cloud(page: Page, trained: dict[str, str]) -> None:
    page.goto(f"/atlas?runs={trained['sound']}")
    cloud, _, near = radius(page)
    assert cloud > near
    assert "collapse" not in verdict(page)
    expect(page.locator("#atlas-moments [data-word]")).to_have_text("contexts differ")


def test_on_one_map_each_keeps_its_size(page: Page, trained: dict[str, str]) -> None:
    page.goto(f"/atlas?runs={trained['sound']},{trained['collapses']}")
    expect(page.locator("#atlas-moments [data-word]")).to_have_text(["contexts differ", "collapsed"])
    places = page.locator("#atlas-map").evaluate(ROUND)["places"]
    half = len(places) // 2
    across = [
        max(place[0] for place in some) - min(place[0] for place in some)
        for some in (places[:half], places[half:])
    ]
    assert across[0] > 10 * across[1]


def test_two_dots_are_decoded_between_and_the_link_shows_the_same(
    page: Page, trained: dict[str, str]
) -> None:
    page.goto(f"/atlas?runs={trained['sound']}")
    between = page.locator("#atlas-between")
    decode = between.get_by_role("button", name="Decode between")
    expect(decode).to_be_enabled()
    dots = page.locator("#atlas-map .dot")
    for place in (0, 2):  # two views of each task
        dots.nth(place).dispatch_event("click")
    expect(page.locator("#atlas-map .trail.is-way")).to_have_count(1)
    decode.click()
    answers = between.get_by_role("listitem")
    expect(answers.last).to_contain_text("100\u202f%", timeout=60_000)
    shown = answers.all_inner_texts()
    assert len([text for text in shown if "%" in text.split(",")[0]]) == 7
    assert "as at the start" in "".join(shown) or "same at both ends" in "".join(shown)
    expect(between.get_by_role("status")).to_contain_text("on the way")
    play = re.search(r"between=(\w+)", page.url)
    assert play
    page.goto(f"/play/{play[1]}")
    expect(answers.last).to_contain_text("100\u202f%")
    assert between.get_by_role("listitem").all_inner_texts() == shown


def test_a_link_to_answers_that_were_deleted_says_so(
    context: BrowserContext, trained: dict[str, str]
) -> None:
    page = context.new_page()  # whose console has the answer 404
    page.goto(f"/atlas?runs={trained['sound']}&between=nosuchplay")
    between = page.locator("#atlas-between")
    expect(between.get_by_role("status")).to_contain_text("deleted after a day")
    expect(between.get_by_role("button", name="Decode between")).to_be_enabled()
