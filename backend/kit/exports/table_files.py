"""Tables as files that other programs read: JSON, CSV or Parquet.

A long table comes in parts, of which one is held at a time, and a part comes column by column: a column of
numbers as an array is written without a Python object for each of them.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from backend.kit.errors import InvalidInput
from backend.kit.exports.parquet import Kind, written
from backend.kit.format import sayable
from backend.kit.problems import not_valid

if TYPE_CHECKING:
    from numpy.typing import NDArray

Format = Literal["json", "csv", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
MEDIA_TYPES: dict[str, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
# What begins a formula, in full width as well; a spreadsheet skips spaces before it.
_FORMULA = re.compile(r"[\t\r]|[\s\u200b\ufeff]*[=+\-@＝＋－＠]")
_NUMBER = re.compile(
    r"[+-]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?\s?%?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE
)
GROUP = 10_000  # rows of a group of a Parquet file
Head = dict[str, Kind]  # name of a column -> what its values are
Rows = Sequence[tuple[Any, ...]]
# One column: whole numbers or floats as an array (masked where values are missing), or any values and None.
Values: TypeAlias = "Sequence[Any] | NDArray[Any]"
Columns = Sequence[Values]


@dataclass(frozen=True)
class File:
    """A file to take along."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class LongFile:
    """A file that is made part by part, while it is taken along."""

    name: str
    media_type: str
    parts: Iterator[bytes]


def table_file(name: str, head: Head, table: Rows, as_: str) -> File:
    """The table, a tuple per line, None where a value is missing, as `name` in one of the formats.

    NaN and infinity are values: `NaN`, `Infinity` and `-Infinity` in CSV, the same as texts in JSON, which
    has no such numbers, and the numbers themselves in Parquet.
    InvalidInput for another format.
    """
    file = long_table_file(name, head, [columns_of(head, table)], as_)
    return File(file.name, file.media_type, b"".join(file.parts))


def long_table_file(name: str, head: Head, tables: Iterable[Columns], as_: str) -> LongFile:
    """The same of a table that comes in parts, of which one is held at a time."""
    check_format(as_)
    parts = {"json": _json_parts, "csv": csv_parts, "parquet": _parquet_parts}[as_]
    return LongFile(f"{name}.{as_}", MEDIA_TYPES[as_], parts(head, tables))


def columns_of(head: Head, rows: Rows) -> Columns:
    """Rows as columns."""
    return list(zip(*rows, strict=True)) if rows else [()] * len(head)


def check_format(as_: str) -> None:
    check("format", as_, FORMATS)


def _json_parts(head: Iterable[str], tables: Iterable[Columns]) -> Iterator[bytes]:
    members = (f"{json.dumps(name)}: ".replace("%", "%%") + "%s" for name in head)
    line = "{" + ", ".join(members) + "}"
    yield b"["
    before = ""
    for columns in tables:
        lines = ", ".join(map(line.__mod__, zip(*map(_in_json, columns), strict=True)))
        if lines:
            yield (before + lines).encode()
            before = ", "
    yield b"]"


def csv_parts(head: Iterable[str], tables: Iterable[Columns]) -> Iterator[bytes]:
    """A table as CSV: the line of names, then the lines of each part."""
    yield csv_text([tuple(head)]).encode()
    for columns in tables:
        lines = map(",".join, zip(*map(_in_csv, columns), strict=True))
        yield "".join([f"{line}\r\n" for line in lines]).encode()


def _parquet_parts(head: Head, tables: Iterable[Columns]) -> Iterator[bytes]:
    return written(head, _longer(head, tables))


def _longer(head: Head, tables: Iterable[Columns]) -> Iterator[Columns]:
    """The same rows in parts that are worth a group of their own."""
    gathered: list[Columns] = []
    rows, is_empty = 0, True
    for columns in tables:
        gathered.append(columns)
        rows += len(columns[0])
        if rows >= GROUP:
            yield [_joined(values) for values in zip(*gathered, strict=True)]
            gathered, rows, is_empty = [], 0, False
    if rows or is_empty:
        yield [_joined(values) for values in zip(*gathered, strict=True)] or [()] * len(head)


def _joined(parts: Sequence[Values]) -> Values:
    """The parts of a column as one."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) < len(parts):
        return list(chain.from_iterable(parts))
    whole = np.concatenate([np.ma.getdata(array) for array in arrays])
    if not any(isinstance(array, np.ma.MaskedArray) for array in arrays):
        return whole
    return np.ma.MaskedArray(whole, np.concatenate([np.ma.getmaskarray(array) for array in arrays]))


def _in_csv(values: Values) -> Sequence[str]:
    """The cells of a column, ready to be joined by commas."""
    import numpy as np

    if isinstance(values, np.ndarray):
        return _numbers(values, missing="", quote="")
    texts = {value for value in values if isinstance(value, str)}  # of which most repeat, often
    cells = {text: csv_text([(text, "")]).removesuffix(",\r\n") for text in texts}
    return [
        cells[value] if isinstance(value, str) else "" if value is None else str(_said(value))
        for value in values
    ]


def _in_json(values: Values) -> Sequence[str]:
    """The values of a column as JSON."""
    import numpy as np

    if isinstance(values, np.ndarray):
        return _numbers(values, missing="null", quote='"')
    texts = {value: json.dumps(value) for value in values if isinstance(value, str)}
    return [texts[value] if isinstance(value, str) else json.dumps(_said(value)) for value in values]


def _numbers(values: NDArray[Any], missing: str, quote: str) -> list[str]:
    """Numbers as Python writes them; NaN and infinity by their names, in quotes."""
    import numpy as np

    if isinstance(values, np.ma.MaskedArray):
        texts = np.full(len(values), missing, dtype=object)
        texts[~np.ma.getmaskarray(values)] = _numbers(values.compressed(), missing, quote)
        whole: list[str] = texts.tolist()
        return whole
    if not len(values):
        return []
    import orjson

    plain = np.ascontiguousarray(values)
    written_out = orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",")
    if plain.dtype.kind == "f":
        # The digits are the same; small and large numbers have their exponent in another form.
        size = np.abs(plain)
        usual = (size >= 1e-4) & (size < 1e16) | (size == 0)
        for place in np.flatnonzero(~usual).tolist():
            said = sayable(float(plain[place]))
            written_out[place] = f"{quote}{said}{quote}" if isinstance(said, str) else repr(said)
    return written_out


def csv_text(rows: Iterable[Sequence[object]], line_end: str = "\r\n") -> str:
    """Rows as CSV, in which no text is a formula: a spreadsheet would compute it, and could send cells away.

    A text that a spreadsheet would take for one has an apostrophe before it; numbers, also as text, have not.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(
        [_harmless(_said(cell)) for cell in row] for row in rows
    )
    return text.getvalue()


def _harmless(cell: object) -> object:
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def _said(value: Any) -> Any:
    return sayable(value) if isinstance(value, float) else value


def check(field: str, value: str, known: Sequence[str]) -> None:
    """InvalidInput unless the value is one of those known."""
    if value not in known:
        raise InvalidInput("Nothing was exported.", problems=[not_valid(field, value, known)])
