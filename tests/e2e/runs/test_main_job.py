"""The main job in a real browser: fill in the form, watch the run, look at what it made of the tasks."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.processes import eventually

TRAINING = 300.0  # seconds at most; a few on a free machine

GRID_COLOURS = """async (image) => {
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const pen = canvas.getContext('2d');
    pen.drawImage(image, 0, 0);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    const found = new Set();
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3]) found.add(pixels.slice(i, i + 3).join());
    return found.size;
}"""


def points_drawn(page: Page, more_than: int) -> int:
    """Points of the first curve, once there are more than `more_than`; the page is not loaded again."""
    drawn = "Number(document.querySelector('.chart[data-panel=loss]')?.dataset.points ?? 0)"
    eventually(lambda: page.evaluate(drawn) > more_than, f"more than {more_than} points", within=TRAINING)
    return int(page.evaluate(drawn))


def fill_in_tiny_run(page: Page, steps: int) -> None:
    """A training of seconds, typed in by keyboard and mouse; starts on the runs page."""
    page.get_by_role("link", name="New run").first.click()
    page.get_by_label("Name", exact=True).fill("typed by hand")
    page.keyboard.press("Tab")
    page.keyboard.type("3")  # the seed: tabbing selects what stands there
    main = page.locator("#section-model")
    for label, value in (("Width", "16"), ("Heads", "2"), ("Layers", "1")):
        main.get_by_label(label, exact=True).locator("visible=true").fill(value)
    page.get_by_label("First n tasks", exact=True).first.fill("8")
    page.locator("#section-training").get_by_label("Steps", exact=True).fill(str(steps))
    page.locator("#section-training").get_by_label("Batch size", exact=True).fill("4")
    page.get_by_label("Log every", exact=True).fill("1")
    page.get_by_role("button", name="Remove this set").last.click()
    page.get_by_label("First n tasks", exact=True).locator("visible=true").last.fill("2")
    page.locator("#section-evaluation").get_by_label("Views", exact=True).fill("2")


def evaluate_a_checkpoint(page: Page) -> None:
    """Ask for a searched evaluation on a run's page; ends on the evaluation's own page."""
    page.get_by_role("tab", name="Evaluations").click()
    page.get_by_role("button", name="Evaluate a checkpoint").click()
    form = page.locator("#evaluate-form")
    for label, value in (("First n tasks", "3"), ("Views of each test input", "2"), ("ACT steps", "2")):
        form.get_by_label(label).fill(value)
    form.locator("[name=search]").select_option("gradient")
    form.get_by_label("Gradient steps", exact=True).fill("2")
    expect(form.get_by_label("Generations", exact=True)).to_be_hidden()
    form.get_by_label("Trim the canvas to").fill("1")
    form.get_by_label("Record every ACT step").check()
    form.get_by_role("button", name="Evaluate", exact=True).press("Enter")
    page.wait_for_url(re.compile(r"/evaluations/\d+$"))


def test_from_the_form_to_a_finished_run(page: Page) -> None:
    page.goto("/")
    fill_in_tiny_run(page, steps=120)
    expect(page.locator("#changes")).to_contain_text("model.core.width")
    page.get_by_role("button", name="Launch run").press("Enter")
    page.wait_for_url(re.compile(r"/runs/[a-z0-9]{10}$"))

    early = points_drawn(page, more_than=1)
    head = page.locator("#run-head")
    expect(head.locator(".status").first).to_have_text("finished", timeout=1000 * TRAINING)
    expect(head).to_contain_text("seed 3")
    assert early < points_drawn(page, more_than=119) == 120
    accuracy = page.locator(".chart[data-panel=accuracy]")
    assert accuracy.locator("path.js-line").count() == 4  # two metrics, raw and smoothed
    assert len(accuracy.locator("path.js-line").first.get_attribute("d") or "") > 100

    page.get_by_role("tab", name="Predictions").click()
    grids = page.locator("img.grid[data-drawn]")
    expect(grids.first).to_be_visible()
    assert min(grids.nth(i).evaluate(GRID_COLOURS) for i in range(3)) >= 2

    page.get_by_role("tab", name="Encoder health").click()
    expect(page.locator(".verdict-text")).to_contain_text("The encoder is")
    expect(page.locator(".evidence")).to_contain_text("Gradient coverage, parameters")
    spread = page.get_by_role("slider", name="Context: standard deviation over samples")
    spread.scroll_into_view_if_needed()
    expect(spread).to_have_attribute("aria-valuetext", re.compile("^step 100 · median .* numbers$"))
    spread.press("ArrowLeft")
    expect(page.locator("[data-histogram='context/deviation'] output")).to_contain_text("step 1 ·")
    page.get_by_role("tab", name="Evaluations").click()
    expect(page.locator("#evaluation-table")).to_contain_text("/2")
    page.get_by_role("tab", name="Log").click()
    expect(page.locator(".log-line").first).to_be_visible()
    page.get_by_role("tab", name="Checkpoints").click()
    expect(page.locator("#checkpoint-table tbody tr").first).to_contain_text("kB")

    evaluate_a_checkpoint(page)
    expect(page.locator("main .status").first).to_have_text("finished", timeout=1000 * TRAINING)
    how = page.get_by_role("region", name="Protocol")
    expect(how).to_contain_text("3 of arc-agi-1/evaluation")
    expect(how).to_contain_text("gradient 2 x 0.1")
    expect(how).to_contain_text("trimmed to the visible grids and 1 cells around them")
    page.locator("#task-table a").first.click()
    expect(page.get_by_role("heading", name="ACT steps")).to_be_visible()
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
