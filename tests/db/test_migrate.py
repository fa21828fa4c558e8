"""Migrations: complete, in agreement with the models, and safe to run at once."""

from __future__ import annotations

import json
import multiprocessing
import zlib
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Connection, Engine, Insert, MetaData, String, Table, inspect, text
from sqlalchemy.orm import Session

from backend import schema as tables
from backend.db.base import Base
from backend.db.migrate import upgrade
from backend.db.session import make_engine
from backend.domain.config.presets import PRESETS
from backend.domain.measurement import Protocol, as_json
from backend.domain.trained_on import SetPart, TrainedOn, pack
from backend.kit.errors import Conflict, Unavailable
from backend.run_view import scores as run_scores
from backend.runs import trained_on
from tests.support.databases import PostgresDatabases

RUN_OF_THE_FIRST_SCHEMA = """
INSERT INTO run (id, name, origin, variant, status, status_cause, phase, config, parent_id, done, total, step,
                 attempt, cancel_requested, created_at, traceback, tags, notes)
VALUES ('{id}', 'mine', 'training', 'trm', 'finished', '', '', '{{"seed": 3}}', {parent}, 7, 7, 7,
        1, '0', 1.5, '', '[]', '')
"""
CONFIG_AS_STORED = {"sqlite": '{"seed": 3}', "postgres": "{'seed': 3}"}


def test_migrations_agree_with_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_second_upgrade_changes_nothing(engine: Engine, database_url: str) -> None:
    before = inspect(engine).get_table_names()
    upgrade(database_url)
    assert inspect(engine).get_table_names() == before


