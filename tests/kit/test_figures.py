"""Figures are drawn by the script that goes along with them: sizes, fonts, names and hard numbers."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.kit.errors import InvalidInput, Unavailable
from backend.kit.exports import figures, redraw
from backend.kit.exports.figures import Axes, Figure, Look
from backend.kit.exports.table_files import File
from tests.support.pdf import embedded_fonts, page_size

SVG = "{http://www.w3.org/2000/svg}"
NASTY = r"50 % $\alpha_1$ & <b>x</b> {y} #1 ~^ -- ]]> 'quoted' \end{document}"
Rows = list[tuple[object, ...]]


def wavy(key: str, n: int = 40) -> Rows:
    """A line with its average and its band."""
    rows: Rows = []
    for x in range(n):
        rows += [(key, "raw", x, math.sin(x)), (key, "average", x, math.sin(x) / 2)]
    rows += [(key, "low", x, -1.0) for x in range(n)] + [(key, "high", x, 1.0) for x in range(n)]
    return rows


def curves(data: Rows, names: Sequence[str] = ("a", "b"), **axes: Any) -> Figure:
    looks = [Look(name, f"run {name}", "#0072b2", place) for place, name in enumerate(names)]
    ends: dict[str, Any] = {"x": (0.0, 40.0), "y": (-1.0, 1.0), **axes}
    stated = Axes("step", y_title="Token accuracy (%)", **ends)
    return Figure("chart", "A chart", "curves", stated, looks, ("line", "role", "x", "y"), data)


def bars(value: float = 0.4) -> Figure:
    looks = [Look("0", "deterministic", "#0072b2", 0), Look("1", NASTY, "#d55e00", 1)]
    data: Rows = [("0", value, 0.2, 0.6, "4/10"), ("1", 0.0, None, None, "0/10, 2 seeds")]
    head = ("line", "value", "low", "high", "basis")
    return Figure("bars", "Bars", "bars", Axes("pass@1 (%)", (0.0, 1.0)), looks, head, data)


def grids() -> Figure:
    data: Rows = [
        ("00d62c1b #1", "demonstrations", "demo 1 input", "012/345", ""),
        ("00d62c1b #1", "demonstrations", "demo 1 output", "6/7", ""),
        *(("00d62c1b #1", "test", f"{name}: wrong", "11/22", "11/12") for name in "abcdef"),
        ("00d62c1b #1", "test", "trm: no answer", "", ""),
    ]
    head = ("example", "part", "caption", "grid", "truth")
    return Figure("grids", "Answers", "grids", Axes("", (0.0, 1.0)), (), head, data, "Eight views.")


KINDS = [curves([*wavy("a"), *wavy("b")]), bars(), grids()]


@pytest.mark.parametrize("figure", KINDS, ids=lambda figure: figure.kind)
@pytest.mark.parametrize("width", ["3.5", "7"])
def test_a_page_is_as_wide_as_a_column_and_has_its_fonts_inside(figure: Figure, width: str) -> None:
    file = figures.figure_file(figure, width, "pdf")
    assert file.name == f"{figure.name}-{width}in.pdf"
    assert page_size(file.content)[0] == 72 * float(width)
    assert embedded_fonts(file.content) >= 1

    drawing = ET.fromstring(figures.figure_file(figure, width, "svg").content)
    assert drawing.attrib["width"] == f"{72 * float(width):g}pt"
    assert drawing.findall(f".//{SVG}path")
    assert not drawing.findall(f".//{SVG}text"), "letters are paths: a reader needs no font"
    assert not drawing.findall(f".//{SVG}image"), "a picture of pixels does not scale"
    ground = drawing.find(f".//{SVG}g[@id='patch_1']/{SVG}path")
    assert ground is not None
    assert "fill: #ffffff" in ground.attrib["style"]


def test_the_same_figure_is_the_same_file() -> None:
    for as_ in redraw.FORMATS:
        first, second = (figures.figure_file(KINDS[0], "3.5", as_).content for _ in range(2))
        assert first == second


def test_lines_differ_by_more_than_their_colour() -> None:
    names = [f"n{number}" for number in range(figures.MAX_LINES)]
    figure = curves([(name, "average", x, x / 40) for name in names for x in range(3)], names)
    (drawn,) = redraw.figures_of(figure.tables())
    assert len({(line["dash"], line["marker"]) for line in drawn.lines}) == figures.MAX_LINES
    assert figures.figure_file(figure, "3.5", "svg").content


def test_too_many_lines_are_refused_with_what_to_do() -> None:
    names = [str(number) for number in range(figures.MAX_LINES + 1)]
    with pytest.raises(InvalidInput, match="41 lines") as refused:
        figures.figure_file(curves([], names), "3.5", "pdf")
    assert "one line for all seeds" in refused.value.hint


@pytest.mark.parametrize("name", [NASTY, "=1+1", "a\nb\x00\x0b\ud800c", "漢字 🧩", "$", "x" * 300])
@pytest.mark.parametrize("as_", redraw.FORMATS)
def test_any_name_can_stand_in_a_figure(name: str, as_: str) -> None:
    figure = curves(wavy("a"), ["a"], unit="number")
    figure = replace(figure, title=name, looks=[Look("a", name, "#000000", 0)], note=name, runs=name)
    figure = replace(figure, axes=replace(figure.axes, x_title=name, y_title=name))
    content = figures.figure_file(figure, "3.5", as_).content
    if as_ == "svg":
        ET.fromstring(content)
    else:
        embedded_fonts(content)
    (drawn,) = redraw.figures_of(figure.tables())
    if "\n" not in name:
        assert drawn.lines[0]["label"] == name


@pytest.mark.parametrize(
    "figure",
    [
        curves([]),
        curves([], ()),
        curves([("a", "raw", 3, 0.5), ("a", "average", 3, 0.5)]),
        curves([("a", "average", x, y) for x, y in enumerate([0.1, math.nan, math.inf, -math.inf, 0.2])]),
        curves([("a", "average", 1, 0.5), ("", "nan", 2, 0.0), ("", "not positive", 3, 0.0)]),
        curves(wavy("a"), y=(-1e300, 1e300)),
        curves([("a", "average", 1, 1e-200), ("a", "average", 2, 1e200)], y=(-220.0, 220.0), is_log=True),
        curves([("a", "average", 1, 0.02)], y=(-1.8, -1.4), is_log=True, unit="share"),
        curves([("a", "average", 1, 3e9)], y=(0.0, 4e9), unit="bytes"),
        curves([("a", "average", x, x) for x in (20_000, 20_001)], x=(20_000.0, 20_001.0), is_date=True),
        bars(math.nan),
        replace(bars(), looks=(), data=()),
        replace(grids(), data=()),
    ],
)
@pytest.mark.parametrize("as_", redraw.FORMATS)
def test_whatever_a_run_recorded_is_drawn(figure: Figure, as_: str) -> None:
    content = figures.figure_file(figure, "3.5", as_).content
    if as_ == "svg":
        drawing = ET.fromstring(content)
        for path in drawing.iter(f"{SVG}path"):
            assert "nan" not in path.attrib.get("d", "")
            assert "inf" not in path.attrib.get("d", "")
    else:
        assert page_size(content)[0] == 252


def test_one_point_is_seen() -> None:
    """A line through one point has no length; its marker has."""
    empty, one = (
        figures.figure_file(curves(data, ["a"]), "3.5", "svg").content
        for data in ([], [("a", "average", 3, 0.5)])
    )
    assert one.count(b"<use ") > empty.count(b"<use ")


def test_an_archive_redraws_exactly_what_it_holds(tmp_path: Path) -> None:
    content = b"".join(
        figures.archive(
            [*KINDS, File("tables/t.tex", "application/x-tex", b"x")],
            lambda problems: [File("README.md", "text/markdown", " ".join(problems).encode())],
        )
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert len(drawn) == 4 * len(KINDS)
    assert all((tmp_path / "data" / f"{figure.name}.csv").stat().st_size for figure in KINDS)
    for path in (tmp_path / "figures").iterdir():
        path.unlink()

    # A reader's own settings of matplotlib do not change a figure.
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: none\n")
    command = [sys.executable, "redraw.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    again = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert again == drawn
    assert all(
        content == figures.figure_file(KINDS[0], "7", "svg").content for content in [drawn["chart-7in.svg"]]
    )


def test_a_changed_table_changes_the_figure(tmp_path: Path) -> None:
    tables = KINDS[0].tables()
    (before,) = redraw.figures_of(tables)
    (after,) = redraw.figures_of({**tables, "lines.csv": tables["lines.csv"].replace("#0072b2", "#123456")})
    assert b"#123456" not in redraw.drawn(before, 3.5, ["svg"])[0]
    assert b"#123456" in redraw.drawn(after, 3.5, ["svg"])[0]


def test_tables_that_a_spreadsheet_has_saved_are_drawn_the_same(tmp_path: Path) -> None:
    tables = bars().tables()
    (tmp_path / "data").mkdir()
    for name, text in tables.items():
        (tmp_path / name).write_text(text, encoding="utf-8-sig", newline="\r\n")
    redraw.main(tmp_path)
    (figure,) = redraw.figures_of(tables)
    assert (tmp_path / "figures/bars-3.5in.svg").read_bytes() == redraw.drawn(figure, 3.5, ["svg"])[0]


def test_what_cannot_be_drawn_is_left_out_and_named() -> None:
    many = replace(curves([], [str(number) for number in range(50)]), name="many", title="Too many")
    told: list[str] = []
    content = b"".join(figures.archive([many, KINDS[1]], lambda problems: told.extend(problems) or []))
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert any(name.startswith("figures/bars-") for name in names)
    assert not any("many" in name for name in names)
    assert told == ["Too many: The figure 'Too many' was not drawn: it has 50 lines."]


def test_a_lab_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(Unavailable, match="matplotlib is not installed") as refused:
        figures.figure_file(KINDS[0], "3.5", "pdf")
    assert "extra paper" in refused.value.hint


@pytest.mark.parametrize(("width", "as_", "field"), [("4", "pdf", "width"), ("3.5", "eps", "format")])
def test_other_widths_and_formats_are_refused(width: str, as_: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        figures.figure_file(KINDS[0], width, as_)
    assert refused.value.problems[0].field == field


def test_drawing_loads_nothing_before_it_is_asked_for() -> None:
    code = "import sys; import backend.kit.exports.figures; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
