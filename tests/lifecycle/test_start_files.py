"""Files that a run starts from: inside the folders of the operator, and silent about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.domain.config.presets import preset
from backend.domain.experiment import CheckpointStart
from backend.lifecycle.start_files import is_inside, outside
from backend.settings import Settings
from tests.support.processes import Lab


def starting_from(path: str) -> dict[str, Any]:
    start = {"kind": "checkpoint", "path": path, "weights": "ema"}
    return {"preset": "quick", "training": {"initialise_from": start}}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of the operator's with a file, and one beside it."""
    inside, beside = tmp_path / "weights", tmp_path / "weights-private"
    for folder in (inside, beside):
        folder.mkdir()
        (folder / "file").write_bytes(b"x")
    (inside / "way-out").symlink_to(beside)
    (inside / "circle").symlink_to(inside / "circle")
    return inside, beside


def test_only_what_lies_inside_is_inside(folders: tuple[Path, Path]) -> None:
    inside, beside = folders
    for path in (str(inside / "file"), inside / "not-there", inside / "a" / ".." / "file"):
        assert is_inside(str(path), [inside]), path
    for path in (
        beside / "file", beside / "not-there", inside / ".." / "weights-private" / "file",
        inside / "way-out" / "file", inside / "circle", "/etc/passwd", "/", "weights/file", "~/file",
        "file:///etc/passwd", "\0", "/a" * 5000, "",
    ):  # fmt: skip
        assert not is_inside(str(path), [inside]), path
    (inside.parent / "link").symlink_to(inside)  # a folder that the operator named by a link
    assert is_inside(str(inside / "file"), [inside.parent / "link"])
    assert not is_inside(str(inside / "file"), [])


def test_the_answer_is_the_same_for_what_exists_and_what_does_not(folders: tuple[Path, Path]) -> None:
    inside, beside = folders
    settings = Settings(home=inside.parent / "home", checkpoint_folders=(inside,))
    said = {
        str(outside(CheckpointStart(path=str(path)), settings))
        for path in (
            beside / "file",
            beside / "not-there",
            beside / "file" / "x",
            "/root/.ssh/id_rsa",
            "/etc",
        )
    }
    assert said == {
        f"training.initialise_from.path: must be an absolute path inside {inside}. "
        "Copy the file there, or add its folder to ETRM_CHECKPOINT_FOLDERS."
    }
    assert outside(CheckpointStart(path=str(inside / "file")), settings) is None
    assert outside(preset("quick").training.initialise_from, settings) is None


def test_every_door_refuses_a_file_outside(client: httpx.Client, lab: Lab) -> None:
    bodies = [starting_from(path) for path in ("/etc/passwd", "/etc/not-there")]
    said = set()
    for body in bodies:
        answer = client.post("/api/v1/runs", json=body)
        assert answer.status_code == 422
        said.add(answer.text)
        verdict = client.post("/api/v1/config/validate", json=body).json()
        assert [each["field"] for each in verdict["problems"]] == ["training.initialise_from.path"]
    assert len(said) == 1
    inside = lab.artifacts / "file"
    assert client.post("/api/v1/config/validate", json=starting_from(str(inside))).json()["valid"]


def test_a_link_is_taken_where_it_names_a_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert outside(CheckpointStart(path="hf:lab/trm/step_7@main"), settings) is None
    wrong = outside(CheckpointStart(path="https://example.org/lab/trm/resolve/main/step_7"), settings)
    assert wrong is not None
    assert str(wrong).startswith(
        "training.initialise_from.path: is not a link to a file on the Hugging Face Hub."
    )
