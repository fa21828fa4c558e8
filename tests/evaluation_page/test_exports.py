"""What an evaluation found, as files that other programs read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import ActStep, ViewVote, trace_of
from backend.domain.records import EvaluationKey, FailureMode, Prediction, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.evaluation_page import exports
from backend.kit.errors import InvalidInput, NotFound
from backend.kit.exports.parquet import written
from backend.kit.exports.table_files import Head, table_file
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"
PAIR = {"input": [[1, 2]], "output": [[2, 1]]}
SET = {"a": {"train": [PAIR], "test": [PAIR, PAIR]}, "b": {"train": [PAIR], "test": [PAIR]}}
RIGHT, WRONG = Grid.from_digits("21"), Grid.from_digits("5")


@pytest.fixture
def evaluation(engine: Engine) -> int:
    """Of three test inputs: one with two candidates, one with an empty one, one that was not reached."""
    add_run(engine, RUN)
    key = EvaluationKey("mine", step=1, weights="ema", views=2, act_steps=1, task_ids=("a", "b"))
    cast = [ViewVote(0, 0, "0123456789", RIGHT, 0.5), ViewVote(1, 3, "0213456789", WRONG, float("nan"))]
    trace = trace_of(cast, [ActStep(1, RIGHT, 0.5)], [RIGHT, WRONG])
    two = (
        Prediction(1, RIGHT, 1, 0.5, True, 1.0, None),
        Prediction(2, WRONG, 1, 0.25, False, 0.0, FailureMode.WRONG_SIZE),
    )
    empty = (Prediction(1, Grid(()), 2, 0.5, False, 0.0, FailureMode.EMPTY),)
    with session_scope(engine) as session:
        datasets.import_files(session, "mine", [(json.dumps(SET).encode(), "mine.json")])
        evaluation_id = predictions.start_evaluation(session, RUN, key)
        predictions.add_outcome(session, evaluation_id, TestOutcome("a", 0, 2, 1, two, trace=trace))
        nothing = TestOutcome("b", 0, 2, None, empty, 'a note, with "q"')
        predictions.add_outcome(session, evaluation_id, nothing)
    return evaluation_id


def export(engine: Engine, evaluation_id: int, what: str, as_: str = "json") -> bytes:
    with reading_scope(engine) as session:
        return exports.export(session, evaluation_id, what, as_).content


def test_a_submission_has_two_attempts_at_everything_asked(engine: Engine, evaluation: int) -> None:
    assert json.loads(export(engine, evaluation, "submission")) == {
        "a": [
            {"attempt_1": [[2, 1]], "attempt_2": [[5]]},
            {"attempt_1": [[0]], "attempt_2": [[0]]},
        ],
        "b": [{"attempt_1": [[0]], "attempt_2": [[0]]}],
    }


@pytest.mark.parametrize("what", ["predictions", "votes", "steps"])
def test_a_table_says_the_same_in_every_format(engine: Engine, evaluation: int, what: str) -> None:
    lines = json.loads(export(engine, evaluation, what))
    assert lines
    from_csv = list(csv.DictReader(io.StringIO(export(engine, evaluation, what, "csv").decode())))
    as_text = [{key: "" if value is None else str(value) for key, value in line.items()} for line in lines]
    assert from_csv == as_text
    assert read_parquet(export(engine, evaluation, what, "parquet")) == lines


def test_the_tables_hold_what_was_found(engine: Engine, evaluation: int) -> None:
    found = json.loads(export(engine, evaluation, "predictions"))
    assert [(line["task_id"], line["rank"], line["grid"], line["failure_mode"]) for line in found] == [
        ("a", 1, "21", None), ("a", 2, "5", "wrong size"), ("b", 1, "", "empty"),
    ]  # fmt: skip
    assert found[2]["note"] == 'a note, with "q"'
    votes = json.loads(export(engine, evaluation, "votes"))
    assert votes[1] == {
        "task_id": "a", "test_index": 0, "view": 1, "dihedral": 3, "colours": "0213456789",
        "candidate": 2, "halting_probability": None,
    }  # fmt: skip
    assert json.loads(export(engine, evaluation, "steps"))[0]["grid"] == "21"


def test_what_there_is_not_is_refused(engine: Engine, evaluation: int) -> None:
    for what, as_, field in (
        ("grids", "json", "what"),
        ("votes", "xls", "format"),
        ("submission", "csv", "format"),
    ):
        with pytest.raises(InvalidInput) as wrong:
            export(engine, evaluation, what, as_)
        assert [each.field for each in wrong.value.problems] == [field]
    with pytest.raises(NotFound):
        export(engine, 999, "votes")


def test_a_parquet_file_has_many_and_no_lines() -> None:
    kinds: Head = {"flag": "bool", "number": "int", "share": "float", "words": "text"}
    rows = [
        (None if at % 7 == 0 else at % 2 == 0, at * 2**40 - 5, at / 3, None if at % 3 else f"größe {at}")
        for at in range(1000)
    ]
    lines = [dict(zip(kinds, row, strict=True)) for row in rows]
    assert read_parquet(table_file("t", kinds, rows, "parquet").content) == lines
    assert read_parquet(table_file("t", kinds, [], "parquet").content) == []
    groups = [list(zip(*rows[start : start + 60], strict=True)) for start in range(0, 1000, 60)]
    assert read_parquet(b"".join(written(kinds, groups))) == lines
    assert read_parquet(b"".join(written(kinds, []))) == []
    with pytest.raises(ValueError, match="different lengths"):
        list(written({"a": "int", "b": "int"}, [([1], [])]))


class Compact:
    """A reader of the compact protocol, by its specification."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def value(self, kind: int) -> Any:
        if kind in (5, 6):
            raw = self.varint()
            return raw >> 1 ^ -(raw & 1)
        if kind == 8:
            length = self.varint()
            self.at += length
            return self.data[self.at - length : self.at]
        if kind == 9:
            head = self.byte()
            count = head >> 4 if head >> 4 < 15 else self.varint()
            return [self.value(head & 15) for _ in range(count)]
        assert kind == 12
        return self.struct()

    def struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        field = 0
        while head := self.byte():
            field += head >> 4
            fields[field] = self.value(head & 15)
        return fields


