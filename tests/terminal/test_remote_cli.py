"""Commands by URL and on the database: the same bytes, files, changes and refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import uuid4

import pytest
import typer
from sqlalchemy import select

from backend.cli.app import app as etrm_app
from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.evaluation import service as evaluations
from backend.kit.exit_codes import ExitCode
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.runs.group_tables import RunGroup
from backend.runs.tables import Run
from backend.runs_table import saved_views
from tests.support.command_lines import CHANGING, HERE_ONLY, OF_CLIENT, OF_LOGINS, READING
from tests.support.records.recorded import record_evaluation_job, record_run
from tests.support.records.searched import record_search
from tests.support.records.studied import record_study
from tests.support.records.subscribed import subscribe
from tests.support.remote_labs import TASK, Labs, ended, furnished
from tests.support.web import WebServer

ATTEMPTS = 3


def every_command() -> set[str]:
    """`runs`, `runs export`, `queue move`: what can be typed after `etrm` and does something."""

    def within(group: Any, above: str) -> Iterator[str]:
        for name, command in group.commands.items():
            path = f"{above} {name}".strip()
            if getattr(command, "invoke_without_command", False) or not hasattr(command, "commands"):
                yield path
            if hasattr(command, "commands"):
                yield from within(command, path)

    return set(within(typer.main.get_command(etrm_app), ""))


def test_every_command_works_by_url_or_refuses() -> None:
    commands = every_command()
    here_only = {next(each for each in commands if f"{line} ".startswith(f"{each} ")) for line in HERE_ONLY}
    assert {*READING, *CHANGING, *OF_LOGINS, *OF_CLIENT} | here_only == commands
    assert here_only & {*READING, *CHANGING} == {"train"}


def read_both(labs: Labs, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type a line by URL and here; the same is printed, and the same file is written."""
    for attempt in range(ATTEMPTS):  # a worker may go offline, or a second pass, between the two
        found = [
            outcome(labs, ask, line, tmp_path / f"{way}-{attempt}", monkeypatch)
            for way, ask in (("url", labs.by_url), ("here", labs.here))
        ]
        if found[0] == found[1]:
            break
    assert found[0] == found[1]
    status, _, _, files = found[0]
    assert status in list(ExitCode)
    assert status or not files or all(files.values())


