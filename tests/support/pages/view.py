"""What a page shows, to be compared after a reload, by the back button and under a pasted address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support.pages import walk

SEEN = Path(__file__).with_suffix(".js").read_text()
AGES = re.compile(r"\b\d+\s(?:s|m|min|h|d)\b(?: ago)?|just now")
DRAWN = """() => [...document.querySelectorAll('.chart')].every((each) => {
  const box = each.getBoundingClientRect();
  return !box.height || box.top > innerHeight || box.bottom < 0 || each.querySelector('.scatterlayer');
})"""


def of(page: Page) -> dict[str, Any]:
    """The view, once all that it needs is there; times that pass are left out."""
    walk.settle(page)
    page.wait_for_function(DRAWN)
    walk.settle(page)
    seen: dict[str, Any] = page.evaluate(SEEN)
    seen["words"] = [AGES.sub("…", each) for each in seen["words"]]
    return seen


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where two views differ, one line for each kind of thing."""
    return [f"{kind}: {first} is not {other[kind]}" for kind, first in one.items() if first != other[kind]]
