"""What commands print: nobody's text steers the terminal."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from backend.cli import main as etrm
from backend.db.session import make_engine, session_scope
from backend.domain.records import LogLine
from backend.embedded.database import prepare
from backend.kit.streams import cleaned, console, one_line, printable
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.runs import logs
from backend.terminal.tables import show
from worker.cli import app as worker_cli
from worker.recording.console import ConsoleRecorder

CLEAR, TITLE, LINK = "\x1b[2J\x1b[H", "\x1b]0;mine\x07", "\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\"
HOSTILE = [CLEAR, TITLE, LINK, "\x9b31m", "a\rb", "\x7f", "\u202eabc", "\ud83d", "\x00", "\b\b\b"]


def is_harmless(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t\u202f" for character in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_spelt_out_as_json_spells_them(text: str) -> None:
    shown = printable(text)
    assert is_harmless(shown)
    assert "\\" in text or json.loads(f'"{shown}"') == text
    assert printable("Größe – 中文 🙂\n\tx") == "Größe – 中文 🙂\n\tx"
    assert one_line("a\nb\tc") == "a\\u000ab\\u0009c"


def test_everything_printed_is_cleaned_and_our_colours_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with cleaned():
        for text in HOSTILE:
            print(text)
            print(text, file=sys.stderr)
        show(("a", "b"), [(CLEAR, "x\ny")], "")
        recorder = ConsoleRecorder(console(force_terminal=True))
        recorder.log(CLEAR + "[bold]", "warning")
    captured = capsys.readouterr()
    assert is_harmless(captured.err)
    assert is_harmless(captured.out.replace("\x1b[33m", "").replace("\x1b[0m", ""))
    assert "\x1b[33m\\u001b[2J\\u001b[H[bold]\x1b[0m" in captured.out
    assert "\\u001b[2J\\u001b[H  x\\u000ay" in captured.out


@pytest.fixture
def hostile_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose name, notes, tags, metric and log try to steer a terminal."""
    monkeypatch.setenv("ETRM_HOME", str(tmp_path))
    url = f"sqlite:///{tmp_path}/etrm.sqlite3"
    monkeypatch.setenv("ETRM_DATABASE_URL", url)
    prepare(url).dispose()
    engine = make_engine(url)
    with session_scope(engine) as session:
        run = external_runs.create(session, f"name{CLEAR}", {"key": TITLE})
        runs.edit(session, run.id, tags=[f"tag{LINK}"], notes=CLEAR)
        logs.append(session, run.id, [LogLine(0.0, "info", f"line{CLEAR}\nforged")])
    engine.dispose()
    return run.id


@pytest.mark.parametrize(
    "command", ["runs", "run show", "run log", "runs --json", "nothing\x1b[2J", "run show \x1b[2J"]
)
def test_no_command_prints_an_escape(
    command: str, hostile_run: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command.split(" ")
    if arguments[0] == "run" and len(arguments) == 2:
        arguments.append(hostile_run)
    monkeypatch.setattr(sys, "argv", ["etrm", *arguments])
    with suppress(SystemExit):
        etrm()
    captured = capsys.readouterr()
    assert captured.out + captured.err
    assert is_harmless(captured.out + captured.err)


def test_names_of_tensors_are_printed_harmlessly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(
        {f"a{CLEAR}": torch.zeros(1), "b\nforged": torch.zeros(2), f"c{TITLE}": {"d": torch.ones(1)}},
        tmp_path / "f",
    )
    for arguments in (("inspect", "f"), ("import", "f", "--config", "quick", "--out", f"out{CLEAR}")):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["worker", "checkpoint", *arguments])
        with pytest.raises(SystemExit):
            worker_cli.main()
        captured = capsys.readouterr()
        assert is_harmless(captured.out + captured.err)
        assert "\nforged" not in captured.out + captured.err