def read_parquet(data: bytes) -> list[dict[str, Any]]:
    """The lines of a file whose row groups have one page per column."""
    assert data[:4] == data[-4:] == b"PAR1"
    (length,) = struct.unpack("<I", data[-8:-4])
    footer = Compact(data, len(data) - 8 - length).struct()
    lines = [line for group in footer[4] for line in read_group(data, group, footer[2][1:])]
    assert len(lines) == footer[3]
    return lines


def read_group(data: bytes, group: Any, schema: list[Any]) -> list[dict[str, Any]]:
    table: dict[str, list[Any]] = {}
    for chunk, element in zip(group[1], schema, strict=True):
        metadata = chunk[3]
        page = Compact(data, metadata[9])
        header = page.struct()
        content = gzip.decompress(data[page.at : page.at + header[3]])
        assert len(content) == header[2]
        assert page.at + header[3] - metadata[9] == metadata[7]
        table[element[4].decode()] = column(content, header[5][1], metadata[1])
    assert all(len(values) == group[3] for values in table.values())
    return [dict(zip(table, line, strict=True)) for line in zip(*table.values(), strict=True)]


def column(content: bytes, count: int, physical: int) -> list[Any]:
    (length,) = struct.unpack_from("<I", content)
    run = Compact(content, 4)
    groups = run.varint() >> 1
    there = bits(content[run.at : run.at + groups])[:count]
    rest = content[4 + length :]
    present = sum(there)
    if physical == 0:
        values: list[Any] = [bool(bit) for bit in bits(rest)[:present]]
    elif physical in (2, 5):
        values = list(struct.unpack(f"<{present}{'q' if physical == 2 else 'd'}", rest))
    else:
        values = []
        while rest:
            (length,) = struct.unpack_from("<I", rest)
            values.append(rest[4 : 4 + length].decode())
            rest = rest[4 + length :]
    found = iter(values)
    return [next(found) if bit else None for bit in there]


def bits(data: bytes) -> list[int]:
    return [byte >> at & 1 for byte in data for at in range(8)]
