"""What `etrm backup` and `etrm restore` refuse, leave out, and leave alone."""

from __future__ import annotations

import json
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, select, text

from backend.db.migrate import revision_of
from backend.db.revisions import newest
from backend.db.session import make_engine, reading_scope, session_scope
from backend.operations import backup, pinned
from backend.people import service as accounts
from backend.people.tables import ApiToken, BrowserSession, LoginToken
from backend.runs import checkpoints
from backend.runs.tables import Checkpoint, Run
from backend.settings import Settings
from tests.support.commands import output, refusal
from tests.support.records.recorded import record_checkpoint, record_run
from tests.support.releases.kept import releases


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A lab's folder with one run and its checkpoint, a token, and a browser that is logged in."""
    home = tmp_path / "lab"
    output(home, "migrate")
    with opened(home) as engine:
        save(engine, home, record_run(engine), 40)
        with session_scope(engine) as session:
            accounts.create_token(session, "cluster")
            accounts.redeem_login(session, accounts.issue_login(session))
    return home


@contextmanager
def opened(home: Path) -> Iterator[Engine]:
    """An engine on the lab of a folder."""
    engine = make_engine(f"sqlite:///{home / 'etrm.sqlite3'}")
    yield engine
    engine.dispose()


def save(engine: Engine, home: Path, run: str, step: int) -> None:
    """A checkpoint with files, the only one of the run."""
    with session_scope(engine) as session:
        session.execute(delete(Checkpoint))  # recorded without files
    record_checkpoint(engine, home / "artifacts", run, step)


