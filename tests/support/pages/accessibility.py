"""What axe finds wrong with a page for people who use it by keyboard, by ear, or with little contrast."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

COLOURS = "color-contrast"  # the one rule whose answer is another by night
SEVERE = ("serious", "critical")


def violations(page: Page, *rules: str) -> list[str]:
    """Each serious or critical violation of these rules, or of all, on the page: rule, what, where."""
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in SEVERE
        for node in each["nodes"]
    ]


def violations_by_day_and_night(page: Page) -> list[str]:
    """By day, and by night as far as colours matter; by day again in the end."""
    wrong = violations(page)
    page.emulate_media(color_scheme="dark")
    wrong += [f"dark: {each}" for each in violations(page, COLOURS)]
    page.emulate_media(color_scheme="light")
    return wrong
