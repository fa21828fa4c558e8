"""What a script says it is computed with: as the lab's worker says it, though neither imports the other."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from etrm_lab import provenance as of_scripts
from worker.kit import sources
from worker.service import provenance as of_workers


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a script is: a repository with something that is not committed."""
    git(tmp_path, "init", "-q")
    (tmp_path / "model.py").write_text("width = 64\n")
    (tmp_path / "old.py").write_text("gone = True\n")
    (tmp_path / "data.txt").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "First")
    git(tmp_path, "remote", "add", "origin", "https://example.org/mine.git")
    (tmp_path / "model.py").write_text("width = 128\n")
    (tmp_path / "old.py").unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [""])
    return tmp_path


@pytest.mark.parametrize("lines", [0, 400_000])
def test_both_ask_git_the_same(repository: Path, lines: int) -> None:
    """A large change is cut by both at the same place."""
    (repository / "data.txt").write_text("".join(f"line {number}\n" for number in range(lines)) or "1\n")
    for number in range(3):
        (repository / f"new_{number}.py").write_text(f"depth = {number}\n")
    (repository / "-dashed.py").write_text("heads = 8\n")

    script, worker = of_scripts.collect(), sources.checkout(repository)

    assert worker is not None
    assert (script["commit"], script["remote"]) == (worker.commit, worker.remote)
    assert script["changes"] == worker.changes
    assert ("+width = 128" in worker.changes and "+heads = 8" in worker.changes) or lines
    assert worker.is_cut == (lines > 0) == (len(worker.changes) > sources.MAX_CHANGES - 1000)


def test_many_large_files_are_cut_by_both_at_the_same_place(repository: Path) -> None:
    for number in range(5):
        (repository / f"new_{number}.py").write_text("x = 1\n" * 60_000)
    worker = sources.checkout(repository)
    assert worker is not None
    assert worker.is_cut
    assert of_scripts.collect()["changes"] == worker.changes


def test_changes_that_git_did_not_tell_in_time_are_not_taken_for_none(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".gitattributes").write_text("*.txt filter=slow\n")
    git(repository, "config", "filter.slow.clean", "sleep 1000")
    (repository / "data.txt").write_text("22\n")
    monkeypatch.setattr(of_scripts, "_PATIENCE", 2.0)
    started = time.monotonic()

    found = of_scripts.collect()

    assert time.monotonic() - started < 60
    assert "commit" not in found or "git did not answer in time" in found["changes"]


def test_both_name_the_same_packages_whatever_was_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setuptools, which PyTorch imports to compile, brings its own copies of others into the path."""
    (tmp_path / "outer" / "vendored" / "wheel-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "outer" / "__init__.py").touch()
    (tmp_path / "target" / "Some.Thing-2.0.dist-info").mkdir(parents=True)
    before = of_scripts.collect()["packages"]
    assert before == of_workers._packages()
    assert "torch" in before
    for name in ("outer/vendored", "target", "nothing", "outer/__init__.py", "x" * 300):
        monkeypatch.syspath_prepend(str(tmp_path / name))
    after = of_scripts.collect()["packages"]
    assert after == of_workers._packages() == before | {"some-thing": "2.0"}
