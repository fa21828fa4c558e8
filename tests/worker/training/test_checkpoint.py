"""Checkpoints survive kills, damage and full disks, or say exactly what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.config.presets import preset
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing
from worker.kit.recorder import LostRun, NullRecorder
from worker.training.checkpoints import checkpoint
from worker.training.checkpoints.checkpoint import Snapshot
from worker.training.checkpoints.retention import Keeper

STATE = {
    "positions": {10: 3, 30: 41},
    "pair": (torch.tensor([True, False]), None),
    "halves": torch.tensor([0.1], dtype=torch.bfloat16),
    "empty": torch.zeros(0, 4),
    "words": ["a", 1, 0.1, False],
}


def snapshot(step: int, fill: float = 0.5) -> Snapshot:
    weights = {"a.b": torch.full((3, 2), fill), "turned": torch.arange(6.0).view(2, 3).t()}
    return Snapshot(step, preset("quick"), weights, {"a.b": torch.zeros(3, 2)}, STATE)


def save(folder: Path, written: Snapshot, keep: int = 3, attempt: int = 0) -> None:
    """As a training does that keeps the newest `keep`."""
    config = preset("quick")
    training = config.training.model_copy(update={"keep_checkpoints": keep})
    keeper = Keeper(config.model_copy(update={"training": training}), folder, NullRecorder(), attempt)
    keeper.before_saving(written.step)
    checkpoint.save(folder, written, attempt)
    keeper.make_room(written.step)


def save_steps(folder: Path, *steps: int, keep: int = 3) -> None:
    for step in steps:
        save(folder, snapshot(step, fill=step), keep)


def steps(folder: Path) -> list[str]:
    return [path.name for path in checkpoint.list_checkpoints(folder)]


def test_what_is_saved_is_loaded_to_the_bit(tmp_path: Path) -> None:
    saved = checkpoint.save(tmp_path / "run", snapshot(600))
    loaded = checkpoint.load(tmp_path / saved.path)
    assert (loaded.step, loaded.config) == (600, preset("quick"))
    assert saved.path == "run/checkpoints/step-000000600"
    assert saved.size_bytes == sum(file.stat().st_size for file in (tmp_path / saved.path).iterdir())
    for name, tensor in snapshot(600).weights.items():
        assert torch.equal(loaded.weights[name], tensor)
    assert loaded.state["positions"] == STATE["positions"]
    assert loaded.state["words"] == STATE["words"]
    assert loaded.state["halves"].dtype == torch.bfloat16
    assert loaded.state["empty"].shape == (0, 4)
    flags, nothing = loaded.state["pair"]
    assert (flags.tolist(), nothing) == ([True, False], None)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    save_steps(tmp_path, 1, 2, 3, 10, 9_999_999, keep=2)
    assert steps(tmp_path) == ["step-000000010", "step-009999999"]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == steps(tmp_path)


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    save_steps(tmp_path, 5)
    save(tmp_path, snapshot(5, fill=9.0), keep=3)
    assert steps(tmp_path) == ["step-000000005"]
    assert checkpoint.load(checkpoint.find(tmp_path)).weights["a.b"][0, 0] == 9.0


def test_going_on_from_an_earlier_step_removes_the_later_ones(tmp_path: Path) -> None:
    save_steps(tmp_path, 5, 6, 7)
    save(tmp_path, snapshot(6), keep=3)
    assert steps(tmp_path) == ["step-000000005", "step-000000006"]


def test_what_was_cut_off_saves_nothing_and_leaves_what_its_successor_saved(tmp_path: Path) -> None:
    checkpoint.begin(tmp_path, 1)
    for step in (440, 460, 480):
        save(tmp_path, snapshot(step), 3, attempt=1)
    checkpoint.begin(tmp_path, 2)  # the database gave the run to another worker, which resumes from 460
    save(tmp_path, snapshot(470), 3, attempt=2)
    kept = ["step-000000440", "step-000000460", "step-000000470-attempt-0002"]
    assert steps(tmp_path) == kept
    with pytest.raises(LostRun, match="attempt 1"):
        save(tmp_path, snapshot(450), 1, attempt=1)
    with pytest.raises(LostRun):
        checkpoint.begin(tmp_path, 1)
    assert steps(tmp_path) == kept
    save(tmp_path, snapshot(490), 3, attempt=2)
    assert steps(tmp_path) == [*kept[1:], "step-000000490-attempt-0002"]


def test_one_that_was_cut_off_while_it_wrote_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.begin(tmp_path, 1)
    save(tmp_path, snapshot(5), 3, attempt=1)
    write = checkpoint._write

    def slowly(folder: Path, written: Snapshot) -> int:
        size = write(folder, written)
        checkpoint.begin(tmp_path, 2)
        save(tmp_path, snapshot(6), 3, attempt=2)
        return size

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write", lambda *given: (patch.undo(), slowly(*given))[1])
        with pytest.raises(LostRun):
            save(tmp_path, snapshot(6), 3, attempt=1)
    assert steps(tmp_path) == ["step-000000005", "step-000000006-attempt-0002"]
    assert not list((tmp_path / "checkpoints").glob(".*"))


def test_one_whose_half_written_checkpoint_its_successor_removed_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.begin(tmp_path, 1)
    write = checkpoint._write_file

    def interrupted(path: Path, content: bytes) -> str:
        digest = write(path, content)
        if path.name == "weights.safetensors":
            checkpoint.begin(tmp_path, 2)
        return digest

    monkeypatch.setattr(checkpoint, "_write_file", interrupted)
    with pytest.raises(LostRun):
        save(tmp_path, snapshot(6), 3, attempt=1)
    assert steps(tmp_path) == []


@given(
    saves=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 12)), max_size=12),
    keep=st.integers(1, 3),
)
def test_an_attempt_never_removes_what_a_later_one_saved(saves: list[tuple[int, int]], keep: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for attempt, step in saves:  # no fence: as if it were checked too early to see the later attempt
            before = set(steps(folder))
            save(folder, snapshot(step), keep, attempt)
            lost = before - set(steps(folder))
            assert all(int(each.partition("-attempt-")[2] or 1) <= attempt for each in lost)
            own = [each for each in steps(folder) if int(each.partition("-attempt-")[2] or 1) == attempt]
            assert checkpoint.find(folder, step) in checkpoint.list_checkpoints(folder)
            assert 1 <= len(own) <= keep


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "ema.safetensors", "state.safetensors", "state.json"]
)
def test_one_flipped_bit_is_found_and_the_file_named(tmp_path: Path, name: str) -> None:
    save_steps(tmp_path, 5)
    damaged = checkpoint.find(tmp_path) / name
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(CheckpointCorrupt, match=f"{name} is not what was written"):
        checkpoint.load(damaged.parent)


@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    save_steps(tmp_path, 5)
    (checkpoint.find(tmp_path) / name).unlink()
    with pytest.raises(CheckpointCorrupt, match=name):
        checkpoint.load(checkpoint.find(tmp_path))


def test_a_checkpoint_of_a_later_format_is_refused(tmp_path: Path) -> None:
    save_steps(tmp_path, 5)
    path = checkpoint.find(tmp_path) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(CheckpointCorrupt, match="format 99, this version reads 2"):
        checkpoint.load(path.parent)


def test_resuming_passes_over_damaged_checkpoints_and_says_so(tmp_path: Path) -> None:
    save_steps(tmp_path, 5, 6, 7)
    for path in checkpoint.list_checkpoints(tmp_path)[1:]:
        (path / "weights.safetensors").write_bytes(b"")
    warnings: list[str] = []
    found = checkpoint.load_newest(tmp_path, warnings.append)
    assert found is not None
    assert found.step == 5
    assert ["step-000000007" in warnings[0], "step-000000006" in warnings[1]] == [True, True]


def test_resuming_from_nothing_but_damage_is_an_error(tmp_path: Path) -> None:
    save_steps(tmp_path, 5)
    (checkpoint.find(tmp_path) / "state.json").write_bytes(b"{}")
    with pytest.raises(CheckpointCorrupt, match=r"state\.json") as caught:
        checkpoint.load_newest(tmp_path, lambda _: None)
    assert "Remove that checkpoint's folder" in caught.value.hint


def test_a_run_without_checkpoints_starts_from_nothing(tmp_path: Path) -> None:
    assert checkpoint.load_newest(tmp_path, lambda _: None) is None


def test_asking_for_a_missing_checkpoint_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="No checkpoint in"):
        checkpoint.find(tmp_path)
    save_steps(tmp_path, 5, 20)
    with pytest.raises(CheckpointMissing, match=r"No checkpoint of step 6 .*steps: 5, 20"):
        checkpoint.find(tmp_path, 6)
    with pytest.raises(CheckpointMissing):
        checkpoint.load(tmp_path / "checkpoints" / "step-000000006")


WRITE_UNDER_LIMIT = """
import resource, sys
from pathlib import Path
import torch
from backend.kit.errors import StorageFull
from backend.domain.config.presets import preset
from worker.kit.recorder import LostRun
from worker.training.checkpoints import checkpoint
folder = Path(sys.argv[1])
big = {"a": torch.zeros(1_000_000)}
checkpoint.save(folder, checkpoint.Snapshot(1, preset("quick"), big, {}, {}))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    checkpoint.save(folder, checkpoint.Snapshot(2, preset("quick"), big, {}, {}))
except StorageFull as error:
    print(error)
