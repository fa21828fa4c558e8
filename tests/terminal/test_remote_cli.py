"""Commands by URL and token: the same bytes as on the database, the same refusals, and nothing else sent."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import uuid4

import pytest
import typer
from sqlalchemy import Engine, select

from backend.cli.app import app as etrm_app
from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import PRESETS
from backend.evaluation import service as evaluations
from backend.keeping import service as keeping
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.runs.group_tables import RunGroup
from backend.runs.tables import Run
from backend.runs_table import saved_views
from backend.terminal.port import free_local_port
from tests.support.commands import typed
from tests.support.databases import SqliteFiles
from tests.support.lab import environment
from tests.support.processes import eventually
from tests.support.records.recorded import (
    record_checkpoint,
    record_evaluation,
    record_evaluation_job,
    record_run,
)
from tests.support.servers import started_lab
from tests.support.web import WebServer

TASK = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]], "output": [[4]]}]}

# Command -> what is typed. Each is run by URL and on the database: what it prints and writes is the same.
READING: Mapping[str, tuple[str, ...]] = {
    "whoami": ("whoami",),
    "compare": ("compare {run} {other}", "compare {run} {other} --json -k 2", "compare {run} nosuchrun1"),
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
        "run curves nosuchrun1 --out {file}",
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
    "dashboard export": ("dashboard export encoder-variants --out {file}", "dashboard export {slug}"),
    "data list": ("data list",),
    "data show": (
        "data show arc-agi-1/training 007bbfb7",
        "data show arc-agi-1/training 007bbfb8",
        "data show generated/crossed/training t0000",
    ),
    "data leaks": ("data leaks {small} {small}", "data leaks {small} nosuch"),
    "view list": ("view list", "view list --json"),
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
    "backup x", "restore x", "doctor", "data fetch concept",
)  # fmt: skip
OF_LOGINS = {"login", "logout"}

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
    assert {*READING, *CHANGING, *OF_LOGINS} | here_only == commands
    assert here_only & {*READING, *CHANGING} == {"train"}


@dataclass
class Labs:
    """One lab, reached by its URL from a machine that has nothing of it, and on its database."""

    server: WebServer
    settings: Mapping[str, str]
    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        return self.server.engine

    def by_url(self, line: str, token: str | None = None, **variables: str) -> CompletedProcess[str]:
        by_token = {"ETRM_URL": self.server.url, "ETRM_TOKEN": token or self.server.token}
        return typed(self.folder / "elsewhere", *shlex.split(line), **by_token | variables)

    def here(self, line: str) -> CompletedProcess[str]:
        # A token's use is noted once in a while: that is no matter of how the command came.
        variables = dict(self.settings, ETRM_PORT=self.server.url.rpartition(":")[2])
        return typed(Path(variables.pop("ETRM_HOME")), *shlex.split(line), **variables)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Labs]:
    """A lab of its own: where another test's run continues, its duration differs from command to command."""
    folder = tmp_path_factory.mktemp("remote")
    with started_lab(folder, sqlite_files.new()) as lab:
        server = WebServer(lab.folder, lab.environment)
        try:
            yield furnished(server, lab.environment, folder)
        finally:
            server.stop()


def furnished(server: WebServer, settings: Mapping[str, str], folder: Path) -> Labs:
    """A lab with something to show under the names that READING uses."""
    labs = Labs(server, settings, folder)
    engine, artifacts = labs.engine, Path(settings["ETRM_ARTIFACTS"])
    run, other = (record_run(engine, points=20, tasks=6, seed=901 + at, name=f"run {at}") for at in range(2))
    diverged = record_run(engine, points=20, nan_from=12, seed=903)
    bare = record_run(engine, status="failed", points=0, total=600, seed=904)
    for step in (100, 200):
        record_checkpoint(engine, artifacts, bare, step)
    with session_scope(engine) as session:
        config = PRESETS["quick"].make().model_copy(update={"seed": 901})
        earlier = config.training.model_copy(update={"steps": 300})
        record_evaluation(session, run, config.model_copy(update={"training": earlier}), 6, 5)
        keeping.set_alias(session, bare, "mine", 100)
        saved_views.save(session, "remote view", "filter=seed+%3E+900&sort=-seed&column=training.steps")
        slug = dashboards.create(session, "Remote board", {}).slug
        dashboards.share(session, slug)
        accounts.add_person(session, "Ines Remote", "viewer")
        task = (json.dumps(TASK).encode(), "one.json")
        datasets.import_files(session, "remote-small", [task])
    with reading_scope(engine) as session:
        results = [runs.get(session, each).results for each in (run, other)]
    labs.names = {
        "run": run, "other": other, "diverged": diverged, "bare": bare, "view": "'remote view'",
        "evaluation": str(results[0][0].id), "other_evaluation": str(results[1][0].id), "slug": slug,
        "small": "remote-small",
    }  # fmt: skip
    return labs


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
    assert status in (0, 1, 2)
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
    return re.sub(r"free disk space [\d.]+ \w+", "free disk space", text)


