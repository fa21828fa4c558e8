"""Which worker is dead, as far as a neighbour on the same host can tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker.service import machine


def test_this_process_is_alive() -> None:
    assert not machine.is_dead(machine.worker_id())


def test_a_process_that_ended_is_dead_and_so_is_one_whose_number_was_given_to_another() -> None:
    code = "from worker.service import machine; print(machine.worker_id(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        name = other.stdout.readline().strip()
        assert not machine.is_dead(name)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert machine.is_dead(name)  # a zombie
    assert machine.is_dead(name)
    host, namespace, pid, start = machine.worker_id().rsplit(".", 3)
    assert machine.is_dead(f"{host}.{namespace}.{pid}.{int(start) - 1}")


def test_a_worker_elsewhere_is_never_called_dead() -> None:
    host, namespace, pid, _ = machine.worker_id().rsplit(".", 3)
    for other in (f"x{host}.{namespace}.{pid}.0", f"{host}.{namespace}0.{pid}.0", "somebody", ""):
        assert not machine.is_dead(other)


def test_the_device_is_named_without_loading_torch() -> None:
    code = (
        "import sys; from worker.service import machine, celery_app; print(machine.device_info()); "
        "assert 'torch' not in sys.modules"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "DeviceInfo(kind=" in said
    assert machine.device_info().memory_bytes > 2**28


def test_a_counter_at_zero_is_the_process_groups_own_and_not_that_of_the_group_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, above = tmp_path / "own", tmp_path
    own.mkdir()
    (above / "memory.events").write_text("oom 5\noom_kill 3\n")
    monkeypatch.setattr(machine, "_own_control_groups", lambda: [own, above])
    assert machine.out_of_memory_kills() == 3
    (own / "memory.events").write_text("oom 0\noom_kill 0\n")
    assert machine.out_of_memory_kills() == 0
