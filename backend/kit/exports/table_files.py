"""Tables as files that other programs read: JSON, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from backend.kit.errors import InvalidInput
from backend.kit.exports.parquet import Kind, written
from backend.kit.format import sayable
from backend.kit.problems import not_valid

Format = Literal["json", "csv", "parquet"]
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
    file = long_table_file(name, head, [table], as_)
    return File(file.name, file.media_type, b"".join(file.parts))


def long_table_file(name: str, head: Head, tables: Iterable[Rows], as_: str) -> LongFile:
    """The same of a table that comes in parts, of which one is held at a time."""
    check_format(as_)
    parts = {"json": _json_parts, "csv": _csv_parts, "parquet": _parquet_parts}[as_]
    return LongFile(f"{name}.{as_}", MEDIA_TYPES[as_], parts(head, tables))


def check_format(as_: str) -> None:
    check("format", as_, get_args(Format))


def _json_parts(head: Head, tables: Iterable[Rows]) -> Iterator[bytes]:
    yield b"["
    before = ""
    for table in filter(None, tables):
        lines = (json.dumps(dict(zip(head, map(_said, line), strict=True))) for line in table)
        yield (before + ", ".join(lines)).encode()
        before = ", "
    yield b"]"


def _csv_parts(head: Head, tables: Iterable[Rows]) -> Iterator[bytes]:
    yield csv_text([tuple(head)]).encode()
    for table in tables:
        yield csv_text(table).encode()


def _parquet_parts(head: Head, tables: Iterable[Rows]) -> Iterator[bytes]:
    columns = (list(zip(*table, strict=True)) if table else [()] * len(head) for table in _longer(tables))
    return written(head, columns)


def _longer(tables: Iterable[Rows]) -> Iterator[Rows]:
    """The same rows in parts that are worth a group of their own."""
    gathered: list[tuple[Any, ...]] = []
    for table in tables:
        gathered += table
        if len(gathered) >= GROUP:
            yield gathered
            gathered = []
    yield gathered


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
