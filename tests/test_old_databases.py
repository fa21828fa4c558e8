"""A database of every recorded release opens in today's code, and says what it said: docs in
`tests/support/releases`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import PostgresDatabases
from tests.support.releases.kept import Release, asked, differences, releases

# Answers that were wrong when they were recorded, as patterns of `differences`: each with what is right.
CORRECTED: dict[str, tuple[str, ...]] = {
    "0.1.0-before-the-house": (
        r"variation: '[0-9a-f]{12}', now '[0-9a-f]{12}'$",  # no hash of stored JSON; see the last assertion
        # An interval of shares over seeds stays within 0 to 100 %, and is none of no width.
        r"^ /api/v1/compare\?.* over_seeds \d+ view [ab] (low|high): 0\.25, now 0\.\d+$",
        r"^ /api/v1/groups/\w+ variations \d+ scores \d+ share (low|high): 0\.25, now 0\.\d+$",
        r"^ /api/v1/groups/\w+ variations \d+ token_accuracy (low|high): 0\.\d+, now 0\.\d+$",
        r"^ page /(compare.*by=seed|d/encoder-variants): no longer shows (25|50|71\.4|82\.4)$",
        r"^ page /\?group=seed&sort=-pass1: no longer shows (0|1|1\.[34]|3\.7|4|5\.5|32|64|128)$",
        r"^ page /groups/\w+: no longer shows (0|5\.5)$",
        # A difference that no task tells of has an interval, too; a seed that ran twice counts once.
        r"^ /api/v1/.*compare\?.* difference (low|high): (0\.0|5\.5\d+e-17), now -?0\.\d+$",
        r" words: 'undecided: .* \[0 to 0\], p = 1\.', now 'undecided, no task tells them apart: .*'$",
        r"^ page /(compare/significance\?|d/encoder-variants).*: no longer shows 0$",
        r"^ page /(compare.*by=seed|d/encoder-variants): no longer shows (0\.378|1\.5)$",
        r"^ page /compare(/tasks|/significance)?\?.*: no longer shows (3|5|6|8|41|78)$",
        r"^ page /\?group=seed&sort=-pass1: no longer shows (5|76\.[27])$",
        r"^ /api/v1/runs[?/].* last: None, now 'NaN'$",  # a value that is no number is a value
        r"^ /api/v1/runs/export\?format=json.* loss: None, now 'NaN'$",
        # The published rows of ETRM have one more caveat: the report prints other weights than its code has.
        r"^ /api/v1/compare\?.* published [234] caveats: [45] entries, now [56]$",
        r"^ page /(compare\?|d/encoder-variants|d/for-tonight|s/).*: no longer shows 4$",
        r" next_cursor: '\d+-\d+', now '\d+:\d+'$",  # one form of cursors
        r" config schema_version: 1, now 2$",  # a search says at which ACT step it asks; 1 goes above, too
        # What was left out of training stands before the gap: a run of few tasks has no gap worth naming.
        r"^ /api/v1/runs/\w+/health evidence [67] \w+: ",
        # An exact training accuracy that a verdict rests on is a mean over the last points, not one batch.
        r"^ page /(runs/\w+|compare\?.*|d/encoder-variants): no longer shows (13\.6|14\.[17]|15\.3)$",
        # A healthy encoder is no good news of a run that does not generalise.
        r"^ /api/v1/runs/\w+/health level: 'good', now 'quiet'$",
    )
}
REWORDED = re.compile(r" (?:title|sentence|text|words?|waiting_reason): (['\"])(.*)\1, now (['\"])(.*)\3$")
NUMBER = re.compile(r"\d+(?:\.\d+)?")

Opened = Callable[[Release], str]


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Puts a release's database, as it was left, on each kind of server in turn; its URL."""
    if request.param == "sqlite":
        return lambda release: release.as_sqlite(tmp_path / "lab")
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    return lambda release: release.as_postgres(tmp_path / "old", databases.new_empty())


@pytest.mark.slow
@pytest.mark.parametrize("release", releases(), ids=lambda release: release.name)
def test_every_page_and_answer_is_what_it_was(release: Release, opened: Opened, tmp_path: Path) -> None:
    now = asked(release, tmp_path / "lab", opened(release))
    corrected = [re.compile(pattern) for pattern in CORRECTED[release.name]]
    found = [line for line in differences(release.answers, now) if not reworded(line)]
    assert [line for line in found if not any(each.search(line) for each in corrected)] == []
    unused = [each.pattern for each in corrected if not any(each.search(line) for line in found)]
    assert unused == []
    assert repetitions(now) == repetitions(release.answers)


def reworded(line: str) -> bool:
    """Whether a difference is a text in other words that says every number it said."""
    texts = REWORDED.search(line)
    if texts is None:
        return False
    return not Counter(NUMBER.findall(texts[2])) - Counter(NUMBER.findall(texts[4]))


def test_a_text_with_another_number_is_not_only_reworded() -> None:
    assert reworded(" /api/v1/queue words: '2 before it', now '2 ahead in queue'")
    assert not reworded(" /api/v1/queue words: '2 before it', now '3 ahead in queue'")


def repetitions(answers: dict[str, Any]) -> set[frozenset[str]]:
    """The runs by their configuration, whatever its key."""
    found: dict[str, set[str]] = {}
    for run in answers["/api/v1/runs?limit=200"]["runs"]:
        found.setdefault(run["variation"], set()).add(run["id"])
    return {frozenset(ids) for ids in found.values()}
