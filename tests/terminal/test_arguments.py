"""The command line's door: what is typed, and the files it names, are text, as what is sent to the server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import output, refusal, typed
from tests.support.lab import etrm

HALF = "cut \ud83d"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("runs", "view", "save", "a\x1b[2J"), "argument 4"),
        (("token", "create", "a\nb"), "argument 3"),
        (("token", "create", "name", "--person", "a\x01b"), "--person"),
        (("people", "add", "note", "--role", "a\nb"), "--role"),
        (("runs", "--filter=name == '\x07'"), "--filter"),
        (("train", "quick", "--set", "name=a\x08b"), "--set"),
        (("dashboard", "create", "two\nlines"), "argument 3"),
        (("people", "add", "a\x9bb", "--role", "viewer"), "argument 3"),
        (("data", "list", "\x7f"), "argument 3"),
    ],
)
def test_an_argument_with_a_control_character_is_refused_by_its_name(
    tmp_path: Path, arguments: tuple[str, ...], field: str
) -> None:
    said = refusal(tmp_path, *arguments)
    assert f"  {field}" in said, said
    assert "control character" in said


@pytest.mark.parametrize("arguments", [("token", "create", b"a\xffb"), ("runs", b"--filter=\xed\xa0\xbd")])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, arguments: tuple[str | bytes, ...]) -> None:
    done = etrm(tmp_path, *arguments)  # type: ignore[arg-type]
    assert done.returncode == 1
    assert "half of a surrogate pair" in done.stderr
    assert "Traceback" not in done.stderr


def test_notes_and_json_values_may_have_lines(tmp_path: Path, home: Path) -> None:
    assert "not found" in refusal(home, "runs", "note", "nosuchrun", "one\n\ttwo")
    assert '"steps": 7' in output(home, "config", "quick", "--set", 'training={\n"steps": 7\n}')


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"name": HALF}, "name"),
        ({"tags": ["good", "b\x00d"]}, "tags.1"),
        ({"name": "two\nlines"}, "name"),
        ({"hypothesis": {"claim": "\x1b]0;x\x07"}}, "hypothesis.claim"),
        ({"x\ud800": 1}, "x\\ud800"),
    ],
)
def test_a_config_file_is_checked_as_a_request_is(
    tmp_path: Path, home: Path, content: dict[str, object], field: str
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"preset": "quick", **content}))
    for command in (("train", str(file)), ("config", str(file)), ("sweep", str(file), "--seeds", "2")):
        said = refusal(home, *command)
        assert field in said, said


@pytest.mark.parametrize("tasks", ['{"a\\ud83d": {}}', '{"a\\u001b[2J": {}}', '{"\\u200b": {}}'])
def test_a_task_file_is_checked_as_a_request_is(tmp_path: Path, home: Path, tasks: str) -> None:
    (tmp_path / "mine.json").write_text(tasks)
    assert "task id" in refusal(home, "data", "import", "--name", "mine", str(tmp_path / "mine.json"))


def test_a_dashboard_file_is_checked_as_a_request_is(tmp_path: Path, home: Path) -> None:
    (tmp_path / "mine.json").write_text('{"panels": [{"id": "a", "kind": "text", "text": "\\ud83d"}]}')
    said = refusal(home, "dashboard", "create", "mine", "--from", str(tmp_path / "mine.json"))
    assert "panels.0.text" in said


def test_an_assignment_with_a_key_twice_is_refused(home: Path) -> None:
    said = refusal(home, "config", "quick", "--set", 'training={"steps": 7, "steps": 8}')
    assert "'steps' stands twice" in said
    assert typed(home, "config", "quick", "--set", 'training={"steps": 7}').returncode == 0
