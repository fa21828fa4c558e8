"""What is recorded of a search survives packing, and what older versions recorded can still be read."""

from __future__ import annotations

import json
import zlib

from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import (
    OutcomeTrace,
    SearchLoss,
    SearchPoint,
    SearchTrace,
    pack_trace,
    unpack_trace,
)

GRID = Grid(((1, 2), (3, 4)))


def test_a_search_trace_survives_packing() -> None:
    points = (SearchPoint(0, 0.5, 0.0, GRID, 0.25, 0.75), SearchPoint(3, 0.25, 0.5, GRID, 0.5, None))
    search = SearchTrace(
        points, 3, 99, steps=5, start=2, before=SearchLoss(0.5, 0.75), after=SearchLoss(0.25, None)
    )
    trace = OutcomeTrace((GRID,), (), (), search)
    assert unpack_trace(pack_trace(trace)) == trace


def test_a_search_trace_of_the_first_version_is_read() -> None:
    old = {
        "grids": ["12/34"],
        "votes": [],
        "steps": [],
        "search": {"points": [[0, 0.5, 0.0, "12/34", 0.25]], "kept": 0, "decodes": 12},
    }
    found = unpack_trace(zlib.compress(json.dumps(old).encode())).search
    assert found == SearchTrace((SearchPoint(0, 0.5, 0.0, GRID, 0.25),), 0, 12)
    assert (found.steps, found.start, found.before, found.after) == (None, None, SearchLoss(), SearchLoss())
