"""A table for a paper: LaTeX with booktabs, Typst or Markdown, each with its notes beneath it."""

from __future__ import annotations

import math
import re
import unicodedata
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
    "|": r"\textbar{}", "\u2009": r"\,", "\u2011": "-", "\u200b": "", "\ufeff": "", "′": "$'$",
}  # fmt: skip
# What pdflatex has in its mathematics alone.
_MATHEMATICS: Mapping[str, str] = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ϵ": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ϑ": "vartheta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "ς": "varsigma", "τ": "tau", "υ": "upsilon",
    "φ": "varphi", "ϕ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "∆": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi",
    "Ω": "Omega", "∞": "infty", "≈": "approx", "≠": "neq", "≡": "equiv", "∼": "sim", "∝": "propto", "∈": "in",
    "∉": "notin", "⊂": "subset", "∪": "cup", "∩": "cap", "∅": "emptyset", "∑": "sum", "∏": "prod",
    "√": "surd", "∫": "int", "∂": "partial", "∇": "nabla", "⊕": "oplus", "⊗": "otimes", "∘": "circ",
    "⇒": "Rightarrow", "⇐": "Leftarrow", "↔": "leftrightarrow", "↦": "mapsto", "ℓ": "ell", "∗": "ast",
    "‖": "|", "⟨": "langle", "⟩": "rangle",
}  # fmt: skip
_TYPST = re.compile(r"([\\#$*_`<>@~\[\]=/+-])")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~&])")
_LINE_BREAKS = re.compile(r"[\t\n\r\v\f\u2028\u2029]+")


# Points: a page of LaTeX's article class, the narrowest there is, and a column of a paper that has two.
TEXT_POINTS, COLUMN_POINTS = 345.0, 240.0
LETTER_POINTS, SMALL_LETTER_POINTS = 5.0, 4.2  # of a letter, on average; small: in \footnotesize
FOLDS, MAX_FOLDED = 3, 18  # lines that a cell of a wide table may have; letters that a column needs for that
LONG_WORD = 14
_PIECE = re.compile(r"[^_/.:=-]{1,14}[_/.:=-]?|[_/.:=-]")


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
    composed = unicodedata.normalize("NFC", _one_line(text))  # pdflatex has no combining marks
    return before + "".join(map(_letter_in_latex, composed))


def _letter_in_latex(letter: str) -> str:
    if name := _MATHEMATICS.get(letter):
        return rf"$\{name}$"
    return _LATEX.get(letter, letter)


def _latex(table: Typeset) -> str:
    letters = table.letters
    rows = [table.head, *(row for group in table.groups for row in group)]
    columns = [_Column([_parts(row[at], letters) for row in rows]) for at in range(len(table.head))]
    natural = sum(column.natural for column in columns)
    is_wide = natural > TEXT_POINTS
    place = "table*" if natural > COLUMN_POINTS else "table"

    def cell(of: Cell | str) -> str:
        text, marks = _parts(of, letters)
        shown = " ".join(_breakable(word) for word in text.split(" ")) if is_wide else in_latex(text)
        return shown + (rf"\textsuperscript{{{marks}}}" if marks else "")

    def line(row: Row, chosen: Sequence[int]) -> str:
        return "    " + " & ".join(cell(row[at]) for at in chosen) + r" \\"

    def tabular(chosen: Sequence[int]) -> list[str]:
        begin, end = (
            _tabularx([columns[at] for at in chosen])
            if is_wide
            else (rf"\begin{{tabular}}{{l{'c' * (len(chosen) - 1)}}}", r"\end{tabular}")
        )
        lines = [f"  {begin}", r"    \toprule", line(table.head, chosen)]
        for group in table.groups:
            lines += [r"    \midrule", *(line(row, chosen) for row in group)]
        return [*lines, r"    \bottomrule", f"  {end}"]

    lines = [
        r"% needs \usepackage{booktabs}" + (r" and \usepackage{tabularx}" if is_wide else ""),
        rf"\begin{{{place}}}",
        r"  \centering",
        rf"  \caption{{{in_latex(table.caption)}}}",
        rf"  \label{{tab:{table.label}}}",
    ]
    if is_wide:
        lines += [r"  \footnotesize\setlength{\tabcolsep}{3pt}"]
    for number, chosen in enumerate(_parts_of_width(columns) if is_wide else [range(len(columns))]):
        lines += ["", r"  \medskip"] if number else []
        lines += tabular(chosen)
    below = [rf"\textsuperscript{{{letter}}} {in_latex(table.notes[key])}" for key, letter in letters.items()]
    below += map(in_latex, table.remarks)
    if below:
        lines += ["", r"  \smallskip", r"  \begin{minipage}{\linewidth}\footnotesize"]
        lines += [rf"    {text}\par" for text in below]
        lines += [r"  \end{minipage}"]
    return "\n".join([*lines, rf"\end{{{place}}}", ""])


class _Column:
    """How much room the cells of a column take, estimated from their letters: TeX alone knows."""

    def __init__(self, cells: Sequence[tuple[str, str]]) -> None:
        texts = [f"{text}{marks}" for text, marks in cells]
        longest = max(map(len, texts))
        pieces = [piece for text in texts for word in text.split(" ") for piece in _pieces(word)]
        letters = max(*map(len, pieces), min(math.ceil(longest / FOLDS), MAX_FOLDED))
        self.natural = LETTER_POINTS * longest + 12.0  # in one line, with the room between columns
        self.folded = SMALL_LETTER_POINTS * letters + 6.0  # in several, smaller


def _parts_of_width(columns: Sequence[_Column]) -> list[list[int]]:
    """Columns for parts that stand one below the other, each with the first and as many as a page takes."""
    parts: list[list[int]] = []
    room = 0.0
    for at, column in enumerate(columns[1:], 1):
        if not parts or column.folded > room:
            parts.append([0])
            room = TEXT_POINTS - columns[0].folded
        parts[-1].append(at)
        room -= column.folded
    return parts or [[0]]


def _tabularx(columns: Sequence[_Column]) -> tuple[str, str]:
    """Begin and end of a table of the page's width, whose cells have several lines where they need them."""
    whole = sum(column.folded for column in columns)
    shares = [len(columns) * column.folded / whole for column in columns]
    align = [r"\raggedright", *[r"\centering"] * (len(columns) - 1)]
    form = "".join(
        rf">{{\hsize={share:.3f}\hsize{how}\arraybackslash}}X"
        for share, how in zip(shares, align, strict=True)
    )
    return rf"\begin{{tabularx}}{{\textwidth}}{{{form}}}", r"\end{tabularx}"


def _pieces(word: str) -> list[str]:
    """A word, or the parts between which a long one, such as a name, may be broken."""
    return [word] if len(word) <= LONG_WORD else _PIECE.findall(word)


def _breakable(word: str) -> str:
    return r"\allowbreak{}".join(map(in_latex, _pieces(word)))


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
