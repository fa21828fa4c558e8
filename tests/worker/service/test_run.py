"""One attempt at a run: what it tells about its end, and what it resumes from."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.db.session import make_engine, session_scope
from backend.domain.records import Checkpoint
from backend.kit.errors import FieldProblem, InvalidConfig, StorageFull
from backend.queue import claims as queue
from backend.runs import checkpoints
from backend.settings import Settings
from tests.support.records.rows import add_run
from tests.support.records.tiny_runs import tiny
from worker.recording.line_writer import LineWriter
from worker.service.supervision import STOPPED
from worker.service.train import cause_of, check_start, forget_unwritten

RUN = "aaaaaaaaaa"


@pytest.fixture
def database(sqlite_url: str) -> Engine:
    return make_engine(sqlite_url)


def saved(database: Engine, folder: Path, on_disk: list[int], known: list[int]) -> list[str]:
    """Warnings of `forget_unwritten` for checkpoints of these steps on disk and in the database."""
    add_run(database, RUN)
    for step in on_disk:
        (folder / "checkpoints" / f"step-{step:09d}").mkdir(parents=True)
    with session_scope(database) as session:
        for step in known:
            path = f"{folder.name}/checkpoints/step-{step:09d}"
            checkpoints.add(session, RUN, Checkpoint(step, path, "0" * 64, 1))
    warnings: list[str] = []
    forget_unwritten(database, folder, RUN, warnings.append)
    database.dispose()
    return warnings


def left(folder: Path) -> list[int]:
    return sorted(int(each.name.removeprefix("step-")) for each in (folder / "checkpoints").iterdir())


def test_a_checkpoint_whose_points_may_be_lost_is_not_gone_on_from(database: Engine, tmp_path: Path) -> None:
    folder = tmp_path / RUN
    assert saved(database, folder, on_disk=[10, 20, 30], known=[10, 20]) == []
    assert left(folder) == [10, 20]


def test_checkpoints_that_the_database_knows_stay(database: Engine, tmp_path: Path) -> None:
    folder = tmp_path / RUN
    assert saved(database, folder, on_disk=[20, 30], known=[10, 20, 30]) == []
    assert left(folder) == [20, 30]


def test_when_the_database_knows_none_of_them_progress_weighs_more_than_the_curve(
    database: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / RUN
    [warning] = saved(database, folder, on_disk=[30], known=[10])
    assert "step-000000030 is not in the database" in warning
    assert left(folder) == [30]


def test_a_run_without_checkpoints_starts_without_a_word(database: Engine, tmp_path: Path) -> None:
    assert saved(database, tmp_path / RUN, on_disk=[], known=[]) == []


LESS = "Lower training.batch_size or data.canvas_sizes."
TORCH_SAYS = (  # on a processor, of torch 2
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 400000000 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (StorageFull("No room.", "Free some."), "No room. Free some."),
        (
            InvalidConfig("Not valid.", problems=[FieldProblem("seed", "is negative.", "Take 0.")]),
            "Not valid. seed: is negative. Take 0.",
        ),
        (ValueError("bad\nluck"), "ValueError: bad"),
        (KeyError(), "KeyError:"),
        (MemoryError("80 GiB"), f"Out of memory: MemoryError: 80 GiB {LESS}"),
        (RuntimeError(TORCH_SAYS), f"Out of memory: RuntimeError: {TORCH_SAYS} {LESS}"),
    ],
)
def test_the_cause_is_one_line_for_a_person(error: Exception, cause: str) -> None:
    assert cause_of(error).strip() == cause


def test_what_a_library_prints_becomes_log_lines() -> None:
    console, lines = io.StringIO(), []
    stream = LineWriter(console, lines.append)
    print("one", file=stream)
    print("two ", end="", file=stream)
    print("halves\n\nbar 1%\rbar 2%\nrest", end="", file=stream)
    assert lines == ["one", "two halves", "bar 1%", "bar 2%"]
    assert console.getvalue() == "one\ntwo halves\n\nbar 1%\rbar 2%\nrest"


def test_a_child_of_an_attempt_that_lost_its_run_leaves_it_alone(sqlite_url: str, tmp_path: Path) -> None:
    engine = make_engine(sqlite_url)
    add_run(engine, RUN, config={"preset": "quick"})
    with session_scope(engine) as session:
        assert queue.claim(session, RUN, "host.1.1.1")
    environment = {"ETRM_DATABASE_URL": sqlite_url, "ETRM_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "worker.service.train", RUN, "0"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == STOPPED, ended.stderr
    assert "attempt 0 is no longer this process's" in ended.stderr
    with session_scope(engine) as session:
        assert checkpoints.list(session, RUN) == []
    engine.dispose()


def test_a_worker_reads_no_file_outside_its_own_folders(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    start = {"kind": "checkpoint", "path": str(tmp_path / "checkpoints" / ".." / "file")}
    config = tiny(training={"steps": 3, "initialise_from": start})
    with pytest.raises(InvalidConfig, match="must be an absolute path inside"):
        check_start(config, settings, RUN)
    (tmp_path / "artifacts" / RUN / "checkpoints" / "step-000000003").mkdir(parents=True)
    check_start(config, settings, RUN)  # it resumes: the file is no longer read
