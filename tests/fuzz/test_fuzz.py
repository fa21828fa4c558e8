"""The fuzzer of the API with a small budget and a fixed seed; `make fuzz` has all, and looks for longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.api import fuzz_api
from tests.fuzz.lab import ROLES, FuzzedLab, fuzzed_lab

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
