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
from tests.support.records.recorded import (
    record_evaluation_job,
    record_run,
)
from tests.support.records.searched import record_search
from tests.support.records.studied import record_study
from tests.support.records.subscribed import subscribe
from tests.support.remote_labs import TASK, Labs, ended, furnished
from tests.support.web import WebServer

# Command -> what is typed. Each is run by URL and on the database: what it prints and writes is the same.
READING: Mapping[str, tuple[str, ...]] = {
    "whoami": ("whoami",),
    "compare": (
        "compare {run} {other}",
        "compare {run} {other} --json -k 2",
        "compare {run} nosuchrun1",
        "compare {run} {other} --table significance --format typst --out {file}",
        "compare {run} {other} --table result --out {file}",
    ),
    "explore": (
        "explore --of accuracy/token",
        "explore --of 'log(loss)' --filter 'seed < 2' --json",
        "explore --value loss --value 'loss - accuracy/token'",
        "explore --of 'sqrt(loss)'",
    ),
    "ensemble": ("ensemble {run} {other}", "ensemble {run} {other} --json", "ensemble {run} {bare}"),
    "gallery": (
        "gallery --run {run}",
        "gallery --evaluation {evaluation} --evaluation {other_evaluation} --change differ",
        "gallery --run {run} --mode nonsense",
        "gallery --run {run} --limit 2",
    ),
    "metrics": ("metrics", "metrics loss", "metrics los"),
    "presets": ("presets",),
    "config": ("config quick --set training.steps=7", "config quick --set training.stepz=7"),
    "storage": ("storage",),
    "runs": (
        "runs",
        "runs --json --limit 3",
        "runs --filter 'seed == 901' --column training.steps --column loss --column tags",
        "runs --view {view} --column seed",
        "runs --view nosuchview",
        "runs --filter 'sed == 1'",
        "runs --filter 'seed == 123456'",
        "runs --sort nosuchname",
        "runs --limit 1",
    ),
    "runs export": (
        "runs export --filter 'seed == 901' --column loss --out {file}",
        "runs export --format parquet --filter 'seed > 900' --out {file}",
        "runs export --format xls --out {file}",
    ),
    "run show": ("run show {run}", "run show {run} --json", "run show {diverged} --json", "run show nosuch"),
    "run log": (
        "run log {run}",
        "run log {run} -n 2",
        "run log {run} --contains STEP --level info",
        "run log nosuchrun1",
    ),
    "runs log": ("runs log step", "runs log 'nothing like it' --level error", "runs log step --level grave"),
    "run provenance": ("run provenance {run}", "run provenance {run} --json", "run provenance nosuchrun1"),
    "run checkpoints": ("run checkpoints {bare}", "run checkpoints {bare} --json"),
    "run weights": (
        "run weights {bare} {file} --weights raw",
        "run weights {bare} {file} --checkpoint 100",
        "run weights {run} {file}",
        "run weights {bare} {file} --checkpoint papr",
        "run weights {bare} /nowhere/weights",
    ),
    "run curves": (
        "run curves {run} --metric loss --out {file}",
        "run curves {diverged} --format parquet --out {file}",
        "run curves {diverged} --format tensorboard --out {file}",
        "run curves nosuchrun1 --out {file}",
    ),
    "run figure": (
        "run figure {run} loss --out {file}",
        "run figure {run} loss --format svg --width 7 --out {file}",
        "run figure {run} loss --width 4 --out {file}",
        "run figure {run} los --out {file}",
    ),
    "evaluation list": ("evaluation list --limit 5", "evaluation list --run {run} --json"),
    "evaluation show": (
        "evaluation show {evaluation}",
        "evaluation show {evaluation} --json",
        "evaluation show 99999",
    ),
    "evaluation export": (
        "evaluation export {evaluation} --out {file}",
        "evaluation export {evaluation} --what curve --format csv --out {file}",
        "evaluation export {evaluation} --what nonsense --out {file}",
    ),
    "evaluation compare": (
        "evaluation compare {run} {other}",
        "evaluation compare {run} {other} --json",
        "evaluation compare {run} {bare}",
    ),
    "evaluation strata": ("evaluation strata {evaluation}", "evaluation strata {evaluation} --json"),
    "evaluation duel": ("evaluation duel {run} {run}", "evaluation duel {run} {other} --views 9,3"),
    "evaluation learning": (
        "evaluation learning {run}",
        "evaluation learning {run} --json",
        "evaluation learning {other}",
    ),
    "queue": ("queue", "queue --json"),
    "dashboard list": ("dashboard list",),
    "dashboard show": ("dashboard show {slug}", "dashboard show nosuch"),
    "dashboard shares": ("dashboard shares", "dashboard shares {slug}"),
    "dashboard paper": (
        "dashboard paper {slug} --out {file}",
        "dashboard paper nosuch --out {file}",
        "dashboard paper --run {run} --by lines --out {file}",
        "dashboard paper",
    ),
    "dashboard export": ("dashboard export encoder-variants --out {file}", "dashboard export {slug}"),
    "data list": ("data list",),
    "data show": (
        "data show arc-agi-1/training 007bbfb7",
        "data show arc-agi-1/training 007bbfb8",
        "data show generated/crossed/training t0000",
    ),
    "data leaks": ("data leaks {small} {small}", "data leaks {small} nosuch"),
    "parameter-search show": (
        "parameter-search show {search}",
        "parameter-search show {search} --json",
        "parameter-search show nosuchsear",
    ),
    "study list": ("study list --json",),
    "study show": ("study show {study}", "study show {study} --json", "study show nosuchstud"),
    "study export": ("study export {study} --out {file}", "study export {study} --format word"),
    "view list": ("view list", "view list --json"),
    "alerts": ("alerts",),
    "people": ("people",),
    "token list": ("token list",),
}

