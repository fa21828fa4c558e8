"""The checkpoints of a run in a real browser: downloaded, evaluated, forked, gone on from."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import Engine

from tests.support.lab import StartedLab
from tests.support.records.recorded import record_checkpoint, record_run


@pytest.fixture
def failed(database: Engine, lab: StartedLab) -> str:
    """A failed run with checkpoints at steps 200 and 300; no worker is told when it was queued again."""
    run = record_run(database, status="failed", points=0, total=600, name="failed")
    for step in (200, 300):
        record_checkpoint(database, lab.home / "artifacts", run, step)
    return run


def test_weights_come_with_the_checksum_that_is_shown(page: Page, failed: str) -> None:
    page.goto(f"/runs/{failed}#checkpoints")
    row = page.locator(".checkpoints tr[data-step='300']")
    with page.expect_download() as download:
        row.get_by_label("Download EMA weights of step 300").click()
    assert download.value.suggested_filename == f"{failed}-step-300-ema.safetensors"
    digest = hashlib.sha256(Path(download.value.path()).read_bytes()).hexdigest()
    expect(row.locator(f"[title='{digest}']")).to_have_text(f"{digest[:12]}…")


def test_a_checkpoint_is_evaluated_forked_and_gone_on_from(
    page: Page, context: BrowserContext, failed: str
) -> None:
    page.goto(f"/runs/{failed}#checkpoints")
    older = page.locator(".checkpoints tr[data-step='200']")
    older.get_by_role("link", name="Evaluate").click()
    expect(page.locator("#evaluate-form select[name=step]")).to_have_value("200")

    page.get_by_role("tab", name="Checkpoints").click()
    older.get_by_role("link", name="Fork").click()
    expect(page.locator("#changes")).to_contain_text("training.initialise_from.kind")
    step = page.locator("[name='training.initialise_from.step']")
    expect(step).to_have_value("200")
    step.fill("250")  # there is none
    page.get_by_role("button", name="Launch run").click()
    expect(page.get_by_text(f"run {failed} has no checkpoint of step 250").first).to_be_visible()
    step.fill("200")
    page.get_by_role("button", name="Launch run").click()
    page.wait_for_url(re.compile(r"/runs/[a-z0-9]{10}$"))
    expect(page.locator("#run-head")).to_contain_text("cloned from failed")
    assert context.request.post(f"/api/v1/runs/{page.url[-10:]}/cancel").ok

    page.goto(f"/runs/{failed}#checkpoints")
    older.get_by_role("button", name="Resume").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The checkpoint after it is deleted")
    with page.expect_navigation():
        dialog.get_by_role("button", name="Resume run").click()
    assert context.request.post(f"/api/v1/runs/{failed}/cancel").ok
    expect(page.locator(".checkpoints tbody tr")).to_have_count(1)


def test_a_checkpoint_is_named_on_the_page_and_the_name_taken_away(page: Page, failed: str) -> None:
    page.goto(f"/runs/{failed}#checkpoints")
    row = page.locator(".checkpoints tr[data-step='200']")
    page.locator("#alias-checkpoint").select_option("200")
    page.get_by_label("Alias", exact=True).fill("paper")
    page.get_by_role("button", name="Set alias").click()
    expect(row.locator("[data-alias='paper']")).to_be_visible()
    expect(page.locator("#evaluate-step option[value='200']")).to_have_text("step 200 (paper)")
    name = page.get_by_label("Alias", exact=True)
    name.fill("600")
    page.get_by_role("button", name="Set alias").click()
    assert name.evaluate("input => input.validity.patternMismatch")
    row.get_by_label("Remove the alias paper").click()
    expect(row.locator("[data-alias='paper']")).to_have_count(0)
