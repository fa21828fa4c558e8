"""docs/published.md is what the presets, the published table and the models say."""

from __future__ import annotations

from pathlib import Path

from backend.domain.config.presets import preset
from worker.experiments.published import FILE, PARTS, document, weights_by_part

ROOT = Path(__file__).parents[2]


def test_the_page_is_current() -> None:
    assert (ROOT / FILE).read_text() == document(), "run `make published`"


def test_the_weights_are_those_that_the_etrm_project_counts_in_its_own_runs() -> None:
    """17M, 29M and 21M in its notebook, where the table of its report prints 22M, 23M and 15M."""
    found = {
        name: weights_by_part(preset(name))
        for name in ("etrm_deterministic_arc1", "etrm_variational", "etrm_iterative")
    }
    assert [round(sum(parts.values()) / 1e6) for parts in found.values()] == [17, 29, 21]
    assert all(set(parts) <= {"core and heads", *PARTS.values()} for parts in found.values())
