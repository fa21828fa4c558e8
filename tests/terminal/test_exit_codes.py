"""Exit codes: each is produced, by URL and here alike, and people are told what each means."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.kit.exit_codes import MEANINGS, ExitCode
from backend.terminal.port import free_local_port
from etrm_lab.exit_codes import ExitCode as ExitCodeOfClient
from tests.support.commands import output
from tests.support.lab import environment
from tests.support.remote_labs import Labs, ended

ROOT = Path(__file__).parents[2]
PRODUCED = {
    "whoami": ExitCode.DONE,
    "run cancel {run}": ExitCode.FAILED,
    "runs --filter 'sed == 1'": ExitCode.FAILED,
    "runs --limit 0": ExitCode.USAGE,
    "evaluation show 99999": ExitCode.NOT_FOUND,
    "dashboard show nosuch": ExitCode.NOT_FOUND,
}


@pytest.mark.parametrize(("line", "code"), PRODUCED.items())
def test_a_command_ends_with_the_same_code_by_url_and_here(labs: Labs, line: str, code: ExitCode) -> None:
    for ask in (labs.by_url, labs.here):
        done = ask(line.format(**labs.names))
        assert done.returncode == code, done.stderr


def test_who_may_not_and_who_gets_no_answer_are_told_apart(labs: Labs) -> None:
    assert labs.by_url("whoami", "etrm_wrong-token-that-nobody-made").returncode == ExitCode.NOT_ALLOWED
    nowhere = f"http://127.0.0.1:{free_local_port()}"
    done = labs.by_url("whoami --json", ETRM_URL=nowhere)
    assert done.returncode == ExitCode.UNAVAILABLE
    assert json.loads(done.stderr)["error"]["code"] == "unavailable"


def test_a_database_that_does_not_answer_is_unavailable(labs: Labs) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_local_port()}/none"
    settings = {**labs.settings, "ETRM_DATABASE_URL": url}
    done = Labs(labs.server, settings, labs.folder).here("run show nosuchrun1")
    assert done.returncode == ExitCode.UNAVAILABLE, done.stderr


def test_ctrl_c_while_following(labs: Labs) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    try:
        following = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "evaluate", ended(labs), "--first", "4", "--json"],
            env=environment(
                labs.folder / "elsewhere", ETRM_URL=labs.server.url, ETRM_TOKEN=labs.server.token
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert following.stderr
    queued = following.stderr.readline()
    assert queued.startswith("Queued evaluation")
    assert following.stderr.readline().startswith("queued")
    following.send_signal(signal.SIGINT)
    printed, told = following.communicate(timeout=300)
    assert (following.returncode, printed) == (ExitCode.INTERRUPTED, "")
    error = json.loads(told[told.index("{") :])["error"]
    assert (error["code"], "Still running" in error["message"]) == ("interrupted", True)


def test_every_code_is_produced_by_some_test_here() -> None:
    others = {ExitCode.NOT_ALLOWED, ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED}
    assert set(ExitCode) == {*PRODUCED.values()} | others


def test_the_guide_and_the_help_list_them(tmp_path: Path) -> None:
    guide = (ROOT / "docs/user-guide.md").read_text().partition("| exit code | meaning |\n")[2]
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", guide.partition("\n\n")[0], re.MULTILINE)
    assert {int(code): text for code, text in rows} == MEANINGS
    shown = output(tmp_path, "--help")
    for code, text in MEANINGS.items():
        assert re.search(rf"^ +{code} +{re.escape(text)}$", shown, re.MULTILINE), code


def test_the_client_has_the_same() -> None:
    assert {each.name: each.value for each in ExitCodeOfClient} == {
        each.name: each.value for each in ExitCode
    }
