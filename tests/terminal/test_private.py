"""Files of the lab: closed to everybody else, old ones at the next start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.settings import Settings
from backend.terminal.private import close_to_others


@pytest.fixture(autouse=True)
def _mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def settings(home: Path, **changes: str) -> Settings:
    return Settings(home=home, **changes)  # type: ignore[arg-type]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_an_older_release_left_open_is_closed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    file = home / "artifacts" / "run" / "checkpoints" / "weights"
    for each in (
        file,
        home / "logs" / "web.log",
        home / "etrm.sqlite3-wal",
        home / "mine.txt",
        elsewhere / "a",
    ):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_text("x")
    (home / "logs" / "link").symlink_to(elsewhere / "a")
    close_to_others(settings(home))
    assert [mode(each) for each in (home, home / "artifacts", file.parent)] == [0o700] * 3
    assert [mode(each) for each in (file, home / "logs" / "web.log", home / "etrm.sqlite3-wal")] == [
        0o600
    ] * 3
    assert (mode(home / "mine.txt"), mode(elsewhere / "a")) == (
        0o644,
        0o644,
    )  # closed by its folder; not ours
    (home / "later").write_text("x")
    assert mode(home / "later") == 0o600


def test_artifacts_and_a_database_elsewhere_are_closed_too(tmp_path: Path) -> None:
    for name in ("db", "files"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab.sqlite3").write_text("x")
    url = f"sqlite:///{tmp_path / 'db' / 'lab.sqlite3'}"
    close_to_others(settings(tmp_path / "home", database_url=url, artifacts=str(tmp_path / "files")))
    assert mode(tmp_path / "db" / "lab.sqlite3") == 0o600
    assert mode(tmp_path / "files") == 0o700
    assert mode(tmp_path / "db") == 0o755


def test_a_folder_where_everybody_writes_is_left_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "logs").mkdir(mode=0o755)
    close_to_others(settings(tmp_path))
    assert mode(tmp_path) == 0o777
    assert mode(tmp_path / "logs") == 0o700
