"""Tables for papers: every cell and note is there, escaped, under the right letter."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from backend.comparison.result_tables import SHOWN_K
from backend.kit.exports.typeset import Cell, Typeset, Typesetting, _letter, typeset

TABLE = Typeset(
    label="results",
    caption="Tasks solved: k/n & interval",
    head=("Run", "pass@1"),
    groups=[
        [(Cell("a_b", ("held out", "search")), "12/32, 37.5\u00a0% [22.9–54.7]"), ("plain", "–")],
        [(Cell("TRM, published", ("search", "seeds")), "41.75\u00a0%")],
    ],
    notes={"nobody": "not shown", "seeds": "One seed.", "held out": "Held out.", "search": "With search."},
    remarks=["Code differs."],
)


@pytest.mark.parametrize("as_", ["latex", "typst", "markdown"])
def test_notes_have_letters_in_the_order_of_the_cells_and_stand_once(as_: Typesetting) -> None:
    text = typeset(TABLE, as_)
    assert TABLE.letters == {"held out": "a", "search": "b", "seeds": "c"}
    assert "not shown" not in text
    for note in ("Held out.", "With search.", "One seed.", "Code differs."):
        assert text.count(note) == 1
    marks = re.findall(r"(?:textsuperscript\{|super\[|<sup>)([a-z,]+)", text)
    assert marks == ["a,b", "b,c", "a", "b", "c"]


def test_latex_has_booktabs_rules_and_no_bare_special_letter() -> None:
    text = typeset(TABLE, "latex")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:results}"):
        assert rule in text
    assert text.count(r"\midrule") == 2
    assert r"a\_b\textsuperscript{a,b} & 12/32, 37.5~\% [22.9--54.7] \\" in text
    assert r"k/n \& interval" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 1 for line in body)


def test_typst_escapes_what_it_would_read_as_markup() -> None:
    text = typeset(TABLE, "typst")
    assert r"[a\_b#super[a,b]], [12\/32, 37.5~% \[22.9–54.7\]]," in text
    assert "<tab:results>" in text


def test_markdown_is_a_table_of_one_head_and_a_line_a_row() -> None:
    lines = [line for line in typeset(TABLE, "markdown").splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert lines[1] == "|---|:-:|"
    assert r"a\_b<sup>a,b</sup>" in lines[2]


NAMES = ("[ablation] a", "* b", "1. c|d", "two\n\nlines", "e &amp; f")


@pytest.mark.parametrize(
    ("as_", "cells"),
    [
        ("latex", ("{}[ablation] a", "{}* b", r"1. c\textbar{}d", "two lines", r"e \&amp; f")),
        ("typst", (r"[\[ablation\] a]", r"[\* b]", r"[1\. c|d]", "[two lines]", "[e &amp; f]")),
        ("markdown", (r"\[ablation\] a", r"\* b", r"1. c\|d", "two lines", r"e \&amp; f")),
    ],
)
def test_no_name_is_taken_for_markup(as_: Typesetting, cells: tuple[str, ...]) -> None:
    """LaTeX reads `[` and `*` after a row as options of its end, and no lines in a caption."""
    table = Typeset("runs", NAMES[3], ("Run", "n"), [[(name, "7") for name in NAMES]], {})
    text = typeset(table, as_)
    between = {"latex": " & 7 ", "typst": ", [7],", "markdown": " | 7 |"}[as_]
    rows = [
        line.partition(between)[0].removeprefix("| ").strip() for line in text.splitlines() if between in line
    ]
    assert tuple(rows) == cells
    assert "\n\nlines" not in text


# Of runs that people name, and of the lab's own numbers; the last letter has a combining mark.
MATHEMATICS = "β-vae, λ=0.1, Δ of ∞ [−∞–∞] ≈ ∑√Ω ⇒ ‖ℓ‖\u2009x\u2011y\u200bz e\u0301"


def test_letters_that_pdflatex_lacks_are_its_mathematics() -> None:
    text = typeset(Typeset("runs", MATHEMATICS, ("Run", "n"), [[(MATHEMATICS, "7")]], {}), "latex")
    assert r"$\beta$-vae, $\lambda$=0.1, $\Delta$ of $\infty$ [$-$$\infty$--$\infty$] $\approx$" in text
    assert "\\,x-yz é" in text


def test_letters_go_on_after_z() -> None:
    assert [_letter(number) for number in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]


def wide(label: str, columns: int, text: str) -> Typeset:
    """A table as the lab has them: a name, and cells that are long."""
    names = ("iterative, lr 0.001, my_long_name/with-parts_that_nobody_breaks_v2, 3 seeds", "k3v9x0q2ab")
    rows = [(Cell(name, ("conditions",)), *(text for _ in range(columns))) for name in names]
    head = ("Configuration", *(f"Cross-sample variance {at}" for at in range(columns)))
    return Typeset(label, "A caption.", head, [rows], {"conditions": "arc-agi-1/evaluation, 400 tasks. " * 9})


WIDE = (
    wide("significance", 6, "37.5\u00a0% [22.9–54.7], 3 seeds"),
    wide("results", len(SHOWN_K) + 2, "130.5/400, 32.6\u00a0% [28.2–37.4]"),
    wide("health", 14, "0.0123 [0.0119–0.0131], collapsed"),
    wide("config", 5, "procedural/ladder/conditional, generated.learning.of_all_training_tasks"),
)


def test_a_wide_table_takes_the_page_and_parts_where_that_does_not_do() -> None:
    narrow, results, health = (typeset(table, "latex") for table in (TABLE, WIDE[1], WIDE[2]))
    assert r"\begin{table}" in narrow
    assert "tabularx" not in narrow
    for text in (results, health):
        assert r"\begin{table*}" in text
        assert r"\begin{tabularx}{\textwidth}" in text
        assert r"\usepackage{tabularx}" in text
    assert health.count(r"\toprule") > 1
    for text, table in ((results, WIDE[1]), (health, WIDE[2])):
        for title in table.head[1:]:
            assert len(re.findall(rf"{title} (?:&|\\\\)", text)) == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX")
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_latex_sets_every_table_within_the_page(tmp_path: Path, columns: str) -> None:
    letters = Typeset("letters", MATHEMATICS, ("Run", "n"), [[(MATHEMATICS, "7")]], {})
    tables = "\n".join(typeset(table, "latex") for table in (TABLE, letters, *WIDE))
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass[{columns}]{{article}}\usepackage[utf8]{{inputenc}}\usepackage[T1]{{fontenc}}"
        rf"\usepackage{{booktabs,tabularx}}\begin{{document}}x {tables} \end{{document}}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert [float(width) for width in re.findall(r"Overfull \\hbox \((\d+)\.\d+pt", done.stdout)] == []