@pytest.mark.parametrize("command", READING)
def test_reading_by_url_prints_the_same_bytes(
    labs: Labs, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, line in enumerate(READING[command]):
        read_both(labs, line, tmp_path / str(number), monkeypatch)
    assert labs.by_url(READING[command][0].format(**labs.names, file="/dev/null")).returncode in (0, 1)


SUBJECTS: Mapping[str, Callable[[Labs], str]] = {
    "queued": lambda labs: record_run(labs.engine, status="queued", points=0),
    "noted": lambda labs: noted(labs),
    "ended": lambda labs: ended(labs),
    "job": lambda labs: str(record_evaluation_job(labs.engine, ended(labs))),
    "cancelled": lambda labs: cancelled(labs),
    "new": lambda labs: f"new-{uuid4().hex[:8]}",
    "board": lambda labs: changed(labs, lambda session, name: dashboards.create(session, name, {})),
    "saved": lambda labs: changed(labs, lambda session, name: saved_views.save(session, name, "sort=seed")),
    "set": lambda labs: changed(labs, import_one),
    "person": lambda labs: changed(labs, lambda session, name: accounts.add_person(session, name, "viewer")),
    "token": lambda labs: changed(labs, accounts.create_token),
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


def ended(labs: Labs) -> str:
    """A failed run with checkpoints of steps 100 and 200, the older one called mine."""
    run = record_run(labs.engine, status="failed", points=0, total=600)
    for step in (100, 150, 200):
        record_checkpoint(labs.engine, Path(labs.settings["ETRM_ARTIFACTS"]), run, step)
    with session_scope(labs.engine) as session:
        keeping.set_alias(session, run, "mine", 100)
    return run


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
    text = re.sub(r"(?:etrm_|token=|/s/)[\w-]{20,}", "<secret>", text)
    for each in ids:
        text = text.replace(each, "<id>")
    text = re.sub(r"\b(?=[a-z]*\d)[a-z0-9]{10}\b", "<id>", text)
    text = re.sub(r"\b(evaluation|link) \d+", r"\1 <number>", text)
    return steady(text)


def change_both(labs: Labs, line: str) -> None:
    found = []
    for ask in (labs.by_url, labs.here):
        named = set(re.findall(r"\{(\w+)\}", line))
        subject = {name: make(labs) for name, make in SUBJECTS.items() if name in named}
        if "link" in named:
            with session_scope(labs.engine) as session:
                subject["link"] = str(dashboards.share(session, subject["board"])[0].id)
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


def token_of(labs: Labs, role: str, scope: str = "admin") -> str:
    with session_scope(labs.engine) as session:
        name = f"{role} {uuid4().hex[:6]}"
        accounts.add_person(session, name, role)
        return accounts.create_token(session, name, name, scope)


def test_a_token_may_do_what_its_person_may(labs: Labs) -> None:
    viewer, editor = token_of(labs, "viewer"), token_of(labs, "editor")
    run = record_run(labs.engine, status="queued", points=0)
    assert labs.by_url(f"run show {run}", viewer).returncode == 0
    refused = labs.by_url(f"runs note {run} mine", viewer)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is a viewer, and this takes an editor" in refused.stderr
    assert labs.by_url(f"runs note {run} mine", editor).returncode == 0
    assert "takes an admin" in labs.by_url("token list", editor).stderr
    reader = token_of(labs, "editor", "read")
    assert "has the scope read" in labs.by_url(f"runs note {run} mine", reader).stderr
    assert "role viewer  scope admin" in labs.by_url("whoami", viewer).stdout


@pytest.mark.parametrize(
    ("token", "said"),
    [("etrm_wrong-token-that-nobody-made", "does not know the token"), ("two words", "ETRM_TOKEN: must be")],
)
def test_a_wrong_token_is_refused_and_not_repeated(labs: Labs, token: str, said: str) -> None:
    done = labs.by_url("runs", token)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert token not in done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://lab.example", "ETRM_URL: must be http://HOST:PORT"),
        ("http://ines:secret@lab.example", "ETRM_URL: must be"),
        ("https://lab.example/?token=secret", "ETRM_URL: must be"),
    ],
)
def test_what_is_no_address_of_a_lab_is_refused(labs: Labs, url: str, said: str) -> None:
    done = labs.by_url("runs", ETRM_URL=url)
    assert done.returncode == 1
    assert said in done.stderr
    assert "secret" not in done.stderr


def test_options_go_before_the_environment(labs: Labs) -> None:
    options = f"--url {labs.server.url} --token {labs.server.token}"
    elsewhere = f"http://127.0.0.1:{free_local_port()}"
    done = labs.by_url(f"{options} whoami", "etrm_wrong", ETRM_URL=elsewhere)
    assert done.stdout == "the owner  role admin  scope admin\n"
    assert "cannot be reached" in labs.by_url("whoami", ETRM_URL=elsewhere).stderr
    tls = labs.server.url.replace("http:", "https:")
    assert "does not speak TLS" in labs.by_url("whoami", ETRM_URL=tls).stderr


