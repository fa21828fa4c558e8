"""Figures for a paper: as the CSV files that redraw.py reads, drawn by it, and packed with it.

The server draws with the very file that an archive holds, from the very texts that lie beside it there.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple, get_args

from backend.kit.boundary import Broken, shielded
from backend.kit.errors import InvalidInput, Unavailable
from backend.kit.exports import redraw
from backend.kit.exports.table_files import File, check, csv_text

Width = Literal["3.5", "7"]  # inches
Picture = Literal["pdf", "svg"]
MEDIA_TYPES: Mapping[str, str] = {"pdf": "application/pdf", "svg": "image/svg+xml"}
MAX_LINES = 40  # of a figure: more cannot be told apart
MAX_ROWS = 100_000  # of a figure's data
PATIENCE = 60.0  # seconds until it is this figure's turn
CREATOR = "ETRM Lab"
# By place: no two of 40 lines have both the same dashes and the same marker.
DASHES = ("-", "6 2", "1.5 1.5", "6 2 1.5 2", "10 2")  # points
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "////", "....", "xxxx", "----", "++++", "\\\\\\\\", "oooo")
LINE_HEAD = ("figure", "line", "label", "colour", "dash", "marker", "hatch")

_drawing = Lock()  # matplotlib's settings belong to the whole process


class Look(NamedTuple):
    """A line of a figure: its key, what it is called, and its colour as #rrggbb; its place gives the rest."""

    key: str
    label: str
    colour: str
    place: int


@dataclass(frozen=True)
class Axes:
    """What stands at the axes, and their ends; a logarithmic axis has exponents. `unit` is that of y."""

    x_title: str
    x: tuple[float, float]
    y_title: str = ""
    y: tuple[float, float] = (0.0, 1.0)
    unit: str = "number"
    is_log: bool = False
    is_date: bool = False  # x is in days since 1970


@dataclass(frozen=True)
class Figure:
    """A figure before it is drawn; `data` are rows under `head`, of the lines in `looks`."""

    name: str  # of its files
    title: str
    kind: Literal["curves", "bars", "grids"]
    axes: Axes
    looks: Sequence[Look]
    head: Sequence[str]
    data: Sequence[Sequence[object]]
    note: str = ""  # beneath it: what the drawing cannot show, or what it rests on
    runs: str = ""  # whose numbers it shows; in the file's description

    def tables(self) -> dict[str, str]:
        """Path -> CSV, as `redraw.figures_of` reads them. InvalidInput for what is too much for a figure."""
        if len(self.looks) > MAX_LINES or len(self.data) > MAX_ROWS:
            size = f"{len(self.looks)} lines" if len(self.looks) > MAX_LINES else f"{len(self.data):,} rows"
            raise InvalidInput(
                f"The figure {self.title!r} was not drawn: it has {size}.",
                f"A figure has at most {MAX_LINES} lines and {MAX_ROWS:,} rows: choose fewer runs or test "
                "inputs, or one line for all seeds.",
            )
        settings = {
            "figure": self.name,
            "kind": self.kind,
            "title": self.title,
            "x_title": self.axes.x_title,
            "x_low": self.axes.x[0],
            "x_high": self.axes.x[1],
            "x_scale": "date" if self.axes.is_date else "linear",
            "y_title": self.axes.y_title,
            "y_low": self.axes.y[0],
            "y_high": self.axes.y[1],
            "y_scale": "log" if self.axes.is_log else "linear",
            "unit": self.axes.unit,
            "note": self.note,
            "runs": self.runs,
            "creator": CREATOR,
        }
        alone = len(self.looks) == 1
        lines = [
            (
                self.name,
                look.key,
                look.label,
                look.colour,
                "-" if alone else DASHES[look.place % len(DASHES)],
                "" if alone else MARKERS[look.place % len(MARKERS)],
                "" if alone else HATCHES[look.place % len(HATCHES)],
            )
            for look in self.looks
        ]
        return {
            "figures.csv": _csv([tuple(settings), tuple(settings.values())]),
            "lines.csv": _csv([LINE_HEAD, *lines]),
            f"data/{self.name}.csv": _csv([self.head, *self.data]),
        }


