"""That axe is asked at all; the walk by Tab asks it about every page, by day and by night."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.pages.accessibility import COLOURS, violations


def test_axe_is_really_asked(page: Page) -> None:
    page.goto("/queue")
    page.evaluate("document.getElementById('main').append(document.createElement('select'))")
    assert [each.partition(":")[0] for each in violations(page)] == ["select-name"]
    page.evaluate("document.querySelector('h1').style.cssText = 'color: #777; background: #666'")
    assert [each.partition(":")[0] for each in violations(page, COLOURS)] == [COLOURS]
