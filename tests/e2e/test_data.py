"""Task sets in a real browser: import, a mistake told, the leak check, removal."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

PAIR = {"input": [[1, 2], [3, 4]], "output": [[4, 3], [2, 1]]}


def file(name: str, content: object) -> dict[str, object]:
    return {"name": name, "mimeType": "application/json", "buffer": json.dumps(content).encode()}


def test_a_set_is_imported_checked_for_leaks_and_removed(page: Page) -> None:
    page.goto("/data")
    page.get_by_role("textbox", name="Name").fill("of-mine")
    files = page.get_by_label("Task files")
    wrong = {"train": [{"input": [[1, 11]], "output": [[1]]}], "test": [PAIR]}
    files.set_input_files([file("odd.json", wrong)])  # type: ignore[list-item]
    page.get_by_role("button", name="Import set").click()
    expect(page.locator("#import-problem")).to_contain_text("odd.json")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("of-mine")

    turned = {"input": [[3, 1], [4, 2]], "output": [[2, 4], [1, 3]]}  # the same pair, a quarter turn
    task = {"train": [turned, PAIR], "test": [{"input": [[5]], "output": [[6]]}]}
    files.set_input_files([file("mine.json", task)])  # type: ignore[list-item]
    page.get_by_role("button", name="Import set").click()
    expect(page.get_by_text("of-mine is imported.")).to_be_visible()

    page.get_by_label("Trained on").select_option("of-mine")
    page.get_by_label("Evaluated on").select_option("of-mine")
    page.get_by_role("button", name="Check for leaks").click()
    expect(page.get_by_text("leaks 1 of 1 tasks")).to_be_visible()
    expect(page.get_by_role("region", name="Leaks").get_by_role("row")).to_have_count(5)
    page.get_by_label("Trained on").select_option("arc-agi-1/training")
    page.get_by_role("button", name="Check for leaks").click()
    expect(page.get_by_text("no leak", exact=True)).to_be_visible()

    page.get_by_role("row", name="of-mine").get_by_role("link", name="Browse").click()
    page.locator(".tile").click()
    expect(page.get_by_text("No run has been evaluated on this task")).to_be_visible()
    page.goto("/data")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove set").click()
    expect(page.get_by_role("row", name="of-mine")).to_have_count(0)
