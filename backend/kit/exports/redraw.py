"""Draw the figures of this folder again: `python redraw.py`. Needs matplotlib and the CSV files beside it.

figures.csv has a line per figure: its kind, axes and note. `title` is in the file's description alone; where
y_scale is log, y_low and y_high are exponents of ten. lines.csv says how the lines of each figure are
called and look. data/NAME.csv holds the numbers of figure NAME. Change what you like there and run it again.
ETRM Lab itself draws with this file.
"""

from __future__ import annotations

import csv
import io
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone
from itertools import groupby
from pathlib import Path
from typing import Any

WIDTHS = (3.5, 7.0)  # inches: one column of a paper, and both
FORMATS = ("pdf", "svg")
STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "hatch.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # fonts embedded as they are, not as drawings of each letter
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "figure",  # else every file had other ids
    "text.parse_math": False,  # a name may have dollar signs
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}
PALETTE = (
    "#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00",
    "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25",
)  # fmt: skip
GRID_LINE, INK, SOFT, DANGER = "#555555", "#16191d", "#59616b", "#b3261e"
MARKERS_SHOWN = 7  # of a line
HANDLE = 5.0  # length of a line in the legend, in heights of its letters: its dashes twice
LABEL = {3.5: 44, 7.0: 60}  # characters of a name in a legend
NOTE = 21  # characters of a note per inch
FORMULA = re.compile(r"'(?=[\t\r]|[\s\u200b\ufeff]*[=+\-@＝＋－＠])")
NO_TEXT = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # has no place in XML
LEAST, MOST = 1e-300, 1e300  # of a logarithmic axis
STEPS = (1, 2, 2.5, 5, 10)  # between two ticks, times a power of ten

Row = dict[str, str]


@dataclass(frozen=True)
class Figure:
    """A figure: its line of figures.csv, its lines of lines.csv, and its data."""

    settings: Row
    lines: Sequence[Row]
    data: Sequence[Row]


def figures_of(tables: Mapping[str, str]) -> Iterator[Figure]:
    """The figures of CSV files, by path: figures.csv, lines.csv and data/NAME.csv."""
    lines = list(_rows(tables["lines.csv"]))
    for settings in _rows(tables["figures.csv"]):
        name = settings["figure"]
        own = [line for line in lines if line["figure"] == name]
        yield Figure(settings, own, list(_rows(tables[f"data/{name}.csv"])))


def drawn(figure: Figure, width: float, formats: Sequence[str]) -> list[bytes]:
    """The figure as files, `width` inches wide: one of each format, pdf or svg. All have one layout."""
    import matplotlib

    files = []
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whoever draws it, and whatever their settings are
        params: Any = matplotlib.rcParams
        params.update(STYLE)
        canvas = DRAWINGS[figure.settings["kind"]](figure, width)
        canvas.draw_without_rendering()
        canvas.set_layout_engine(None)  # else every file would lay it out again
        for as_ in formats:
            file = io.BytesIO()
            canvas.savefig(file, format=as_, metadata=_metadata(figure.settings, as_))
            files.append(file.getvalue())
    return files


def _rows(text: str) -> Iterator[Row]:
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield {name: _cell(cell or "") for name, cell in row.items() if name}


