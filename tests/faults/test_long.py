"""The long form of the fault tests, with three of its quick kinds; `make faults` goes through all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.long import kinds  # noqa: F401 — registers them
from tests.faults.long.__main__ import DOCS
from tests.faults.long.lab import Labs
from tests.faults.long.registry import KINDS, SQLITE
from tests.faults.long.results import DOCUMENT, FILE, KEPT, Result, append, document, read, read_fleets
from tests.faults.long.tries import Tries

QUICK = ("kill-child", "cancel-queued", "kill-store")
SEED = 14


@pytest.fixture(scope="module")
def tries() -> Iterator[Tries]:
    with Labs() as labs:
        yield Tries(labs)


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.parametrize("name", QUICK)
def test_a_promise_is_kept_and_written_down(tries: Tries, name: str, tmp_path: Path) -> None:
    kind = replace(KINDS[name], databases=KINDS[name].databases[:1])  # no PostgreSQL
    result = tries.carry_out(kind, SEED, 0)
    append(tmp_path, result)
    [written] = read(tmp_path)
    assert (written, written.verdict) == (result, KEPT), written.cause
    assert KINDS[name].fault in document([written])


def test_a_try_made_again_replaces_the_first(tmp_path: Path) -> None:
    first = Result("kill-child", SQLITE, SEED, 0, 3.0, KEPT, "killed (SIGKILL)")
    append(tmp_path, first)
    append(tmp_path, replace(first, verdict="broken", cause="it is gone"))
    [newest] = read(tmp_path)
    assert newest.verdict == "broken"
    assert "broken: it is gone" in document([newest])


def test_the_page_is_made_of_the_results() -> None:
    assert (DOCS / DOCUMENT).read_text() == document(read(DOCS), read_fleets(DOCS)), (
        f"make faults has not written {DOCUMENT}, or {FILE} was edited"
    )