class Stranger(BaseHTTPRequestHandler):
    """A server that is no lab: remembers what it is asked and answers what the test says."""

    asked: list[dict[str, str]]
    answer: tuple[int, dict[str, str], bytes]

    def do_GET(self) -> None:
        self.asked.append(dict(self.headers))
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def stranger(
    status: int, headers: dict[str, str], body: bytes = b""
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Its address and the headers of the requests that come."""
    asked: list[dict[str, str]] = []
    kind = type("Handler", (Stranger,), {"asked": asked, "answer": (status, headers, body)})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("line", ["--url {url} runs", "login {url}"])
def test_a_token_is_not_sent_to_another_lab_than_its_own(
    labs: Labs, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("etrm_of-the-other-lab\n"))
    with stranger(200, {}) as (url, asked):
        done = labs.by_url(line.format(url=url))
    assert done.returncode == 1
    assert labs.server.token not in json.dumps(asked)


def test_a_redirect_does_not_get_the_token(labs: Labs) -> None:
    with stranger(200, {}) as (target, asked), stranger(307, {"Location": f"{target}/x"}) as (url, _):
        done = labs.by_url("runs", ETRM_URL=url)
    assert done.returncode == 1
    assert f"sends to another address: {target}/x" in done.stderr
    assert asked == []


def test_what_is_no_lab_is_told_apart(labs: Labs) -> None:
    with stranger(200, {"Content-Type": "text/html"}, b"<p>Welcome") as (url, _):
        assert "does not answer as this version" in labs.by_url("runs", ETRM_URL=url).stderr
    with stranger(502, {"Content-Type": "text/html"}, b"<p>Bad gateway") as (url, _):
        assert "it answers 502 (text/html)" in labs.by_url("runs", ETRM_URL=url).stderr


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Length": "1000"}, "The connection to"),
        ({"Repr-Digest": "sha-256=:AAAA:"}, "damaged on its way"),
    ],
)
def test_a_file_that_does_not_arrive_whole_is_not_left(
    labs: Labs, tmp_path: Path, headers: dict[str, str], said: str
) -> None:
    target = tmp_path / "mine"
    target.write_text("before")
    named = {"Content-Disposition": 'attachment; filename="../../.profile"'}
    with stranger(200, named | headers, b"half of it") as (url, _):
        done = labs.by_url(f"runs export --out {target}", ETRM_URL=url)
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert target.read_text() == "before"


def test_a_lab_does_not_choose_the_folder_of_a_file(
    labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"Content-Disposition": 'attachment; filename="../../.profile"'}
    with stranger(200, named, b"rm -rf") as (url, _):
        assert labs.by_url("runs export", ETRM_URL=url).stdout == "Wrote profile.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["profile"]


def test_a_login_is_stored_for_its_address_alone(
    labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(line: str, typed_in: str = "", url: str = "") -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed_in))
        variables = {"XDG_CONFIG_HOME": str(tmp_path), "ETRM_TOKEN": "", "ETRM_URL": url}
        return labs.by_url(line, **variables)

    url, token, file = labs.server.url, labs.server.token, tmp_path / "etrm" / "logins.json"
    assert "No token is known" in at("whoami", url=url).stderr
    assert "does not know the token" in at(f"login {url}", "etrm_wrong\n").stderr
    assert not file.exists()
    done = at(f"login {url}/", f"{token}\n")
    assert f"Logged in to {url} as the owner, admin" in done.stdout
    assert token not in done.stdout + done.stderr
    assert json.loads(file.read_text()) == {url: token}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert at("whoami", url=url).stdout == "the owner  role admin  scope admin\n"
    with stranger(200, {}) as (other, asked):
        assert f"No token is known for {other}" in at("whoami", url=other).stderr
        assert asked == []
    file.chmod(0o644)
    assert "Others can read" in at("whoami", url=url).stderr
    file.chmod(0o600)
    assert "Logged out" in at("logout", url=url).stdout
    assert json.loads(file.read_text()) == {}
    assert "No token of" in at(f"logout {url}").stderr


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """What is started hears Ctrl-C, as in a terminal: a suite that runs in the background would hand down
    that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_an_evaluation_is_followed_by_url(labs: Labs) -> None:
    """Ctrl-C ends the following, not the evaluation; the end of the evaluation ends the following."""
    by_url = {"ETRM_URL": labs.server.url, "ETRM_TOKEN": labs.server.token}
    for ends in (True, False):
        run = ended(labs)
        following = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "evaluate", run, "--first", "4"],
            env=environment(labs.folder / "elsewhere", **by_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def queued(run: str = run) -> list[int]:
            with reading_scope(labs.engine) as session:
                return [each.id for each in evaluations.find(session, run)]

        (job,) = eventually(queued, "the evaluation")
        assert following.stderr
        first = following.stderr.readline()
        assert first.startswith("queued")
        if ends:
            with session_scope(labs.engine) as session:
                evaluations.cancel(session, job)
        else:
            following.send_signal(signal.SIGINT)
        printed, rest = following.communicate(timeout=300)
        assert f"Queued evaluation {job} of run {run}" in printed
        assert following.returncode == (1 if ends else 130)
        assert "status    cancelled" in printed if ends else "Still running" in rest
