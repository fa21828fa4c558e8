"""The table of runs and the curves of one as files."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from sqlalchemy import Engine, delete, insert

from backend.db.session import session_scope
from backend.domain.records import MetricFrame
from backend.kit.errors import InvalidInput, NotFound
from backend.lifecycle import external_runs
from backend.metrics import service as series
from backend.runs.tables import Run
from backend.runs_table import exports as run_exports
from tests.comparison.test_compare import evaluate, queued


@pytest.fixture
def two(engine: Engine) -> list[str]:
    """An evaluated run whose loss diverged, and one that has nothing."""
    first, second = queued(engine, name="first"), queued(engine, name="second", seed=1)
    evaluate(engine, first, 3)
    with session_scope(engine) as session:
        series.append(session, first, MetricFrame([5, 10], [1.0, 2.0], {"loss": [0.5, math.nan]}))
    return [first, second]


def exported(engine: Engine, run_id: str, as_: str) -> bytes:
    return b"".join(run_exports.curves(engine, run_id, None, as_).parts)


def test_every_run_goes_out_with_its_scores_and_the_columns_asked_for(engine: Engine, two: list[str]) -> None:
    file = run_exports.table(engine, "", ["training.steps", "loss:min"], "name", "csv")
    first, second = csv.DictReader(io.StringIO(b"".join(file.parts).decode()))

    assert file.name == "runs.csv"
    assert [first["id"], second["id"]] == two
    assert [first[name] for name in ("pass1", "pass1_solved", "pass1_tasks")] == ["0.25", "3.0", "12"]
    assert first["measured_on"] == "held-out, step 100 · EMA weights · 8 views · 4 ACT steps · 12 tasks"
    assert float(first["pass1_low"]) < 0.25 < float(first["pass1_high"])
    assert (second["pass1"], second["loss:min"]) == ("", "")
    assert (first["loss:min"], first["training.steps"]) == ("0.5", "600")


def test_every_point_goes_out_nan_included(engine: Engine, two: list[str]) -> None:
    told = json.loads(exported(engine, two[0], "json"))
    lines = exported(engine, two[0], "csv").decode().splitlines()
    nothing = exported(engine, two[1], "parquet")

    assert told[0] == {"metric": "loss", "step": 5, "wall_time": 1.0, "value": 0.5}
    assert told[1]["value"] == "NaN"
    assert lines == ["metric,step,wall_time,value", "loss,5,1.0,0.5", "loss,10,2.0,NaN"]
    assert nothing.startswith(b"PAR1")


def test_what_cannot_be_exported_is_told(engine: Engine, two: list[str]) -> None:
    with pytest.raises(InvalidInput, match="exported"):
        run_exports.table(engine, "", [], "", "xlsx")
    with pytest.raises(InvalidInput):
        run_exports.table(engine, "", ["training.stepz"], "", "csv")
    with pytest.raises(InvalidInput):
        run_exports.curves(engine, two[0], None, "xlsx")
    with pytest.raises(NotFound):
        run_exports.curves(engine, "zzzzzzzzzz", None, "csv")


def test_a_script_may_call_a_field_as_trainings_call_a_metric(engine: Engine, two: list[str]) -> None:
    with session_scope(engine) as session:
        external_runs.create(session, "mine", {"loss": "mse"})
    file = run_exports.table(engine, "", ["loss:min", "loss"], "-loss:min", "csv")
    lines = csv.DictReader(io.StringIO(b"".join(file.parts).decode()))
    assert [(line["loss:min"], line["loss"]) for line in lines] == [("0.5", "nan"), ("", "mse"), ("", "")]


@pytest.mark.parametrize("as_", ["csv", "json"])
def test_a_script_may_call_a_field_as_the_file_calls_a_column(
    engine: Engine, two: list[str], as_: str
) -> None:
    """Every value stands under its own name, those of the file's own columns under theirs."""
    with session_scope(engine) as session:
        external_runs.create(session, "mine", {"protocol": "http", "pass1_low": 7})
    asked = ["protocol", "pass1_low", "config.protocol"]
    text = b"".join(run_exports.table(engine, "", asked, "name", as_).parts).decode()
    lines = json.loads(text) if as_ == "json" else list(csv.DictReader(io.StringIO(text), strict=True))
    first, mine, _ = lines
    assert (mine["config.protocol"], mine["protocol_"], str(mine["pass1_low_"])) == ("http", "http", "7")
    assert (first["measured_on"] or "").startswith("held-out")
    assert float(first["pass1_low"]) < 0.25 < float(first["pass1_high"])
    assert first["protocol"] not in ("", "http", None)


def test_a_long_table_goes_out_part_by_part(engine: Engine) -> None:
    made = {"origin": "training", "status": "finished", "config": {}, "created_at": 1.0}
    ids = [f"run{number:04d}aaa" for number in range(2 * run_exports.PART + 1)]
    with session_scope(engine) as session:
        session.execute(
            insert(Run), [{"id": run_id, "name": run_id, "seed": at, **made} for at, run_id in enumerate(ids)]
        )
    head, *parts = run_exports.table(engine, "", [], "-seed", "csv").parts

    assert [len(part.splitlines()) for part in parts] == [run_exports.PART, run_exports.PART, 1]
    lines = csv.DictReader(io.StringIO((head + b"".join(parts)).decode()))
    assert [line["id"] for line in lines] == ids[::-1]

    file = run_exports.table(engine, "", [], "seed", "json").parts
    first = next(file) + next(file)
    with session_scope(engine) as session:  # goes while the file is taken along
        session.execute(delete(Run).where(Run.id == ids[-1]))
    assert len(json.loads(first + b"".join(file))) == len(ids) - 1
