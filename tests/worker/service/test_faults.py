"""Whose fault a failure is, and how long a machine rests after one of its own."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.db.session import make_engine
from backend.kit.errors import DeviceMissing, InvalidConfig, StorageFull, TrainingDiverged
from backend.settings import Settings
from tests.support.processes import eventually
from worker.service import fitness
from worker.service.faults import is_of_the_node
from worker.service.node import FIRST_REST, Node

NVIDIA_SMI = "#!/bin/sh\necho 'Imaginary GPU, 81920'\n"


def os_error(name: str) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number), "/somewhere")


def caused_by(cause: BaseException) -> Exception:
    try:
        raise ValueError("a checkpoint cannot be read") from cause
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        StorageFull("No room."),
        DeviceMissing("The config cannot run here."),
        os_error("ENOSPC"),
        os_error("EIO"),
        os_error("EROFS"),
        os_error("ESTALE"),
        caused_by(os_error("EIO")),
        RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        RuntimeError("No CUDA GPUs are available"),
    ],
    ids=str,
)
def test_a_broken_machine_is_to_blame(error: Exception) -> None:
    assert is_of_the_node(error)


@pytest.mark.parametrize(
    "error",
    [
        InvalidConfig("Not valid."),
        TrainingDiverged("The loss is NaN."),
        MemoryError("80 GiB"),
        ValueError("bad luck"),
        os_error("ENOENT"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ],
    ids=str,
)
def test_a_fault_of_the_run_is_its_own(error: Exception) -> None:
    assert not is_of_the_node(error)


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setenv("ETRM_ARTIFACTS", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    engine = make_engine(sqlite_url)
    yield Node(engine, Settings.load())
    engine.dispose()


def test_a_machine_rests_after_a_fault_that_no_check_sees_and_counts_it_once(node: Node) -> None:
    assert node.prove() is None
    node.blame("CUDA error: unknown error")
    node.blame("the same fault, told again")
    trouble = node.prove()
    assert trouble is not None
    assert trouble.cause == "CUDA error: unknown error"
    assert f"after {FIRST_REST:.0f} s" in trouble.advice


def test_what_is_wrong_is_named_with_what_to_do(tmp_path: Path) -> None:
    assert fitness.folder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []  # the probe leaves nothing
    gone = fitness.folder(tmp_path / "gone")
    assert gone is not None
    assert "cannot be written: No such file or directory" in gone.cause
    assert fitness.room(tmp_path, 0.0) is None
    full = fitness.room(tmp_path, 1e9)
    assert full is not None
    assert "ETRM_MIN_FREE_GIB" in full.advice
    assert fitness.clock_of(-120.0) is None
    assert "behind" in str(fitness.clock_of(-600.0))
    assert "ahead of" in str(fitness.clock_of(600.0))


def test_a_gpu_that_takes_long_to_wake_keeps_no_worker_from_reporting(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken, asked = threading.Event(), []

    def slow(kind: str) -> None:
        asked.append(kind)
        woken.wait()

    monkeypatch.setattr(fitness, "torch_device", slow)
    monkeypatch.setattr(fitness, "PATIENCE", 0.05)
    assert [node.prove(), node.prove()] == [fitness.TORCH_IS_TRIED] * 2
    woken.set()
    eventually(lambda: node.prove() is None, "the worker that is fit")
    assert len(asked) == 1


def test_a_gpu_that_torch_cannot_use_or_that_is_gone_takes_its_worker_out(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert node.device.kind == "cpu"
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(NVIDIA_SMI)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    settings = Settings.load()
    with_gpu = Node(node._engine, settings)
    assert (with_gpu.offer.device, with_gpu.offer.memory_bytes) == ("cuda", 80 << 30)

    def answered() -> fitness.Trouble | None:
        found = with_gpu.prove()
        return None if found == fitness.TORCH_IS_TRIED else found

    trouble = eventually(answered, "torch's answer")
    assert "torch cannot use the GPU" in trouble.cause  # CUDA_VISIBLE_DEVICES hides whatever there is
    tool.write_text("#!/bin/sh\nexit 9\n")
    gone = with_gpu.prove()
    assert gone is not None
    assert "no longer answers" in gone.cause
