"""A link to a checkpoint in the playground: imported by a run, then asked, in a whole lab of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from backend.domain.config.presets import quick
from tests.support.hub import hub
from tests.support.lab import StartedLab
from tests.support.pages.browser import Complaints
from worker.models.build import build_reasoner
from worker.models.importing import export_weights

pytest.importorskip("huggingface_hub")


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a lab that fetches from a server which answers like the Hub."""
    (tmp_path / "hub").mkdir()
    export_weights(build_reasoner(quick(), 1), tmp_path / "hub" / "step_7", "ema")
    with hub(tmp_path / "hub") as address:
        own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache")}
        lab = StartedLab(tmp_path / "lab", "--no-demo", **own)
        try:
            context = browser.new_context(base_url=lab.url)
            context.set_default_timeout(120_000)
            page = context.new_page()
            complaints = Complaints(page)
            page.goto(lab.login_url)
            yield page
            context.close()
        finally:
            lab.stop()
    assert complaints.found == []


def test_a_link_is_imported_and_asked(page: Page) -> None:
    page.goto("/play")
    run, ask = (
        page.get_by_role("combobox", name="Run", exact=True),
        page.get_by_role("button", name="Ask the checkpoint"),
    )
    run.fill("hf:lab/trm/nothing")
    page.get_by_label("Import into").select_option("quick")
    page.get_by_label("File holds").select_option("ema")
    ask.click()
    toast = page.locator("#toasts .note", has_text="The checkpoint was not imported.")
    expect(toast).to_contain_text("hf:lab/trm/nothing@main does not exist")

    run.fill("hf:lab/trm/step_7")
    page.get_by_label("Views").select_option("1")
    page.get_by_label("ACT steps").fill("1")
    ask.click()
    expect(page).to_have_url(re.compile("/play/"))  # imported
    expect(page.locator("#status")).to_contain_text("Answered in")
    expect(page.get_by_role("heading", name="Candidates by votes")).to_be_visible()
    expect(toast).to_have_count(0)
    expect(page.locator("#import")).to_be_hidden()