def test_the_folder_of_a_new_sqlite_file_is_made(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/new/folder with 100%/etrm.sqlite3")
    assert (tmp_path / "new/folder with 100%/etrm.sqlite3").exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_two_processes_may_upgrade_an_empty_database_at_once(
    kind: str, tmp_path: Path, postgres_databases: PostgresDatabases
) -> None:
    url = f"sqlite:///{tmp_path}/etrm.sqlite3" if kind == "sqlite" else postgres_databases.new_empty()
    spawn = multiprocessing.get_context("spawn")
    starters = [spawn.Process(target=upgrade, args=(url,)) for _ in range(2)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert [starter.exitcode for starter in starters] == [0, 0]
    engine = make_engine(url)
    assert set(Base.metadata.tables) < set(inspect(engine).get_table_names())
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_runs_of_the_first_schema_and_all_that_is_theirs_survive_the_upgrade(
    kind: str, tmp_path: Path, postgres_databases: PostgresDatabases
) -> None:
    url = f"sqlite:///{tmp_path}/etrm.sqlite3" if kind == "sqlite" else postgres_databases.new_empty()
    upgrade(url, "0001")
    engine = make_engine(url)
    with engine.begin() as connection:
        for run_id, parent in (("parent", "NULL"), ("child", "'parent'")):
            connection.execute(text(RUN_OF_THE_FIRST_SCHEMA.format(id=run_id, parent=parent)))
        connection.execute(
            text("INSERT INTO log_line (run_id, wall_time, level, text) VALUES ('child', 1, 'info', 'kept')")
        )

    upgrade(url)

    with engine.begin() as connection:
        found = connection.execute(text("SELECT id, parent_id, group_id, config, step FROM run ORDER BY id"))
        assert [(*row[:3], str(row[3]), row[4]) for row in found] == [
            ("child", "parent", None, CONFIG_AS_STORED[kind], 7),
            ("parent", None, None, CONFIG_AS_STORED[kind], 7),
        ]
        assert connection.execute(text("SELECT text FROM log_line")).scalar_one() == "kept"
        connection.execute(text("DELETE FROM run WHERE id = 'parent'"))
        assert connection.execute(text("SELECT parent_id FROM run")).scalar_one() is None
        connection.execute(text("DELETE FROM run"))
        assert connection.execute(text("SELECT count(*) FROM log_line")).scalar_one() == 0
        connection.execute(
            text(
                "INSERT INTO run_group (id, name, sweep, config, created_at) VALUES ('g', 'g', '{}', '{}', 1)"
            )
        )
    engine.dispose()


def test_an_unreachable_server_is_said_in_words() -> None:
    with pytest.raises(Unavailable, match="Could not use the database"):
        upgrade("postgresql+psycopg://nobody@127.0.0.1:1/etrm")


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match=r"cannot be made: Not a directory\. Set ETRM_HOME"):
        upgrade(f"sqlite:///{tmp_path}/file/folder/etrm.sqlite3")


def test_a_file_that_is_no_database_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "etrm.sqlite3").write_text("not a database " * 100)
    with pytest.raises(Unavailable, match="file is not a database"):
        upgrade(f"sqlite:///{tmp_path}/etrm.sqlite3")


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_the_database_of_a_later_version_is_left_alone(request: pytest.FixtureRequest, kind: str) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(Conflict, match="Update the program"):
        upgrade(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_scores_kept_as_words_get_the_protocol_of_the_run_s_held_out_result(
    kind: str, tmp_path: Path, postgres_databases: PostgresDatabases
) -> None:
    url = f"sqlite:///{tmp_path}/etrm.sqlite3" if kind == "sqlite" else postgres_databases.new_empty()
    upgrade(url, "leaner_segments")
    engine = make_engine(url)
    with engine.begin() as connection:
        for run_id, scores in (("scored", {"1": [3, 8], "how": "held-out · 8 views"}), ("unscored", {})):
            connection.execute(insert_run(connection, run_id, scores))
        evaluations = Table("evaluation", MetaData(), autoload_with=connection)
        for set_name, step, status, views in (
            ("held-out", 100, "finished", 2),
            ("held-out", 200, "finished", 8),
            ("held-out", 300, "running", 1),
            ("trained", 200, "finished", 4),
        ):
            connection.execute(
                evaluations.insert().values(
                    run_id="scored", set_name=set_name, step=step, status=status, views=views, weights="ema",
                    act_steps=4, search="", canvas="trimmed +2", tasks_digest="abc", task_ids=["a", "b"],
                    passes={"1": [3, 8], "2": [0, 0]}, failure_modes={}, seconds=0.0, extras={},
                    created_at=1.0,
                )
            )  # fmt: skip

    upgrade(url, "protocols")

    with engine.connect() as connection:
        runs = Table("run", MetaData(), autoload_with=connection)
        kept = {run.id: run.scores for run in connection.execute(runs.select())}
    protocol = Protocol(
        set_name="held-out", tasks_digest="abc", n=2, weights="ema", views=8, act_steps=4, canvas="trimmed +2"
    )
    assert kept == {"scored": {"1": [3, 8], "protocol": as_json(protocol)}, "unscored": {}}
    engine.dispose()


def test_an_alarm_that_an_evaluation_raised_of_its_run_goes_and_the_others_stay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/etrm.sqlite3"
    upgrade(url, "audit_trail")
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(insert_run(connection, "older", {}))
        alarms = Table("alarm", MetaData(), autoload_with=connection)
        for name in ("leak", "memorisation"):
            connection.execute(
                alarms.insert().values(
                    run_id="older", name=name, step=1, text="", delivery_attempts=0, delivery_error=""
                )
            )

    upgrade(url)

    with Session(engine) as session:
        assert [alarm.name for alarm in session.query(tables.Alarm)] == ["memorisation"]
        assert session.query(tables.TrainedOn).count() == 0
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_side_evaluation_gives_the_score_back_to_the_config_s_own(
    kind: str, tmp_path: Path, postgres_databases: PostgresDatabases
) -> None:
    url = f"sqlite:///{tmp_path}/etrm.sqlite3" if kind == "sqlite" else postgres_databases.new_empty()
    upgrade(url, "audit_trail")
    engine = make_engine(url)
    config = PRESETS["quick"].make().model_dump(mode="json")
    held_out = config["evaluation"]["sets"][0]["name"]
    own = {"views": config["evaluation"]["views"], "act_steps": config["model"]["act"]["max_steps"]}
    with engine.begin() as connection:
        connection.execute(insert_run(connection, "searched", {"1": [20, 24]}, config))
        evaluations = Table("evaluation", MetaData(), autoload_with=connection)
        for solved, how in (
            (9, own | {"step": 300}),
            (10, own | {"step": 600}),
            (20, own | {"step": 600, "search": '{"kind":"gradient"}'}),
            (21, own | {"step": 600, "views": 999}),
            (22, own | {"step": 600, "set_name": "elsewhere"}),
        ):
            fields = {"set_name": held_out, "search": ""} | how
            connection.execute(
                evaluations.insert().values(
                    **fields, run_id="searched", status="finished", weights="ema", canvas="",
                    tasks_digest="abc", task_ids=["a", "b"], passes={"1": [solved, 24]}, failure_modes={},
                    seconds=0.0, extras={}, created_at=1.0,
                )
            )  # fmt: skip

    upgrade(url)

    with Session(engine) as session:
        (run,) = session.query(tables.Run)
        migrated = dict(run.scores)
        run_scores.keep(session, "searched")
        assert migrated == run.scores  # as the services would keep it
    assert migrated["1"] == [10, 24]
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_records_of_before_say_which_start_is_unknown(
    kind: str, tmp_path: Path, postgres_databases: PostgresDatabases
) -> None:
    """And so do those of runs that started from such a run."""
    url = f"sqlite:///{tmp_path}/etrm.sqlite3" if kind == "sqlite" else postgres_databases.new_empty()
    upgrade(url, "search_depth")
    engine = make_engine(url)
    starts = {
        "fromfile": {"kind": "checkpoint", "path": "/somewhere/trm.pt"},
        "fork": {"kind": "run", "run": "fromfile"},
        "known": {"kind": "run", "run": "plain"},
        "lost": {"kind": "run", "run": "gone"},
        "plain": {"kind": "seed"},
    }
    with engine.begin() as connection:
        for run_id, start in starts.items():
            config = {"training": {"initialise_from": start}}
            connection.execute(insert_run(connection, run_id, {"1": [3, 8]}, config))
            before = ("a",) if run_id in ("fork", "known") else ()
            record = TrainedOn(1, {"mine": SetPart(("b",), before=before)}, str(start.get("run", "")))
            rows = Table("trained_on", MetaData(), autoload_with=connection)
            values = {"run_id": run_id, "asked": 1, "tasks": 1, "demonstrations": 0, "left_out": {}}
            connection.execute(rows.insert().values(**values, packed=older(record)))

    upgrade(url)

    unknown = dict.fromkeys(("fromfile", "fork"), "checkpoint file trm.pt") | {"lost": "run gone"}
    with Session(engine) as session:
        for run_id in starts:
            (shortage,) = trained_on.shortages(session, [run_id]).values()
            record = trained_on.of_run(session, run_id)
            run = session.get(tables.Run, run_id)
            assert record
            assert run
            assert record.unknown_start == shortage.unknown_start == unknown.get(run_id, "")
            assert record.whole("mine") == ({"a", "b"} if run_id in ("fork", "known") else {"b"})
            assert run.scores == {"1": [3, 8]} | ({"unknown": True} if run_id in unknown else {})
    engine.dispose()


def older(record: TrainedOn) -> bytes:
    """The record as it was packed before it said anything of an unknown start."""
    stored = json.loads(zlib.decompress(pack(record)))
    del stored["unknown_start"]
    for part in stored["sets"].values():
        del part["demonstrations_before"]
    return zlib.compress(json.dumps(stored).encode())


def insert_run(
    connection: Connection, run_id: str, scores: dict[str, object], config: dict[str, object] | None = None
) -> Insert:
    """A finished run with every column that must have a value, in the schema there is."""
    runs = Table("run", MetaData(), autoload_with=connection)
    small = {"data": {"training_sets": ["trained"]}, "evaluation": {"sets": [{"name": "held-out"}]}}
    values: dict[str, object] = {
        "id": run_id,
        "config": config or small,
        "scores": scores,
        "status": "finished",
    }
    for column in runs.columns:
        if column.name not in values and not column.nullable and column.server_default is None:
            empty = [] if column.name == "tags" else {} if isinstance(column.type, JSON) else ""
            values[column.name] = empty if isinstance(column.type, String | JSON) else 0
    return runs.insert().values(**values)
