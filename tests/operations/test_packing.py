"""A packed run, unpacked elsewhere or where it was deleted, is the same row by row and file by file."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, select

from backend.data import queries as sets
from backend.data import service as datasets
from backend.db.migrate import upgrade
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.arc.files import read_built_in
from backend.kit.errors import Conflict, EtrmError, InvalidInput
from backend.lifecycle import service as runs
from backend.operations import backup, packed_rows, packing, restore
from backend.runs import checkpoints
from backend.runs.tables import Run
from backend.settings import Settings
from tests.support.databases import PostgresDatabases
from tests.support.lab import etrm
from tests.support.records.recorded import record_checkpoint, record_evaluation_job, record_run
from tests.support.releases.kept import releases

# What is of the lab and not of the run; and of its parent and group, which another lab may not have.
OF_THE_LAB = {"owner_id", "lease_until", "parent_id", "group_id"}


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def rows_of(engine: Engine, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """Table -> the run's rows in their order, each number that the database gave as its place among them."""
    found: dict[str, list[dict[str, Any]]] = {}
    places: dict[Any, dict[int, int]] = {}
    with reading_scope(engine) as session:
        for table in packed_rows._tables():
            order = list(table.primary_key.columns)
            query = select(*table.columns).where(packed_rows._owned(table, run_id)).order_by(*order)
            rows = [dict(row) for row in session.execute(query).mappings()]
            if table.name == "run_event":
                rows = [row for row in rows if row["kind"] != "unpacked"]
            found[table.name] = [told(row, table, places, number) for number, row in enumerate(rows)]
    return found


def told(row: dict[str, Any], table: Table, places: dict[Any, dict[int, int]], number: int) -> dict[str, Any]:
    counted = table.autoincrement_column
    if counted is not None and not counted.foreign_keys:
        places.setdefault(counted, {})[row[counted.name]] = number
        row[counted.name] = number
    for key in table.foreign_keys:
        if key.column in places and row[key.parent.name] is not None:
            row[key.parent.name] = places[key.column][row[key.parent.name]]
    evaluations = next((known for column, known in places.items() if column.table.name == "evaluation"), {})
    for name in ("data", "judgement"):
        row[name] = placed(row.get(name), evaluations)
    return {name: repr(value) for name, value in row.items() if name not in OF_THE_LAB}


def placed(value: Any, evaluations: dict[int, int]) -> Any:
    """An evaluation that JSON names, by its place; events come before evaluations are known: theirs is left
    to `test_json_names_the_evaluations_of_the_lab`."""
    if isinstance(value, dict):
        return {key: "…" if key == "evaluation" else placed(each, evaluations) for key, each in value.items()}
    return [placed(each, evaluations) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param("sqlite", "postgres", marks=pytest.mark.postgres),
        pytest.param("postgres", "sqlite", marks=pytest.mark.postgres),
    ],
)
@pytest.mark.slow
def test_every_kind_of_run_is_the_same_in_another_lab(
    source: str, target: str, tmp_path: Path, postgres_databases: PostgresDatabases
) -> None:
    """The runs of a recorded release, which has every kind of row, into a lab that has rows of its own."""
    (tmp_path / "lab").mkdir()
    release = releases()[-1]
    url = f"sqlite:///{tmp_path / 'lab' / 'etrm.sqlite3'}"
    if source == "sqlite":
        release.as_sqlite(tmp_path / "lab")
    else:
        url = postgres_databases.new_empty()
        release.as_postgres(tmp_path / "old", url)
    upgrade(url)
    on_disk = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    other_url = on_disk if target == "sqlite" else postgres_databases.new_empty()
    upgrade(other_url)
    settings = Settings(home=tmp_path, artifacts=tmp_path / "artifacts")
    elsewhere = Settings(home=tmp_path, artifacts=tmp_path / "elsewhere")
    settings.artifacts.mkdir()
    with engine_of(url) as lab, engine_of(other_url) as other:
        with session_scope(other) as session:
            datasets.seed_built_in(session)
        record_run(other, points=30, tasks=2)
        packed = []
        with reading_scope(lab) as session:
            ids = sorted(session.scalars(select(Run.id)))
        for run_id in ids:
            file = tmp_path / f"{run_id}.etrm"
            try:
                packing.pack(lab, settings, run_id, file, overwrite=False, weights=False)
            except Conflict:  # neither over nor free of evaluations: tried below
                continue
            packing.unpack(other, elsewhere, file)
            packed.append(run_id)
        assert len(packed) >= 5
        tables = set()
        for run_id in packed:
            mine = rows_of(lab, run_id)
            mine["checkpoint"], mine["checkpoint_alias"] = [], []  # packed without weights
            theirs = rows_of(other, run_id)
            assert theirs == mine
            tables |= {name for name, rows in mine.items() if rows}
        assert {"series_segment", "evaluation", "outcome", "prediction", "log_line", "alarm"} <= tables