"""


def test_no_room_leaves_the_checkpoint_before_untouched(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNDER_LIMIT, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "Not enough disk space to write the checkpoint" in done.stdout
    assert checkpoint.load(checkpoint.find(tmp_path)).step == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000000001"]


SAVE_FOREVER = """
import sys
from pathlib import Path
import torch
from backend.domain.config.presets import preset
from worker.kit.recorder import LostRun
from worker.training.checkpoints import checkpoint
weights = {"a": torch.zeros(500_000)}
for step in range(int(sys.argv[2]), 10_000):
    snapshot = checkpoint.Snapshot(step, preset("quick"), weights, weights, {})
    checkpoint.save(Path(sys.argv[1]), snapshot)
    for passed in checkpoint.list_checkpoints(Path(sys.argv[1]))[:-2]:
        checkpoint.remove(passed)
    print(step, flush=True)
"""


def test_a_kill_while_saving_loses_no_finished_checkpoint(tmp_path: Path) -> None:
    finished = 0
    for saves_before_the_kill in (2, 5):
        command = [sys.executable, "-c", SAVE_FOREVER, str(tmp_path), str(finished + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            finished = [int(process.stdout.readline()) for _ in range(saves_before_the_kill)][-1]
            process.kill()
        checkpoint.begin(tmp_path)
        found = checkpoint.load_newest(tmp_path, pytest.fail)
        assert found is not None
        assert found.step >= finished
        assert len(list((tmp_path / "checkpoints").iterdir())) in (2, 3)
        for path in checkpoint.list_checkpoints(tmp_path):
            checkpoint.load(path)
