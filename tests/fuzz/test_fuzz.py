"""The fuzzers with a budget for every day and fixed seeds; `make fuzz` looks for longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.api import fuzz_api
from tests.fuzz.lab import ROLES, FuzzedLab, fuzzed_lab
from tests.fuzz.logged import fuzz_logged
from tests.fuzz.raw import fuzz_raw
from tests.fuzz.uploads import fuzz_uploads

pytestmark = pytest.mark.slow
SEED = 12


@pytest.fixture(scope="module")
def lab() -> Iterator[FuzzedLab]:
    with fuzzed_lab("sqlite") as lab:
        yield lab


@pytest.fixture(autouse=True)
def _nothing_found_before(lab: FuzzedLab) -> None:
    lab.findings.clear()


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_answers_as_described(lab: FuzzedLab, role: str) -> None:
    assert fuzz_api(lab, role, 180, SEED)[200]
    assert lab.findings == []


def test_strangers_bytes_are_refused_in_words(lab: FuzzedLab) -> None:
    seen = fuzz_raw(lab, 500, SEED)
    assert seen["400"]
    assert lab.findings == []


def test_uploads_are_taken_or_refused_in_words(lab: FuzzedLab) -> None:
    seen = fuzz_uploads(lab, 500, SEED)
    assert seen["points 200"]
    assert lab.findings == []


def test_whatever_was_logged_pages_and_exports_open(lab: FuzzedLab) -> None:
    seen = fuzz_logged(lab, 40, SEED)
    assert seen["run 201"]
    assert lab.findings == []