# The same with what changes the lab: once by URL and once on the database, each on a subject of its own.
CHANGING: Mapping[str, tuple[str, ...]] = {
    "train": ("train quick --queue --set seed=5", "train quick --queue --set data.training_sets=['no']"),
    "sweep": (
        "sweep quick --seeds 2 --name two",
        "sweep quick --grid model.core.width=64,128 --dry-run",
        "sweep quick --grid model.core.width=0 --dry-run",
        "sweep quick --seeds 300 --dry-run",
    ),
    "parameter-search start": (
        "parameter-search start quick --vary model.core.width=8..64:stp=8",
        "parameter-search start quick --vary model.core.width=0..64 --trials 300",
    ),
    "parameter-search stop": ("parameter-search stop {running}", "parameter-search stop nosuchsear"),
    "parameter-search continue": ("parameter-search continue {stopped}",),
    "study start": ("study discussion --scale lptop", "study start discusion"),
    "study stop": ("study stop {studied}", "study stop nosuchstud"),
    "study continue": ("study continue {paused} --hours 200", "study continue {studied}"),
    "evaluate": ("evaluate {ended} --no-follow --first 4", "evaluate nosuchrun1 --no-follow"),
    "runs archive": ("runs archive {queued} {ended}", "runs archive {queued} nosuchrun1"),
    "runs restore": ("runs restore {queued}",),
    "runs project": ("runs project arc-2 {queued} {ended}", "runs project arc-2 nosuchrun1"),
    "runs tag": ("runs tag {queued} {ended} --add good --add old", "runs tag nosuchrun1 --add good"),
    "runs note": ("runs note {queued} 'Two lines:\nhere.'", "runs note {noted} Another."),
    "run cancel": ("run cancel {queued}", "run cancel {ended}"),
    "run resume": ("run resume {ended}", "run resume {ended} --checkpoint 100", "run resume {queued}"),
    "run clone": (
        "run clone {ended} --set seed=8 --set training.steps=7",
        "run clone {ended} --set training.stepz=7",
        "run clone {ended} --set nothing",
    ),
    "run alias": (
        "run alias {ended} paper --checkpoint 100",
        "run alias {ended} paper",
        "run alias {ended} Paper!",
        "run alias {ended} mine --remove",
        "run alias {ended} nosuch --remove",
        "run alias {queued} paper",
    ),
    "run fork": (
        "run fork {ended} --checkpoint 100 --set seed=8",
        "run fork {ended} --checkpoint mine --weights raw --part decoder",
        "run fork {ended}",
        "run fork {queued}",
    ),
    "evaluation cancel": ("evaluation cancel {job}", "evaluation cancel 99999"),
    "evaluation resume": ("evaluation resume {cancelled}", "evaluation resume 99999"),
    "queue move": ("queue move {queued} 1", "queue move {ended} 1"),
    "queue priority": ("queue priority {queued} high", "queue priority {queued} hgih"),
    "dashboard create": ("dashboard create {new}", "dashboard create ''"),
    "dashboard duplicate": ("dashboard duplicate {board} --name {new}", "dashboard duplicate nosuch"),
    "dashboard share": ("dashboard share {board}",),
    "dashboard revoke": ("dashboard revoke {board} {link}", "dashboard revoke {board} 99999"),
    "dashboard delete": ("dashboard delete {board}", "dashboard delete nosuch"),
    "data import": (
        "data import {tasks} --name {new}",
        "data import {folder} --name {new}",
        "data import {tasks} --name arc-agi-1/training",
        "data import {pyproject} --name {new}",
    ),
    "data remove": ("data remove {set}", "data remove arc-agi-1/training"),
    "view save": ("view save {new} --filter 'seed > 1' --column seed", "view save {new} --filter 'sed > 1'"),
    "view delete": ("view delete {saved}", "view delete nosuch"),
    "alerts add": (
        "alerts add webhook http://127.0.0.1:9/hook --event finished --filter 'seed > 1' --name {new}",
        "alerts add webhook ftp://x --event finished",
        "alerts add webhook http://127.0.0.1:9/hook --event finnished",
    ),
    "alerts test": ("alerts test {subscription}", "alerts test 99999"),
    "alerts pause": ("alerts pause {subscription}", "alerts pause 99999"),
    "alerts resume": ("alerts resume {subscription}",),
    "alerts remove": ("alerts remove {subscription}", "alerts remove 99999"),
    "people add": ("people add {new} viewer", "people add {new} king"),
    "people invite": ("people invite {person}", "people invite nobody"),
    "people role": ("people role {person} admin", "people role {person} king"),
    "people limit": ("people limit {person} --running 2 --queued 0", "people limit nobody --running 1"),
    "people remove": ("people remove {person}", "people remove nobody"),
    "token create": (
        "token create {new} --person {person} --scope read --expires 30d",
        "token create {new} --scope everything",
    ),
    "token revoke": ("token revoke {token}", "token revoke nosuch"),
    "storage": ("storage --free {ended}", "storage --free {queued}"),
}

# What works on the machine of the lab, or on this one, and refuses where a URL names another.
HERE_ONLY = (
    "up", "web", "worker", "migrate", "train quick", "checkpoint inspect x", "control", "parity x",
    "backup x", "restore x", "run pack x", "run unpack x", "doctor", "data fetch concept",
)  # fmt: skip
OF_LOGINS = {"login", "logout"}
OF_CLIENT = {"sync", "import"}  # tests/client

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
        assert done.returncode == ExitCode.DONE, done.stderr
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
    text = re.sub(r"\b(evaluation|link|subscription|alerts test) \d+", r"\1 <number>", text)
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
