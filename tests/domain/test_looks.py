"""Every variant has a look of its own, the published ones as they always were."""

from __future__ import annotations

from itertools import combinations

import plotly.graph_objects as go
import pytest

from backend.domain.experiment import ENCODERS
from backend.domain.looks import HUES, LOOKS, MARKERS, Look, look_at, look_of
from backend.web.assets import FRONTEND

MANY = len(HUES) * len(MARKERS)
SEEDS = range(5)


def test_the_looks_that_people_know_stay() -> None:
    known = {
        "deterministic": Look("series-1", "square"),
        "variational": Look("series-2", "triangle"),
        "per_demo": Look("series-4", "diamond"),
        "iterative": Look("series-3", "circle"),
        "slots": Look("series-5", "bars"),
        "graph": Look("series-6", "pentagon"),
        "trm": Look("series-7", "square"),
    }
    assert {kind: look_of(kind) for kind in known} == known


def test_every_encoder_has_a_look() -> None:
    assert ENCODERS.keys() <= LOOKS.keys()
    assert len({look_of(kind) for kind in ENCODERS}) == len(ENCODERS)


def test_beyond_the_palette_marker_and_dashes_tell_encoders_apart_without_colour() -> None:
    looks = [look_at(place) for place in range(MANY)]
    assert len({(look.hue, look.marker) for look in looks}) == MANY
    assert len({(look.marker, look.turn) for look in looks}) == MANY
    for one, other in combinations([look for look in looks if look.hue == HUES[0]], 2):
        assert not {one.dash(seed) for seed in SEEDS} & {other.dash(seed) for seed in SEEDS}
    assert all(len({look.dash(seed) for seed in SEEDS}) == len(SEEDS) for look in looks)


@pytest.mark.parametrize("place", range(0, MANY, len(HUES)))
def test_plotly_takes_the_dashes(place: int) -> None:
    dashes = [look_at(place).dash(seed) for seed in SEEDS]
    assert [go.Scatter(line={"dash": dash}).line.dash for dash in dashes] == dashes


def test_the_style_sheets_have_every_hue_and_marker() -> None:
    tokens, tables = ((FRONTEND / f"static/css/{name}.css").read_text() for name in ("tokens", "tables"))
    looks = {*LOOKS.values(), *(look_at(place) for place in range(MANY)), look_of("no such variant")}
    assert {look.hue for look in looks if f"--{look.hue}: #" not in tokens} == set()
    assert {look.hue for look in looks if f".{look.hue} {{" not in tables} == set()
    assert {look.marker for look in looks if f".variant.is-{look.marker} {{" not in tables} == {"square"}