def _cell(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from computing it, and without line breaks."""
    return NO_TEXT.sub(" ", FORMULA.sub("", cell, count=1) if cell.startswith("'") else cell)


def _metadata(settings: Row, as_: str) -> dict[str, Any]:
    """No date: the same figure is the same file."""
    title, about, creator = settings["title"], settings["runs"], settings["creator"]
    if as_ == "pdf":
        return {"Title": title, "Subject": about, "Creator": creator, "CreationDate": None}
    return {"Title": title, "Description": about, "Creator": creator, "Date": None}


def _curves(figure: Figure, width: float) -> Any:
    """Lines over steps or time: recorded values faint, their average strong, the range of seeds as a band."""
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

    settings = figure.settings
    labels = [_short(line["label"], LABEL.get(width, 44)) for line in figure.lines]
    by_line = {key: list(rows) for key, rows in groupby(figure.data, key=lambda row: row["line"])}
    roles = {row["role"] for row in figure.data}
    columns = _columns(labels, width)
    rows = math.ceil((len(labels) + len(roles & MARKS.keys())) / columns)
    canvas, axes = _canvas(width, (0.62 if width < 5 else 0.45) * width + 0.15 * rows, settings)
    factor = 100.0 if settings["unit"] == "share" else 1.0
    handles = []
    for line, label in zip(figure.lines, labels, strict=True):
        points = _points(by_line.get(line["line"], ()), factor)
        look: dict[str, Any] = {"color": line["colour"], "linestyle": _dash(line["dash"])}
        raw, average, low, high = (points.get(role, ((), ())) for role in ("raw", "average", "low", "high"))
        if low[0]:
            # There and back: where a value is beyond the axis, the two edges have different places.
            around = [*zip(*low, strict=True), *reversed([*zip(*high, strict=True)])]
            band = PolyCollection([around], facecolors=line["colour"], alpha=0.18, linewidths=0, zorder=1)
            axes.add_collection(band, autolim=False)  # as a patch, each corner would be looked at alone
        axes.plot(*raw, color=line["colour"], alpha=0.3, linewidth=0.5, zorder=2)
        marker = line["marker"] or ("o" if len(average[0]) == 1 else "")
        shape: dict[str, Any] = {
            "marker": marker,
            "markersize": 3.5,
            "markerfacecolor": "white",
            "markeredgewidth": 0.8,
        }
        at = _marked(len(average[0]), figure.lines.index(line))
        axes.plot(*average, **look, **shape, linewidth=1.2, markevery=at, zorder=3)
        handles.append(Line2D([], [], **look, **shape, linewidth=1.2, label=label))
    for role, (sign, colour, text) in MARKS.items():
        places = [float(row["x"]) for row in figure.data if row["role"] == role]
        if places:
            edge: dict[str, Any] = {
                "marker": sign,
                "color": colour,
                "linestyle": "none",
                "markersize": 4,
                "markerfacecolor": "none",
            }
            heights = [0.0] * len(places)
            axes.plot(places, heights, **edge, transform=axes.get_xaxis_transform(), clip_on=False, zorder=4)
            handles.append(Line2D([], [], **edge, label=text))
    _scaled(axes, settings, factor, width)
    axes.set_xlabel(settings["x_title"])
    axes.set_ylabel("\n".join(textwrap.wrap(settings["y_title"], 24 if width < 5 else 38)))
    axes.grid(axis="y", linewidth=0.4, color="#e3e6ea")
    if handles:
        canvas.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=HANDLE)
    return canvas


# Role of a row -> sign at the lower edge, its colour, and what it stands for.
MARKS = {"nan": ("x", DANGER, "NaN or infinite"), "not positive": ("v", SOFT, "not positive")}


def _points(rows: Sequence[Row], factor: float) -> dict[str, tuple[list[float], list[float]]]:
    """Role -> places and values."""
    points: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        if row["role"] not in MARKS:
            xs, ys = points.setdefault(row["role"], ([], []))
            xs.append(float(row["x"]))
            ys.append(float(row["y"]) * factor)
    return points


def _marked(n: int, place: int) -> list[int]:
    """Which of n points have a marker: a few, not where those of the line before are."""
    every = max(1, n // MARKERS_SHOWN)
    return list(range(place * every // 5 % every, n, every))


def _scaled(axes: Any, settings: Row, factor: float, width: float) -> None:
    """The ranges and ticks of both axes."""
    from matplotlib import dates, ticker

    most = 4 if width < 5 else 8
    low, high = float(settings["y_low"]), float(settings["y_high"])
    if settings["y_scale"] == "log":
        axes.set_yscale("log")
        low, high = (min(max(10.0 ** min(end, 300.0), LEAST), MOST) for end in (low, high))
        subs = (1.0, 2.0, 5.0) if high / low < 100 else (1.0,)
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=7))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        axes.set_ylim(low * factor, high * factor)
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _number(value)))
    else:
        axes.set_ylim(low * factor, high * factor)
        axes.yaxis.set_major_locator(ticker.MaxNLocator(5, steps=STEPS))
        if settings["unit"] == "bytes":
            axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{_number(value)}B"))
        else:
            plain = ticker.ScalarFormatter(useOffset=False, useMathText=False)
            plain.set_powerlimits((-4, 5))
            axes.yaxis.set_major_formatter(plain)
    axes.set_xlim(float(settings["x_low"]), float(settings["x_high"]))
    if settings["x_scale"] == "date":  # days since 1970
        places = dates.AutoDateLocator(maxticks=most)
        axes.xaxis.set_major_locator(places)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(places, tz=timezone.utc))  # noqa: UP017
    else:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(most + 1, steps=STEPS))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _number(value)))


def _number(value: float) -> str:
    """12500 as 12.5k."""
    size = abs(value)
    for power, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if max(power, 1e4) <= size < 1e15:
            return f"{value / power:.7g}{prefix}".replace("-", "\u2212")
    return f"{value:.6g}".replace("-", "\u2212")


def _bars(figure: Figure, width: float) -> Any:
    """A share of each line with its interval; what it rests on stands beneath its name."""
    from matplotlib.ticker import MaxNLocator

    rows = figure.data
    canvas, axes = _canvas(width, 0.36 * len(rows) + 0.55, figure.settings)
    looks = {line["line"]: line for line in figure.lines}
    texts = []
    for place, row in enumerate(rows):
        look, value = looks[row["line"]], float(row["value"]) * 100
        whole = value if math.isfinite(value) else 0.0
        bar = {"color": look["colour"], "hatch": look["hatch"], "edgecolor": "white", "linewidth": 0.0}
        axes.barh(place, whole, height=0.55, **bar)
        if row["low"] and row["high"]:
            low, high = float(row["low"]) * 100, float(row["high"]) * 100
            ends = [[max(0.0, whole - low)], [max(0.0, high - whole)]]
            axes.errorbar(whole, place, xerr=ends, color=INK, linewidth=0.8, capsize=2.5, capthick=0.8)
        number = f"{value:.1f} %" if math.isfinite(value) else "NaN"
        texts.append(f"{_short(look['label'], 24 if width < 5 else 48)}\n{number}, {row['basis']}")
    axes.set_yticks(range(len(rows)), labels=texts)
    axes.invert_yaxis()
    axes.set_xlim(float(figure.settings["x_low"]) * 100, float(figure.settings["x_high"]) * 100)
    axes.xaxis.set_major_locator(MaxNLocator(4 if width < 5 else 8, steps=STEPS))
    axes.set_xlabel(figure.settings["x_title"])
    axes.grid(axis="x", linewidth=0.4, color="#e3e6ea")
    axes.set_axisbelow(True)
    return canvas


def _grids(figure: Figure, width: float) -> Any:
    """ARC grids, an example after the other: demonstrations, then the test input with truth and answers. A
    white corner marks a cell that differs from the truth."""
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.figure import Figure as Canvas

    across = 4 if width < 5 else 8  # grids in a line
    side, gap, head, foot = width / across * 0.86, width / across * 0.07, 0.2, 0.24  # inches
    places: list[tuple[float, float, Row]] = []  # left and top in inches, downwards
    heads: list[tuple[float, str]] = []
    top = 0.0
    for title, of_example in groupby(figure.data, key=lambda row: row["example"]):
        heads.append((top, title))
        top += head
        for _, part in groupby(of_example, key=lambda row: row["part"]):
            for number, row in enumerate(part):
                if number and number % across == 0:
                    top += side + foot
                places.append((number % across * (side + 2 * gap) + gap, top, row))
            top += side + foot
    note = textwrap.wrap(figure.settings["note"], int(NOTE * width))
    height = top + 0.12 * len(note) + 0.05
    canvas: Any = Canvas(figsize=(width, height))
    axes = canvas.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    cells: list[list[tuple[float, float]]] = []
    colours: list[str] = []
    lines: list[list[tuple[float, float]]] = []
    corners: list[list[tuple[float, float]]] = []
    for left, above, row in places:
        grid, truth = _digits(row["grid"]), _digits(row["truth"])
        cell = side / max(len(grid), *map(len, grid)) if grid else side
        wide, high = (cell * len(grid[0]), cell * len(grid)) if grid else (side, side)
        left, above = left + (side - wide) / 2, above + side - high
        same_size = [len(line) for line in grid] == [len(line) for line in truth]
        for y, line in enumerate(grid):
            x = 0
            for digit, alike in groupby(line):
                n = len(list(alike))
                cells.append(_box(left + x * cell, above + y * cell, n * cell, cell))
                colours.append(PALETTE[int(digit)])
                x += n
            for x, digit in enumerate(line):
                if same_size and digit != truth[y][x]:
                    at_x, at_y, leg = left + x * cell, above + y * cell, 0.45 * cell
                    corners.append([(at_x, at_y), (at_x + leg, at_y), (at_x, at_y + leg)])
        if grid:
            columns, rows = len(grid[0]), len(grid)
            lines += [[(left + x * cell, above), (left + x * cell, above + high)] for x in range(columns + 1)]
            lines += [[(left, above + y * cell), (left + wide, above + y * cell)] for y in range(rows + 1)]
        caption = "\n".join(textwrap.wrap(_short(row["caption"], 30), max(8, int(side * 21)))[:2])
        below, middle = above + high + 0.03, left + wide / 2
        axes.text(middle, below, caption, fontsize=5.5, ha="center", va="top", color=INK, linespacing=0.95)
    axes.add_collection(PolyCollection(cells, facecolors=colours, linewidths=0))
    axes.add_collection(LineCollection(lines, colors=GRID_LINE, linewidths=0.3))
    axes.add_collection(PolyCollection(corners, facecolors="white", edgecolors="black", linewidths=0.25))
    for above, title in heads:
        axes.text(0.04, above + 0.04, title, fontsize=7, va="top", color=INK)
    axes.text(0.04, top, "\n".join(note), fontsize=6, va="top", color=SOFT)
    return canvas


def _digits(text: str) -> list[str]:
    return text.split("/") if text else []


def _box(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


DRAWINGS: Mapping[str, Callable[[Figure, float], Any]] = {"curves": _curves, "bars": _bars, "grids": _grids}


def _canvas(width: float, height: float, settings: Row) -> tuple[Any, Any]:
    """A drawing of this size in inches, with its note beneath, and its only axes."""
    from matplotlib.figure import Figure as Canvas

    note = textwrap.wrap(settings["note"], int(NOTE * width))
    canvas: Any = Canvas(figsize=(width, height + 0.12 * len(note)), layout="constrained")
    if note:
        canvas.supxlabel("\n".join(note), fontsize=6, color=SOFT, x=0.02, ha="left")
    return canvas, canvas.add_subplot()


def _dash(text: str) -> Any:
    """Lengths of strokes and gaps in points; `-` is a solid line."""
    return (0, [float(length) for length in text.split()]) if text != "-" else "-"


def _columns(labels: Sequence[str], width: float) -> int:
    """Columns of a legend that its longest name leaves room for."""
    longest = max(map(len, labels), default=0)
    return max(1, min(len(labels), 4, int(width * 16 / (longest + 11))))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def main(folder: Path) -> None:
    """Write every figure into figures/, as each kind of file and in each width."""
    names = ["figures.csv", "lines.csv", *(f"data/{path.name}" for path in (folder / "data").glob("*.csv"))]
    # A spreadsheet that has saved a table puts a mark before it.
    tables = {name: (folder / name).read_text(encoding="utf-8-sig") for name in names}
    (folder / "figures").mkdir(exist_ok=True)
    for figure in figures_of(tables):
        for width in WIDTHS:
            for as_, content in zip(FORMATS, drawn(figure, width, FORMATS), strict=True):
                path = folder / "figures" / file_name(figure.settings["figure"], width, as_)
                path.write_bytes(content)
                print(path)


def file_name(figure: str, width: float, as_: str) -> str:
    """`loss-3.5in.pdf`."""
    return f"{figure}-{width:g}in.{as_}"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