@pytest.fixture
def lab(sqlite_url: str, tmp_path: Path) -> Iterator[tuple[Engine, Settings, str]]:
    """A lab with a finished run that has checkpoints with files, an evaluation and an imported set."""
    settings = Settings(home=tmp_path, artifacts=tmp_path / "artifacts")
    with engine_of(sqlite_url) as engine:
        with session_scope(engine) as session:
            datasets.seed_built_in(session)
        run_id = record_run(engine, points=50, tasks=3)
        with session_scope(engine) as session:
            for row in session.scalars(select(packed_rows.Evaluation)):
                row.set_name = "mine/few"
            assert sets.add_set_once(session, "mine/few", "imported", 1.0)
            sets.add_tasks(session, "mine/few", read_built_in("arc-agi-1/training")[:3])
            checkpoints.forget_after(session, run_id, -1)
        record_checkpoint(engine, settings.artifacts, run_id, 40)
        yield engine, settings, run_id


def files_of(settings: Settings, run_id: str) -> dict[str, bytes]:
    folder = settings.artifacts / run_id
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_deleted_run_comes_back_whole(lab: tuple[Engine, Settings, str], tmp_path: Path) -> None:
    engine, settings, run_id = lab
    rows, files = rows_of(engine, run_id), files_of(settings, run_id)
    assert files
    file = tmp_path / "run.etrm"
    manifest = packing.pack(engine, settings, run_id, file, overwrite=False, weights=True)
    assert (manifest.run, manifest.checkpoints) == (run_id, 1)
    with pytest.raises(Conflict, match=f"This lab has a run {run_id}"):
        packing.unpack(engine, settings, file)
    assert (rows_of(engine, run_id), files_of(settings, run_id)) == (rows, files)
    with session_scope(engine) as session:
        runs.delete(session, run_id)
        sets.delete_set(session, "mine/few")
    runs.remove_artifacts(settings, run_id)

    again, known = packing.unpack(engine, settings, file)

    assert (again, known) == (run_id, [])
    assert (rows_of(engine, run_id), files_of(settings, run_id)) == (rows, files)
    with reading_scope(engine) as session:
        assert len(sets.tasks_of(session, "mine/few")) == 3
    second = tmp_path / "again.etrm"
    packing.pack(engine, settings, run_id, second, overwrite=False, weights=True)
    parts = [
        {part.name: part.sha256 for part in packed.parts if part.name.startswith("artifacts/")}
        for packed in (manifest, packing.pack(engine, settings, run_id, second, overwrite=True, weights=True))
    ]
    assert parts[0] == parts[1]


def test_json_names_the_evaluations_of_the_lab(lab: tuple[Engine, Settings, str], tmp_path: Path) -> None:
    engine, settings, run_id = lab
    with session_scope(engine) as session:
        run = session.get(Run, run_id)
        assert run is not None
        evaluation = session.scalars(
            select(packed_rows.Evaluation.id).where(packed_rows.Evaluation.run_id == run_id)
        ).first()
        run.judgement = {"evidence": [{"evaluation": evaluation, "value": 1}, {"evaluation": None}]}
    file = tmp_path / "run.etrm"
    packing.pack(engine, settings, run_id, file, overwrite=False, weights=False)
    with session_scope(engine) as session:
        runs.delete(session, run_id)
    runs.remove_artifacts(settings, run_id)
    record_run(engine, tasks=3)  # takes the numbers

    packing.unpack(engine, settings, file)

    with reading_scope(engine) as session:
        run = session.get(Run, run_id)
        assert run is not None
        own = set(
            session.scalars(select(packed_rows.Evaluation.id).where(packed_rows.Evaluation.run_id == run_id))
        )
        one, other = run.judgement["evidence"]
        assert one["evaluation"] in own
        assert one["evaluation"] != evaluation
        assert other["evaluation"] is None