def outcome(
    labs: Labs,
    ask: Callable[[str], CompletedProcess[str]],
    line: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[int, str, str, dict[str, bytes]]:
    """What a line ends with, prints, and writes into a folder."""
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    done = ask(line.format(**labs.names, file="written"))
    assert "Traceback" not in done.stderr
    files = {path.name: written_at_once(path.read_bytes()) for path in folder.iterdir()}
    return done.returncode, steady(done.stdout), steady(done.stderr), files


def written_at_once(content: bytes) -> bytes:
    """A file without the second at which a dashboard was exported."""
    return re.sub(rb"(Exported from ETRM Lab, )[\d: -]+", rb"\1", content)


def steady(text: str) -> str:
    """What is printed, without what changes by itself between two commands."""
    return re.sub(r"free disk space [\d.]+ \w+|\"disk_free_bytes\": \d+", "free disk space", text)


@pytest.mark.parametrize("command", READING)
def test_reading_by_url_prints_the_same_bytes(
    labs: Labs, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, line in enumerate(READING[command]):
        read_both(labs, line, tmp_path / str(number), monkeypatch)
    done = labs.by_url(READING[command][0].format(**labs.names, file="/dev/null"))
    assert done.returncode in (ExitCode.DONE, ExitCode.FAILED, ExitCode.NOT_FOUND)


@pytest.mark.parametrize("command", READING)
def test_reading_answers_one_json_document(
    labs: Labs, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [each.format(**labs.names, file="written") for each in READING[command]]
    for line in lines:
        answered(labs.here(f"--json {line}"))
    for _ in range(ATTEMPTS):  # as in read_both
        by_url, here = labs.by_url(f"{lines[0]} --json"), labs.here(f"--json {lines[0]}")
        if steady(by_url.stdout) == steady(here.stdout):
            break
    answered(by_url)
    assert steady(by_url.stdout) == steady(here.stdout)


@pytest.mark.parametrize("command", [each for each in CHANGING if each != "storage"])
def test_changing_answers_one_json_document(labs: Labs, command: str) -> None:
    for line in CHANGING[command]:
        answered(labs.here(f"{line.format(**subjects(labs, line))} --json"))


def answered(done: CompletedProcess[str]) -> Any:
    """The document that a command answers with --json; for one that is refused its error."""
    assert "Traceback" not in done.stderr
    if done.stdout:
        # A document with 1: the command worked, and tells of what did not.
        assert done.returncode in (ExitCode.DONE, ExitCode.FAILED), done.stderr
        return json.loads(done.stdout, parse_constant=pytest.fail)
    assert done.returncode in (ExitCode.FAILED, ExitCode.USAGE, ExitCode.NOT_FOUND)
    error = json.loads(done.stderr)["error"]
    assert error.keys() == {"code", "message", "hint", "fields"}
    return error


SUBJECTS: Mapping[str, Callable[[Labs], str]] = {
    "queued": lambda labs: record_run(labs.engine, status="queued", points=0),
    "noted": lambda labs: noted(labs),
    "ended": lambda labs: ended(labs),
    "job": lambda labs: str(record_evaluation_job(labs.engine, ended(labs))),
    "cancelled": lambda labs: cancelled(labs),
    "running": lambda labs: record_search(labs.engine),
    "stopped": lambda labs: record_search(labs.engine, "stopped"),
    "studied": lambda labs: record_study(labs.engine),
    "paused": lambda labs: record_study(labs.engine, "stopped"),
    "new": lambda labs: f"new-{uuid4().hex[:8]}",
    "board": lambda labs: changed(labs, lambda session, name: dashboards.create(session, name, {})),
    "saved": lambda labs: changed(labs, lambda session, name: saved_views.save(session, name, "sort=seed")),
    "set": lambda labs: changed(labs, import_one),
    "person": lambda labs: changed(labs, lambda session, name: accounts.add_person(session, name, "viewer")),
    "token": lambda labs: changed(labs, accounts.create_token),
    "subscription": lambda labs: str(subscribe(labs.engine, "http://127.0.0.1:9/hook")),
    "tasks": lambda labs: str(task_file(labs.folder / f"{uuid4().hex}.json")),
    "folder": lambda labs: str(task_file(labs.folder / uuid4().hex / "inner" / "one.json").parents[1]),
    "pyproject": lambda labs: str(Path(__file__).parents[2] / "pyproject.toml"),
}


def changed(labs: Labs, change: Callable[[Any, str], object]) -> str:
    """Make something of a new name; the name."""
    name = f"made-{uuid4().hex[:8]}"
    with session_scope(labs.engine) as session:
        change(session, name)
    return name


def import_one(session: Any, name: str) -> None:
    datasets.import_files(session, name, [(json.dumps(TASK).encode(), "one.json")])


def noted(labs: Labs) -> str:
    run = ended(labs)
    with session_scope(labs.engine) as session:
        runs.edit(session, run, notes="Before.")
    return run


def cancelled(labs: Labs) -> str:
    job = record_evaluation_job(labs.engine, ended(labs))
    with session_scope(labs.engine) as session:
        evaluations.cancel(session, job)
    return str(job)


def task_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(TASK))
    return path


def of_its_subject(text: str, subject: Mapping[str, str], ids: Collection[str]) -> str:
    """What is printed, with the names that only one of the two runs of a command knows taken out."""
    for name, value in sorted(subject.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"<{name}>")
    text = re.sub(r"(?:etrm_|whsec_|token=|/s/)[\w-]{20,}", "<secret>", text)
    for each in ids:
        text = text.replace(each, "<id>")
    text = re.sub(r"\b(?=[a-z]*\d)[a-z0-9]{10}\b", "<id>", text)
    text = re.sub(r"\b(evaluation|[Aa]blation|link|subscription|alerts test) \d+", r"\1 <number>", text)
    return steady(text)


def subjects(labs: Labs, line: str) -> dict[str, str]:
    """What a line of CHANGING is about, made for it."""
    named = set(re.findall(r"\{(\w+)\}", line))
    subject = {name: make(labs) for name, make in SUBJECTS.items() if name in named}
    if "link" in named:
        with session_scope(labs.engine) as session:
            subject["link"] = str(dashboards.share(session, subject["board"])[0].id)
    return subject


def change_both(labs: Labs, line: str) -> None:
    found = []
    for ask in (labs.by_url, labs.here):
        subject = subjects(labs, line)
        done = ask(line.format(**subject))
        assert "Traceback" not in done.stderr
        with reading_scope(labs.engine) as session:  # one id in 26 has no digit by which to know it
            ids = session.scalars(select(Run.id).union(select(RunGroup.id))).all()
        printed = [of_its_subject(each, subject, ids) for each in (done.stdout, done.stderr)]
        found.append((done.returncode, *printed))
    assert found[0] == found[1]


@pytest.mark.parametrize("command", [each for each in CHANGING if each != "storage"])
def test_changing_by_url_does_and_prints_the_same(labs: Labs, command: str) -> None:
    for line in CHANGING[command]:
        change_both(labs, line)


def test_checkpoints_are_let_go_by_url(labs: Labs) -> None:
    for ask in (labs.by_url, labs.here):
        run = ended(labs)
        done = ask(f"storage --free {run}")
        assert done.stdout.startswith("Removed 1 checkpoint.\n"), done.stderr
        refused = ask(f"storage --free {record_run(labs.engine, status='queued', points=0)}")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "needs its checkpoints" in refused.stderr


@pytest.mark.parametrize("line", HERE_ONLY)
def test_what_works_on_the_machine_of_the_lab_refuses(labs: Labs, line: str) -> None:
    done = labs.by_url(line)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"machine of the lab only, not through {labs.server.url}" in done.stderr


def test_on_postgres_it_is_the_same(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "ETRM_HOME": str(tmp_path / "home"),
        "ETRM_ARTIFACTS": str(tmp_path / "artifacts"),
        "ETRM_DATABASE_URL": postgres_url,
    }
    (tmp_path / "home").mkdir()
    server = WebServer(tmp_path, settings)
    try:
        with session_scope(server.engine) as session:
            datasets.seed_built_in(session)
        labs = furnished(server, settings, tmp_path)
        lines = ("runs --json", "run show {run}", "compare {run} {other} --json", "dashboard export {slug}")
        for number, line in enumerate(lines):
            read_both(labs, line, tmp_path / f"files-{number}", monkeypatch)
        change_both(labs, "train quick --queue")
    finally:
        server.stop()
