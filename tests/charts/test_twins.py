"""What both the server and the browser know: each is written twice, and both say the same."""

from __future__ import annotations

import json
import re

from backend.charts import scale
from backend.domain.arc.grid import PALETTE
from backend.web.assets import FRONTEND

SCRIPTS = FRONTEND / "static/js"


def constant(script: str, pattern: str) -> object:
    """The list that a script writes after `pattern`."""
    found = re.search(pattern + r"\s*(\[.*\])[;,]$", (SCRIPTS / script).read_text(), re.MULTILINE)
    assert found, f"{script}: no {pattern}"
    return json.loads(found[1])


def test_both_draw_grids_in_the_same_colours() -> None:
    assert constant("web/grids.js", "official:") == list(PALETTE)


def test_both_measure_time_in_the_same_units_and_strides() -> None:
    assert constant("charts/axis.js", "const UNITS =") == [list(unit) for unit in scale.UNITS]
    assert constant("charts/axis.js", "const CLOCK_STEPS =") == list(scale.CLOCK_STEPS)