def test_a_damaged_file_adds_nothing(lab: tuple[Engine, Settings, str], tmp_path: Path) -> None:
    engine, settings, run_id = lab
    file = tmp_path / "run.etrm"
    packing.pack(engine, settings, run_id, file, overwrite=False, weights=True)
    with session_scope(engine) as session:
        runs.delete(session, run_id)
    runs.remove_artifacts(settings, run_id)
    with zipfile.ZipFile(file) as archive:
        database = archive.getinfo("database.sqlite3")
    content = bytearray(file.read_bytes())
    content[database.header_offset + 100 + database.compress_size // 2] ^= 0xFF  # well inside of it
    file.write_bytes(content)

    with pytest.raises(EtrmError, match=r"is damaged|not a complete backup"):
        packing.unpack(engine, settings, file)

    with reading_scope(engine) as session:
        assert session.get(Run, run_id) is None
    assert not (settings.artifacts / run_id).exists()


def rewritten(file: Path, statement: str = "", extra: str = "", with_files: bool = True) -> Path:
    """The file as somebody else could have made it: other rows, other files, and sums that fit."""
    target = file.with_name("crafted.etrm")
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(parts.pop("manifest.json"))
    database = file.with_name("crafted.sqlite3")
    database.write_bytes(parts["database.sqlite3"])
    with closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute(statement or "SELECT 1").rowcount
    parts["database.sqlite3"] = database.read_bytes()
    if not with_files:
        parts = {"database.sqlite3": parts["database.sqlite3"]}
    if extra:
        parts[extra] = b"of somebody else"
    manifest["parts"] = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in parts.items()
    ]
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return target


CRAFTED = (
    # (statement, another file)
    ("UPDATE log_line SET run_id = 'OTHER'", ""),
    ("UPDATE run SET status = 'running'", ""),
    ("UPDATE run SET id = 'aaaaaaaaaa'", ""),
    ("DELETE FROM run", ""),
    ("DELETE FROM evaluation", ""),  # its outcomes would be those of the evaluation of this number here
    ("DELETE FROM series WHERE id = (SELECT min(id) FROM series)", ""),
    ("UPDATE checkpoint SET path = 'OTHER/checkpoints/step-0000000040'", ""),
    ("UPDATE checkpoint SET path = run_id || '/../OTHER/checkpoints/step-0000000040'", ""),
    ("UPDATE run SET config = 'no JSON'", ""),
    ("UPDATE log_line SET wall_time = 'yesterday'", ""),
    ("", "artifacts/OTHER/checkpoints/step-0000000040/raw.safetensors"),
    ("", "artifacts/RUN/../OTHER/file"),
    ("", "artifacts/RUN.sqlite3"),
)


