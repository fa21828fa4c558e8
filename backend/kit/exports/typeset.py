"""A table for a paper: LaTeX with booktabs, Typst or Markdown, each with its notes beneath it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Typesetting = Literal["latex", "typst", "markdown"]
ENDINGS: Mapping[str, str] = {"latex": "tex", "typst": "typ", "markdown": "md"}
MEDIA_TYPES: Mapping[str, str] = {
    "latex": "application/x-tex",
    "typst": "text/vnd.typst",
    "markdown": "text/markdown",
}
_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$",
    "−": "$-$", "–": "--", "·": r"$\cdot$", "×": r"$\times$", "→": r"$\to$", "±": r"$\pm$", "≥": r"$\geq$",
    "≤": r"$\leq$", "\u00a0": "~", "\u202f": r"\,", "…": r"\dots{}",
    "|": r"\textbar{}",
}  # fmt: skip
_TYPST = re.compile(r"([\\#$*_`<>@~\[\]=/+-])")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~&])")
_LINE_BREAKS = re.compile(r"[\t\n\r\v\f\u2028\u2029]+")


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and the keys of the notes that it refers to."""

    text: str
    notes: tuple[str, ...] = ()


Row = Sequence[Cell | str]


@dataclass(frozen=True)
class Typeset:
    """A table as a paper has it: the first column is text, the others are set right of it in the middle.

    `groups` are its rows in parts with a rule between them. `notes` are key -> text, shown under letters in
    the order in which the cells first refer to them; one that no cell refers to is left out. `remarks` stand
    beneath without a letter.
    """

    label: str
    caption: str
    head: Sequence[str]
    groups: Sequence[Sequence[Row]]
    notes: Mapping[str, str]
    remarks: Sequence[str] = ()

    @property
    def letters(self) -> dict[str, str]:
        """Key of a note -> a, b, c, …"""
        cells = (cell for rows in self.groups for row in rows for cell in row if isinstance(cell, Cell))
        used = dict.fromkeys(key for cell in cells for key in cell.notes)
        return {key: _letter(number) for number, key in enumerate(used)}


def typeset(table: Typeset, as_: Typesetting) -> str:
    """The table's source, to be pasted into a paper."""
    return {"latex": _latex, "typst": _typst, "markdown": _markdown}[as_](table)


def _letter(number: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    rest, last = divmod(number, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("a") + last)


def _parts(cell: Cell | str, letters: Mapping[str, str]) -> tuple[str, str]:
    """A cell's text and the letters of its notes."""
    if isinstance(cell, str):
        return cell, ""
    return cell.text, ",".join(
        sorted((letters[key] for key in cell.notes), key=lambda mark: (len(mark), mark))
    )


def _one_line(text: str) -> str:
    """A script's config may have lines in what tells its runs apart; a line would end a cell."""
    return _LINE_BREAKS.sub(" ", text)


def in_latex(text: str) -> str:
    """Text as LaTeX prints it; a file is UTF-8."""
    # After the end of a row a star, or a bracket, would be taken for an option of it.
    before = "{}" if text.startswith(("[", "*")) else ""
    return before + "".join(_LATEX.get(letter, letter) for letter in _one_line(text))


def _latex(table: Typeset) -> str:
    letters = table.letters

    def cell(of: Cell | str) -> str:
        text, marks = _parts(of, letters)
        return in_latex(text) + (rf"\textsuperscript{{{marks}}}" if marks else "")

    def line(row: Row) -> str:
        return "    " + " & ".join(map(cell, row)) + r" \\"

    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{in_latex(table.caption)}}}",
        rf"  \label{{tab:{table.label}}}",
        rf"  \begin{{tabular}}{{l{'c' * (len(table.head) - 1)}}}",
        r"    \toprule",
        line(table.head),
    ]
    for rows in table.groups:
        lines += [r"    \midrule", *map(line, rows)]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    below = [rf"\textsuperscript{{{letter}}} {in_latex(table.notes[key])}" for key, letter in letters.items()]
    below += map(in_latex, table.remarks)
    if below:
        lines += ["", r"  \smallskip", r"  \begin{minipage}{\linewidth}\footnotesize"]
        lines += [rf"    {text}\par" for text in below]
        lines += [r"  \end{minipage}"]
    return "\n".join([*lines, r"\end{table}", ""])


def _typst(table: Typeset) -> str:
    letters = table.letters

    def text_of(text: str) -> str:
        escaped = _TYPST.sub(r"\\\1", _one_line(text)).replace("\u00a0", "~")
        return re.sub(r"^(\d+)\.", r"\1\\.", escaped)  # no list

    def cell(of: Cell | str) -> str:
        text, marks = _parts(of, letters)
        return f"[{text_of(text)}" + (f"#super[{marks}]]" if marks else "]")

    def line(row: Row) -> str:
        return "    " + ", ".join(map(cell, row)) + ","

    others = len(table.head) - 1
    lines = [
        "#figure(",
        f"  caption: [{text_of(table.caption)}],",
        "  kind: table,",
        "  [#table(",
        f"    columns: {len(table.head)},",
        f"    align: (left,{' center,' * others}),",
        "    stroke: none,",
        "    table.hline(),",
        "    table.header(" + ", ".join(map(cell, table.head)) + "),",
    ]
    for rows in table.groups:
        lines += ["    table.hline(stroke: 0.5pt),", *map(line, rows)]
    lines += ["    table.hline(),", "  )"]
    below = [f"#super[{letter}] {text_of(table.notes[key])}" for key, letter in letters.items()]
    below += map(text_of, table.remarks)
    if below:
        lines += ["  #set text(size: 0.8em)", "  #align(left)[" + " \\\n  ".join(below) + "]"]
    return "\n".join([*lines, f"  ]) <tab:{table.label}>", ""])


def _markdown(table: Typeset) -> str:
    letters = table.letters

    def text_of(text: str) -> str:
        return _MARKDOWN.sub(r"\\\1", _one_line(text))

    def cell(of: Cell | str) -> str:
        text, marks = _parts(of, letters)
        return text_of(text) + (f"<sup>{marks}</sup>" if marks else "")

    def line(row: Row) -> str:
        return "| " + " | ".join(map(cell, row)) + " |"

    lines = [f"**{text_of(table.caption)}**", "", line(table.head)]
    lines.append("|" + "---|" + ":-:|" * (len(table.head) - 1))
    lines += [line(row) for rows in table.groups for row in rows]
    below = [f"<sup>{letter}</sup> {text_of(table.notes[key])}" for key, letter in letters.items()]
    below += map(text_of, table.remarks)
    if below:
        lines += ["", *("  \n".join(below).split("\n"))]
    return "\n".join([*lines, ""])