def rows(home: Path, table: type) -> int:
    with opened(home) as engine, reading_scope(engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def run_of(home: Path) -> str:
    with opened(home) as engine, reading_scope(engine) as session:
        return session.scalars(select(Run.id)).one()


def folder_names(home: Path) -> set[str]:
    return {path.name for path in (home / "artifacts").iterdir()}


def test_a_backup_is_one_file_for_its_owner_without_sessions(lab: Path, tmp_path: Path) -> None:
    file, target = tmp_path / "lab.etrm", tmp_path / "other"
    assert "1 checkpoint" in output(lab, "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"lab", "lab.etrm"}, "temporary files stay"
    assert folder_names(lab) == {run_of(lab)}
    assert "is complete" in output(lab, "restore", "--check", str(file))

    output(target, "restore", str(file))
    assert run_of(target) == run_of(lab)
    assert folder_names(target) == {run_of(lab)}
    assert rows(target, ApiToken) == 1
    assert rows(target, BrowserSession) == rows(target, LoginToken) == 0
    assert rows(lab, BrowserSession) == 1


def test_an_existing_file_is_not_overwritten_unasked(lab: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.etrm"
    file.write_text("mine")
    assert "--overwrite" in refusal(lab, "backup", str(file))
    assert file.read_text() == "mine"
    output(lab, "backup", "--overwrite", str(file))
    assert zipfile.is_zipfile(file)


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_checkpoint_that_is_not_whole_is_refused_or_left_out_by_name(
    lab: Path, tmp_path: Path, fault: str
) -> None:
    file, target = tmp_path / "lab.etrm", tmp_path / "other"
    weights = next((lab / "artifacts").rglob("ema.safetensors"))
    if fault == "missing":
        weights.unlink()
    else:
        weights.write_bytes(b"something else")
    assert f"run {run_of(lab)}, step 40" in refusal(lab, "backup", str(file))
    assert not file.exists()
    assert f"Left out: run {run_of(lab)}, step 40" in output(lab, "backup", "--incomplete", str(file))
    output(target, "restore", str(file))
    assert (rows(target, Run), rows(target, Checkpoint)) == (1, 0)


def test_a_checkpoint_that_the_lab_lets_go_meanwhile_is_no_loss(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every try a new one goes between the listing and the linking, as under a busy training; what an
    earlier try holds is not linked again."""
    run, artifacts, pin = run_of(lab), lab / "artifacts", pinned.pin
    asked: list[list[int]] = []

    def late(artifacts: Path, wanted: list[pinned.Listed], *others: Any) -> list[pinned.Listed]:
        asked.append([each.step for each in wanted])
        newest = wanted[-1]
        with session_scope(engine) as session:
            checkpoints.forget(session, run, [newest.step])
        shutil.rmtree(artifacts / newest.path)
        record_checkpoint(engine, artifacts, run, newest.step + 10)
        return pin(artifacts, wanted, *others)

    monkeypatch.setattr(backup, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(pinned, "pin", late)
    with opened(lab) as engine:
        for step in (50, 60):
            record_checkpoint(engine, artifacts, run, step)
        made = backup.write(
            engine, Settings(artifacts=artifacts), tmp_path / "lab.etrm", overwrite=False, incomplete=False
        )
    assert (made.checkpoints, made.left_out) == (2, [])
    assert asked == [[40, 50, 60], [70], [80], [90], [100]]


def test_a_lab_that_holds_something_is_replaced_only_if_asked(lab: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "lab.etrm", tmp_path / "other"
    output(lab, "backup", str(file))
    output(other, "migrate")
    with opened(other) as engine:
        mine = record_run(engine)
        save(engine, other, mine, 7)
    told = refusal(other, "restore", str(file))
    assert "runs" in told
    assert "--replace" in told
    assert (run_of(other), folder_names(other)) == (mine, {mine})
    output(other, "restore", "--replace", str(file))
    assert (run_of(other), folder_names(other)) == (run_of(lab), {run_of(lab)})


def test_a_lab_whose_worker_is_at_work_is_left_alone(lab: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.etrm"
    output(lab, "backup", str(file))
    with opened(lab) as engine, session_scope(engine) as session:
        session.execute(text("UPDATE run SET lease_until = :later"), {"later": time.time() + 3600})
    assert "Stop the workers" in refusal(lab, "restore", "--replace", str(file))


def test_a_damaged_file_is_refused_and_nothing_is_changed(lab: Path, tmp_path: Path) -> None:
    file, target = tmp_path / "lab.etrm", tmp_path / "other"
    output(lab, "backup", str(file))
    content = file.read_bytes()
    at = content.index(b"ema of step 40")
    for damaged in (content[:at] + b"X" + content[at + 1 :], content[: len(content) // 2], b"", b"no zip"):
        file.write_bytes(damaged)
        assert str(file) in refusal(target, "restore", str(file))
        assert str(file) in refusal(target, "restore", "--check", str(file))
        assert not (target / "etrm.sqlite3").exists()
        assert not any((target / "artifacts").glob("**/*"))


def test_part_names_that_lead_out_of_the_lab_are_refused(lab: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.etrm"
    output(lab, "backup", str(file))
    with manifest_of(file) as manifest:
        manifest["parts"][0]["name"] = "artifacts/../../outside/file"
    assert "outside the lab" in refusal(tmp_path / "other", "restore", str(file))


def test_a_newer_schema_is_refused_in_words(lab: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.etrm"
    output(lab, "backup", str(file))
    with manifest_of(file) as manifest:
        manifest["schema_revision"] = "from_the_future"
    assert "newer than this program" in refusal(tmp_path / "other", "restore", str(file))


def test_an_older_schema_is_migrated(tmp_path: Path) -> None:
    lab, target, file = tmp_path / "lab", tmp_path / "other", tmp_path / "lab.etrm"
    releases()[0].as_sqlite(lab)
    with opened(lab) as engine, session_scope(engine) as session:
        session.execute(text("DELETE FROM checkpoint"))  # recorded without files
        old = revision_of(session.connection())
    assert old != newest()
    output(lab, "backup", str(file))
    output(target, "restore", str(file))
    with opened(target) as engine, reading_scope(engine) as session:
        assert revision_of(session.connection()) == newest()
    assert rows(target, Run) > 20
    assert "first" in output(target, "runs")


@contextmanager
def manifest_of(file: Path) -> Iterator[dict[str, Any]]:
    """The manifest of a backup, written back after the block."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    yield manifest
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