def check_installed() -> None:
    """Unavailable where figures cannot be drawn here."""
    if importlib.util.find_spec("matplotlib") is None:
        raise Unavailable(
            "Figures cannot be drawn: the package matplotlib is not installed.",
            "Install the extra paper where the lab runs: pip install 'matplotlib>=3.10,<4'.",
        )


def figure_file(figure: Figure, width: str, as_: str) -> File:
    """The figure in one width and format. Errors: InvalidInput; Unavailable without matplotlib."""
    check("format", as_, get_args(Picture))
    check("width", width, get_args(Width))
    check_installed()
    ((content,),) = _drawn(figure.tables(), [float(width)], [as_])
    return File(redraw.file_name(figure.name, float(width), as_), MEDIA_TYPES[as_], content)


def archive(
    parts: Iterable[Figure | File], about: Callable[[Sequence[str]], Iterable[File]]
) -> Iterator[bytes]:
    """A zip, part by part: every figure as PDF and SVG in both widths with its data, the files between them,
    what redraws the figures, and last what `about` gives for the problems of figures that were left out."""
    parcel = _Parcel()
    settings: dict[str, list[str]] = {}
    problems: list[str] = []
    with zipfile.ZipFile(parcel, "w", zipfile.ZIP_DEFLATED) as into:
        for part in parts:
            if isinstance(part, File):
                into.writestr(_entry(part.name), part.content)
                yield parcel.emptied()
                continue
            drawing = shielded(f"figure {part.title!r}", partial(_all_drawn, part))
            if isinstance(drawing, Broken):
                problems.append(f"{part.title}: {drawing.text}")
                continue
            tables, pictures = drawing
            for name, content in pictures.items():
                into.writestr(_entry(f"figures/{name}"), content)
            for path, text in tables.items():
                if path.startswith("data/"):
                    into.writestr(_entry(path), text)
                else:
                    head, *rows = text.rstrip("\n").split("\n")
                    settings.setdefault(path, [head]).extend(rows)
            yield parcel.emptied()
        for path, lines in settings.items():
            into.writestr(_entry(path), "\n".join([*lines, ""]))
        if settings:
            into.writestr(_entry("redraw.py"), Path(redraw.__file__).read_bytes())
        for file in about(problems):
            into.writestr(_entry(file.name), file.content)
    yield parcel.emptied()


def _all_drawn(figure: Figure) -> tuple[dict[str, str], dict[str, bytes]]:
    """The tables of a figure, and its pictures by the names of their files."""
    tables = figure.tables()
    pictures = {
        redraw.file_name(figure.name, width, as_): content
        for width, files in zip(redraw.WIDTHS, _drawn(tables, redraw.WIDTHS, redraw.FORMATS), strict=True)
        for as_, content in zip(redraw.FORMATS, files, strict=True)
    }
    return tables, pictures


class _Parcel(io.RawIOBase):
    """What a zip has written and nobody has taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        content = bytes(part)  # type: ignore[call-overload]
        self._parts.append(content)
        return len(content)

    def emptied(self) -> bytes:
        """What came since the last time."""
        content, self._parts = b"".join(self._parts), []
        return content


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # of no date: the same figures are the same archive
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _drawn(
    tables: Mapping[str, str], widths: Sequence[float], formats: Sequence[str]
) -> Iterator[list[bytes]]:
    """The only figure of the tables, for each width in all formats; others take their turn in between."""
    (figure,) = redraw.figures_of(tables)
    for width in widths:
        if not _drawing.acquire(timeout=PATIENCE):
            raise Unavailable("Many figures are being drawn now.", "Try again in a minute.")
        try:
            logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
            with warnings.catch_warnings():  # a letter that the font lacks is drawn as a box
                warnings.simplefilter("ignore")
                files = redraw.drawn(figure, width, formats)
        finally:
            _drawing.release()
        yield files


def _csv(rows: Sequence[Sequence[object]]) -> str:
    return csv_text([[_cleaned(cell) for cell in row] for row in rows], "\n")


def _cleaned(cell: object) -> object:
    return redraw.NO_TEXT.sub(" ", cell) if isinstance(cell, str) else cell


def file_stem(text: str) -> str:
    """A text as the name of a file: `encoder/kl` as `encoder-kl`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "figure"
