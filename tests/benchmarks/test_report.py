"""Records of the benchmarks: their form as lines, and the page that is made of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.kit.peers import Peer, PeerFailed
from benchmarks.kit.question import Question, machine
from benchmarks.kit.records import (
    OURS,
    End,
    InvalidLine,
    Line,
    at_least,
    at_most,
    figure,
    percentile,
    read,
    text_of,
)
from benchmarks.report import (
    ALONE,
    DOCS,
    DOCUMENT,
    FILE,
    QUESTIONS,
    ROOT,
    document,
    reference,
    replaced,
)

CASE = "20 curves × 10,000"
MACHINE = machine(Question("charts", "Charts: one call", quick=False))
OUR_CALL = figure("charts", CASE, f"{OURS}, SQLite", "ms", [10.0, 30.0, 20.0], at_most(25))
THEIRS = figure("charts", CASE, "Peer 1.0", "ms", [100.0])
MISSING = figure("charts", CASE, "Absent", "ms", [], note="no matching distribution")
LINES: list[Line] = [MACHINE, OUR_CALL, THEIRS, MISSING, End("charts", 12.0, 0.5)]


def rows(page: str, case: str = CASE) -> list[list[str]]:
    """The cells of the rows of a case."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(f"| {case} |")
    ]


def test_lines_are_read_as_they_were_written() -> None:
    assert read([text_of(line) for line in LINES] + ["", "\n"], "here") == LINES


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "`kind` must be one of machine, figure, end"),
        ('{"kind": "guess"}', "`kind` must be one of machine, figure, end"),
        ('{"kind": "end", "question": "charts"}', "not a valid end"),
        (text_of(OUR_CALL).replace('"at_most"', '"at_most", "colour": "red"'), "not a valid figure"),
    ],
)
def test_a_bad_line_is_named(text: str, problem: str) -> None:
    with pytest.raises(InvalidLine, match="results, line 2: ") as caught:
        read([text_of(MACHINE), text], "results")
    assert problem in str(caught.value)


def test_a_broken_file_of_results_ends_the_report_and_stays(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f"{text_of(MACHINE)}\nnonsense\n")
    command = [sys.executable, "-m", "benchmarks.report", "--render", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"Error: {tmp_path / FILE}, line 2: not JSON" in done.stderr
    assert not (tmp_path / DOCUMENT).exists()


def test_the_report_is_made_of_the_results(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("".join(text_of(line) + "\n" for line in LINES))
    command = [sys.executable, "-m", "benchmarks.report", "--render", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert (tmp_path / DOCUMENT).read_text() == document(LINES)


def test_a_page_shows_medians_ranges_bars_and_what_others_take() -> None:
    ours, theirs, missing = rows(document(LINES))
    assert ours[1:4] == [f"{OURS}, SQLite", "20 ms (n = 3)", "10 to 30"]
    assert ours[6:] == ["≤ 25, met", ""]
    assert theirs[1:4] == ["Peer 1.0", "100 ms", ""]
    assert theirs[7] == "5 × worse"
    assert missing[1:4] == ["Absent", "not measured", ""]
    assert f"- {CASE}, Absent: no matching distribution." in document(LINES)
    assert f"{MACHINE.cores} cores" in document(LINES)


def test_of_rates_more_is_better() -> None:
    ours = figure("recorder", "bulk", OURS, "points/s", [200.0], at_least(300))
    slower, faster = (figure("recorder", "bulk", str(rate), "points/s", [rate]) for rate in (50.0, 400.0))
    cells = rows(document([ours, slower, faster]), "bulk")
    assert [row[7] for row in cells] == ["", "4 × worse", "2 × better"]
    assert cells[0][6] == "≥ 300, **missed**"


def test_what_is_equal_to_three_digits_is_neither_better_nor_worse() -> None:
    ours, theirs = (
        figure("charts", CASE, name, "ms", [value]) for name, value in ((OURS, 20.0), ("a", 20.01))
    )
    assert [row[7] for row in rows(document([ours, theirs]))] == ["", "the same"]


def test_a_bar_on_a_percentile_shows_it_however_few_values_there_are() -> None:
    values = [float(value) for value in range(1, 101)]
    few = figure("charts", CASE, OURS, "ms", values[:5], at_most(4, "p95"))
    many = figure("charts", CASE, OURS, "ms", values, at_most(99, "p99"))
    (cells, others) = rows(document([few, many]))
    assert cells[4:7] == ["5", "", "p95 ≤ 4, **missed**"]
    assert others[4:7] == ["95", "99", "p99 ≤ 99, met"]


@pytest.mark.parametrize(("part", "value"), [(0.95, 19.0), (0.99, 20.0), (0.5, 10.0), (0.01, 1.0)])
def test_percentiles_are_nearest_ranks(part: float, value: float) -> None:
    assert percentile([float(number) for number in range(20, 0, -1)], part) == value


def test_without_peers_and_without_our_own_figure_nothing_is_compared() -> None:
    assert rows(document([MACHINE, OUR_CALL]))[0][7] == ""
    unmeasured = replace(OUR_CALL, n=0, median=None)
    assert reference(THEIRS, [unmeasured, THEIRS]) is None
    assert rows(document([unmeasured, THEIRS]))[1][7] == ""


def test_a_section_of_a_quick_run_says_so() -> None:
    assert "no figure to quote" not in document(LINES)
    text = document([replace(MACHINE, quick=True), OUR_CALL, replace(MACHINE, question="tables")])
    assert "no figure to quote" in text
    assert "busy machine: `charts`. They" in text


def test_asked_again_a_question_replaces_its_lines_alone() -> None:
    other = figure("recorder", "bulk", OURS, "points/s", [1.0])
    newer = [MACHINE, replace(OUR_CALL, median=7.0)]
    assert replaced([*LINES, other], newer) == [other, *newer]


def test_a_cell_does_not_break_its_table() -> None:
    assert "a \\| b" in document([replace(OUR_CALL, case="a | b")])


def test_every_question_is_a_program_with_a_quick_form() -> None:
    for name in (*QUESTIONS, *ALONE):
        assert "run(__file__, __doc__, measure" in (ROOT / "benchmarks" / f"{name}.py").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.loader", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert "--quick" in done.stdout


def test_a_peer_that_cannot_be_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(PeerFailed, match="no-such-tracker") as caught:
        Peer("Nobody", "no-such-tracker").run("record", 1)
    assert "\n" not in str(caught.value)


def test_the_page_in_docs_is_made_of_the_results() -> None:
    lines = read((DOCS / FILE).read_text().splitlines(), FILE)
    assert (DOCS / DOCUMENT).read_text() == document(lines), f"make bench-report has not written {DOCUMENT}"
