"""The folder of local state: checked before anything starts, and held by one lab at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.kit.errors import Conflict, Unavailable
from backend.terminal import home
from backend.terminal.home import Holder

HOLD = """
import sys, pathlib
from backend.terminal import home
with home.held(pathlib.Path(sys.argv[1])) as lock:
    home.announce(lock, home.Holder(4711, "http://127.0.0.1:8123", "redis://:secret@127.0.0.1:1/0"))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_process(tmp_path: Path):
    """Another process that holds `tmp_path` until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_missing_folder_is_made(tmp_path):
    home.prepare(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(Unavailable, match=r"taken cannot be written to: .*set ETRM_HOME") as caught:
        home.prepare(tmp_path / "taken")
    assert "\n" not in str(caught.value)


def test_too_little_room_is_said_with_numbers(tmp_path):
    with pytest.raises(Unavailable, match=r"nearly full: \d+ MB free at .*, at least \d+ MB are needed"):
        home.prepare(tmp_path, least_free=2**70)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the full device is Linux's")
def test_a_full_disk_is_called_by_its_name(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_text("etrm")
    assert "disk is full" in str(home.storage_error(caught.value, tmp_path))


def test_a_held_folder_names_its_holder(tmp_path, other_process):
    with pytest.raises(Conflict, match=r"already running .* \(process 4711\): http://127.0.0.1:8123"):
        home.held(tmp_path).__enter__()
    assert home.holder_of(tmp_path) == Holder(4711, "http://127.0.0.1:8123", "redis://:secret@127.0.0.1:1/0")


def test_the_secrets_in_the_lock_are_for_its_owner_alone(tmp_path, other_process):
    assert (tmp_path / home.LOCK).stat().st_mode & 0o077 == 0


def test_a_killed_holder_leaves_the_folder_free(tmp_path, other_process):
    other_process.kill()
    other_process.wait()
    assert (tmp_path / home.LOCK).exists()
    assert home.holder_of(tmp_path) is None
    with home.held(tmp_path):
        pass


def test_a_lock_leaves_no_file(tmp_path):
    with home.held(tmp_path):
        assert home.holder_of(tmp_path) is None  # held, and nothing announced yet
    assert list(tmp_path.iterdir()) == []
