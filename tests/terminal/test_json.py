"""--json: on every command, before and after its name; the API's bodies, and errors in the API's form."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from backend.cli.app import app as etrm_app
from backend.embedded.database import prepare
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.exit_codes import ExitCode
from backend.kit.output import as_json, plain, tell
from backend.web.errors import body_of
from etrm_lab import command as client
from tests.support.commands import output, queue, typed
from tests.support.lab import STOP_SECONDS, environment
from tests.support.remote_labs import Labs
from worker.cli.app import app as worker_app


def commands_of(command: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Every command and group below one, with its options."""
    yield path, [option for parameter in command.params for option in parameter.opts]
    for name, each in getattr(command, "commands", {}).items():
        yield from commands_of(each, f"{path} {name}")


def commands_of_client(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    options = []
    for action in parser._actions:
        options += action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from commands_of_client(each)
    yield parser.prog, options


def test_every_command_has_the_option() -> None:
    commands = [
        *commands_of(typer.main.get_command(etrm_app), "etrm"),
        *commands_of(typer.main.get_command(worker_app), "worker"),
        *commands_of_client(client._parser()),
    ]
    assert len(commands) > 90
    assert [path for path, options in commands if options.count("--json") != 1] == []


def test_it_stands_anywhere_but_after_two_dashes(home: Path) -> None:
    queue(home, "train", "quick", "--queue", "--set", "seed=91")
    before, after = (output(home, *words) for words in (("--json", "runs"), ("runs", "--json")))
    assert before == after
    (run,) = json.loads(after)["runs"]
    json.loads(output(home, "runs", "--json", "note", run["id"], "mine"))
    assert "Saved" in output(home, "runs", "note", "--", run["id"], "--json")
    assert json.loads(output(home, "run", "show", run["id"], "--json"))["notes"] == "--json"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("runs --limit 3", "runs?limit=3"),
        ("evaluation show {evaluation}", "evaluations/{evaluation}"),
        ("run checkpoints {bare}", "runs/{bare}/checkpoints"),
        ("run log {run}", "runs/{run}/log?limit=50"),
        ("evaluation learning {run}", "runs/{run}/learning"),
        ("compare {run} {other}", "compare?runs={run},{other}"),
        ("dashboard show {slug}", "dashboards/{slug}"),
        ("token list", "tokens"),
        ("view list", "views"),
    ],
)
def test_it_is_the_body_of_the_api(labs: Labs, line: str, path: str) -> None:
    with labs.server.client() as client:
        body = client.get(f"/api/v1/{path.format(**labs.names)}").raise_for_status().json()
    assert json.loads(labs.here(f"{line.format(**labs.names)} --json").stdout) == body


def test_numbers_that_are_not_finite_are_marked_as_the_api_does(labs: Labs) -> None:
    shown = labs.here(f"run show {labs.names['diverged']} --json").stdout
    run = json.loads(shown, parse_constant=pytest.fail)
    assert run["metrics"]["loss"]["last"] == "NaN"
    assert plain({"a": [float("nan"), float("inf"), 0.5]}) == {"a": [None, None, 0.5]}


def test_an_error_has_the_form_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    error = InvalidInput("It is wrong.", "Mend it.", [FieldProblem("seed", "must be at least 0.", "Try 0.")])
    with as_json(True):
        tell(error)
    captured = capsys.readouterr()
    assert json.loads(captured.err) == body_of(error).model_dump()
    assert captured.out == ""


@pytest.mark.parametrize("line", ["run show nosuchrun1", "runs --filter 'sed == 1'", "run cancel {run}"])
def test_an_error_is_the_same_by_url_and_here(labs: Labs, line: str) -> None:
    by_url, here = (ask(f"{line.format(**labs.names)} --json") for ask in (labs.by_url, labs.here))
    assert by_url.stdout == here.stdout == ""
    assert by_url.returncode == here.returncode > 0
    assert json.loads(by_url.stderr) == json.loads(here.stderr)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["runs", "--limit", "0"], "--limit"),
        (["runs", "--limit"], "--limit"),
        (["runs", "--nothing"], "--nothing"),
        (["run", "show"], "RUN"),
        (["evaluation", "show", "one"], "ID"),
        (["rums"], "COMMAND"),
        (["data"], "COMMAND"),
        (["presets", "more"], "arguments"),
        (["train", "quick", "--queue", "--out", "x"], "--queue"),
    ],
)
def test_wrong_usage_names_its_field(home: Path, words: list[str], field: str) -> None:
    done = typed(home, *words, "--json")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "usage"
    assert [each["field"] for each in error["fields"]] == [field]
    assert "--help" in error["hint"]


def test_help_stays_text(home: Path) -> None:
    assert output(home, "runs", "--json", "--help").startswith("Usage: etrm runs")


def test_what_works_on_this_machine_answers_json_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*words: str) -> Any:
        return json.loads(output(home, *words, "--json"))

    monkeypatch.chdir(tmp_path)
    run = answer("train", "quick", "--queue")["id"]
    assert answer("run", "cancel", run)["status"] == "cancelled"
    assert answer("migrate").keys() == {"revision"}
    assert answer("backup", "all.etrm")["path"] == "all.etrm"
    assert answer("restore", "all.etrm", "--check")["checkpoints"] == 0
    assert answer("run", "pack", run)["path"] == f"{run}.etrm"
    other = tmp_path / "other"
    other.mkdir()
    prepare(f"sqlite:///{other / 'etrm.sqlite3'}").dispose()
    assert json.loads(output(other, "run", "unpack", f"{run}.etrm", "--json")) == {"run": run}
    doctor = typed(home, "doctor", "--json")
    assert json.loads(doctor.stdout)["ok"] == (doctor.returncode == ExitCode.DONE)


@contextmanager
def continuing(home: Path, *words: str) -> Iterator[dict[str, Any]]:
    """A command that runs until it is stopped: the line that it prints when it is ready, and no more."""
    command = [sys.executable, "-m", "backend.cli", *words, "--json"]
    with (home / f"{words[0]}.err").open("w") as errors:
        process = subprocess.Popen(
            command, env=environment(home), stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, (home / f"{words[0]}.err").read_text()
        yield json.loads(line)
        process.terminate()
        rest, _ = process.communicate(timeout=STOP_SECONDS)
        assert rest == ""
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_what_runs_until_it_is_stopped_prints_one_line_when_it_is_ready(home: Path) -> None:
    with continuing(home, "up", "--port", "0", "--no-demo") as lab:
        assert lab["login_url"].startswith(f"{lab['url']}/login")
        assert httpx.get(f"{lab['url']}/readyz", timeout=60).is_success
        with continuing(home, "worker") as worker:
            assert worker["worker_id"]
        with continuing(home, "web", "--port", "0") as server:
            assert httpx.get(f"{server['url']}/readyz", timeout=60).is_success
