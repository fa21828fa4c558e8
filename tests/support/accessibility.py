"""What axe finds wrong with a page for people who use it by keyboard, by ear, or with little contrast."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SEVERE = ("serious", "critical")


def violations(page: Page) -> list[str]:
    """Each serious or critical violation on the page as it stands: rule, what it is, and where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in SEVERE
        for node in each["nodes"]
    ]