def test_a_file_that_holds_more_than_its_run_adds_nothing(
    lab: tuple[Engine, Settings, str], tmp_path: Path
) -> None:
    """It may come from anybody: it must not write rows or files of another run."""
    engine, settings, run_id = lab
    other = record_run(engine, points=20, tasks=2)
    file = tmp_path / "run.etrm"
    packing.pack(engine, settings, run_id, file, overwrite=False, weights=True)
    with session_scope(engine) as session:
        runs.delete(session, run_id)
    runs.remove_artifacts(settings, run_id)
    before = rows_of(engine, other)
    (settings.artifacts / f".unpack-{2**31 - 1}-left" / "artifacts").mkdir(parents=True)  # of a killed one
    for statement, extra in CRAFTED:
        extra_here = extra.replace("OTHER", other).replace("RUN", run_id)
        crafted = rewritten(file, statement.replace("OTHER", other), extra_here)

        with pytest.raises(InvalidInput, match=r"is damaged: its (database|manifest) .* run"):
            packing.unpack(engine, settings, crafted)

        assert rows_of(engine, other) == before, statement
        assert not any(settings.artifacts.iterdir()), extra
        with reading_scope(engine) as session:
            assert list(session.scalars(select(Run.id))) == [other], statement
    packing.unpack(engine, settings, file)
    assert files_of(settings, run_id)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 10}, "the size of database.sqlite3 differs"),
        ({"run": "../../elsewhere"}, "its manifest names no run"),
        ({"run": "/tmp/elsewhere"}, "its manifest names no run"),
    ],
)
def test_a_manifest_that_lies_is_refused_before_anything_is_written(
    lab: tuple[Engine, Settings, str], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    """A part that would fill the disk, and a run whose name leads out of the artifacts."""
    engine, settings, run_id = lab
    file = tmp_path / "run.etrm"
    packing.pack(engine, settings, run_id, file, overwrite=False, weights=False)
    crafted = rewritten(file)
    with zipfile.ZipFile(crafted) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(parts["manifest.json"])
    manifest.update({name: value for name, value in change.items() if name in manifest})
    manifest["parts"][0].update({name: value for name, value in change.items() if name == "size"})
    with zipfile.ZipFile(crafted, "w") as archive:
        for name, content in (parts | {"manifest.json": json.dumps(manifest).encode()}).items():
            archive.writestr(name, content)

    with pytest.raises(InvalidInput, match=said):
        packing.unpack(engine, settings, crafted)


def test_a_file_that_is_refused_removes_no_file_of_the_run_that_is_here(
    lab: tuple[Engine, Settings, str], tmp_path: Path
) -> None:
    """One whose manifest counts a checkpoint that it does not bring."""
    engine, settings, run_id = lab
    file, files = tmp_path / "run.etrm", files_of(settings, run_id)
    packing.pack(engine, settings, run_id, file, overwrite=False, weights=True)

    with pytest.raises(Conflict, match=f"This lab has a run {run_id}"):
        packing.unpack(engine, settings, rewritten(file, with_files=False))

    assert files_of(settings, run_id) == files


def test_what_cannot_be_packed_says_why(lab: tuple[Engine, Settings, str], tmp_path: Path) -> None:
    engine, settings, run_id = lab
    file = tmp_path / "run.etrm"
    running = record_run(engine, status="running", points=1)
    with pytest.raises(Conflict, match="Pack it once it is over"):
        packing.pack(engine, settings, running, file, overwrite=False, weights=False)
    shutil.rmtree(next((settings.artifacts / run_id / "checkpoints").iterdir()))
    with pytest.raises(Conflict, match="--no-weights"):
        packing.pack(engine, settings, run_id, file, overwrite=False, weights=True)
    assert not file.exists()
    packing.pack(engine, settings, run_id, file, overwrite=False, weights=False)
    with pytest.raises(Conflict, match="exists"):
        packing.pack(engine, settings, run_id, file, overwrite=False, weights=False)
    record_evaluation_job(engine, run_id, step=40)
    with pytest.raises(Conflict, match="being evaluated"):
        packing.pack(engine, settings, run_id, file, overwrite=True, weights=False)


def test_a_backup_and_a_packed_run_are_not_taken_for_each_other(
    lab: tuple[Engine, Settings, str], tmp_path: Path
) -> None:
    engine, settings, run_id = lab
    packed, whole = tmp_path / "run.etrm", tmp_path / "lab.etrm"
    packing.pack(engine, settings, run_id, packed, overwrite=False, weights=True)
    backup.write(engine, settings, whole, overwrite=False, incomplete=True)
    with pytest.raises(InvalidInput, match="etrm restore"):
        packing.unpack(engine, settings, whole)
    with pytest.raises(InvalidInput, match="etrm run unpack"):
        restore.read(settings, packed, replace=True)


def test_the_commands(lab: tuple[Engine, Settings, str], tmp_path: Path) -> None:
    engine, _, run_id = lab
    variables = {"ETRM_DATABASE_URL": engine.url.render_as_string(hide_password=False)}
    file = tmp_path / "run.etrm"
    done = etrm(tmp_path, "run", "pack", run_id, str(file), **variables)
    assert done.returncode == 0, done.stderr
    assert "1 checkpoint" in done.stdout
    other = tmp_path / "other"
    other.mkdir()
    assert etrm(other, "migrate").returncode == 0
    done = etrm(other, "run", "unpack", str(file))
    assert (done.returncode, done.stdout) == (0, f"Added run {run_id}.\n"), done.stderr
    assert f"{run_id}" in etrm(other, "runs").stdout
    done = etrm(other, "run", "unpack", str(file))
    assert done.returncode == 1
    assert f"This lab has a run {run_id}." in done.stderr
