"""Compose file, images and systemd units: what they set, start and probe is what the code has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml

from backend.cli.app import app as etrm
from backend.db.session import reading_scope
from backend.operations.checks.settings import OF_OTHERS
from backend.settings import PREFIX, Settings
from backend.terminal.port import free_local_port
from backend.web.entrance.guard import PROBED
from backend.workers import service as workers
from tests.support.databases import PostgresDatabases
from tests.support.processes import PATIENCE, Lab, eventually, kill
from worker.cli.app import app as torch_commands
from worker.service.supervision import GRACE

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "docker" / "Dockerfile"
UNITS = sorted((ROOT / "docker" / "systemd").glob("*.service"))
DEPLOYMENT = [COMPOSE, *sorted(path for path in (ROOT / "docker").rglob("*") if path.is_file())]
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
BIN = Path(sys.executable).parent  # where `etrm` is installed beside this interpreter
INSTALLED = "/opt/etrm/bin/etrm"

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def stage(name: str) -> str:
    """The lines of a stage of the Dockerfile."""
    return re.split(r"^FROM ", DOCKERFILE.read_text().partition(f" AS {name}\n")[2], flags=re.MULTILINE)[0]


def command_of(service: str) -> list[str]:
    """What the container of a service starts: its own command, else its image's."""
    words: str | list[str] | None = services()[service].get("command")
    if words is None:
        [cmd] = re.findall(r"^CMD (\[.*\])$", stage(services()[service]["build"]["target"]), re.MULTILINE)
        words = yaml.safe_load(cmd)
    assert words
    return shlex.split(words) if isinstance(words, str) else words


def environment_of(service: str) -> dict[str, str]:
    """What the container of a service has in its environment: its image's, then its own."""
    target = services()[service]["build"]["target"]
    lines = re.findall(r"^ENV (.*)$", stage("base") + stage(target), re.MULTILINE)
    of_image = dict(word.split("=", 1) for line in lines for word in shlex.split(line))
    own = {name: value for name, value in services()[service]["environment"].items() if value is not None}
    return of_image | {name: re.sub(r"\$\{\w+(?::-(.*?))?\}", r"\1", value) for name, value in own.items()}


def unit_of(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Section -> its (key, value) in order; a key may come several times."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            rows = sections[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            rows.append((key, value))
    return sections


def service_of(unit: Path) -> dict[str, str]:
    return dict(unit_of(unit)["Service"])


def etrm_commands(text: str) -> list[list[str]]:
    """The arguments of every `etrm` command of a shell line or an Exec line."""
    parts = (shlex.split(part) for part in re.split(r"&&|;", text))
    words = (part[1:] if part[:1] == ["exec"] else part for part in parts)
    return [part[1:] for part in words if part and Path(part[0]).name == "etrm"]


def parse(arguments: list[str]) -> None:
    """Parse a command as `etrm` would, without running it; raises what typer raises."""
    group: Any = typer.main.get_command(etrm)
    name, command, rest = group.resolve_command(group.make_context("etrm", [arguments[0]]), arguments)
    if command.context_settings.get("ignore_unknown_options"):  # passed on as it is
        of_worker: Any = typer.main.get_command(torch_commands)
        command = of_worker.commands[name]
    command.make_context(name, list(rest))


@pytest.mark.parametrize("path", DEPLOYMENT, ids=lambda path: path.name)
def test_every_variable_is_a_setting_or_read_where_the_list_says(path: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+", path.read_text()))
    assert named - SETTINGS - OF_OTHERS.keys() == set()


@pytest.mark.parametrize("name", OF_OTHERS)
def test_what_is_no_setting_is_read_by_its_file(name: str) -> None:
    assert name not in SETTINGS
    assert name in (ROOT / OF_OTHERS[name]).read_text()


def test_the_environment_file_holds_values_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (ROOT / "docker" / "systemd" / "etrm.env").read_text().splitlines()
    settings = [line.lstrip("#") for line in lines if re.match(rf"#?{PREFIX}", line)]
    for name, _, value in (line.partition("=") for line in settings):
        monkeypatch.setenv(name, value)
    assert Settings.load().log_format == "json"


@pytest.mark.parametrize("service", ["web", "worker"])
def test_the_containers_variables_hold_values_that_can_be_used(
    monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    for name, value in environment_of(service).items():
        monkeypatch.setenv(name, value)
    assert Settings.load().artifacts == Path("/artifacts")


@pytest.mark.parametrize("service", ["web", "worker"])
def test_every_command_of_the_containers_can_be_parsed(service: str) -> None:
    words = command_of(service)
    commands = etrm_commands(words[2] if words[:2] == ["sh", "-c"] else shlex.join(words))
    assert commands
    for arguments in commands:
        parse(arguments)


@each_unit
def test_every_command_of_the_units_can_be_parsed(unit: Path) -> None:
    lines = [value for key, value in unit_of(unit)["Service"] if key.startswith("Exec")]
    assert all(line.startswith(f"{INSTALLED} ") for line in lines)
    for arguments in (each for line in lines for each in etrm_commands(line)):
        parse(arguments)


@pytest.mark.parametrize("wrong", [["fly"], ["web", "--prot", "1"], ["worker", "--label", "a", "b"]])
def test_a_command_that_cannot_be_parsed_is_noticed(wrong: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|unexpected extra"):
        parse(wrong)


def test_ports_and_probes_lead_to_the_web_server() -> None:
    port = Settings.model_fields["port"].default
    web = services()["web"]
    assert [each.rpartition(":")[2] for each in web["ports"]] == [str(port)]
    assert re.findall(r"^EXPOSE (\d+)$", stage("web"), re.MULTILINE) == [str(port)]
    assert (
        environment_of("web")["ETRM_HOST"] == "0.0.0.0"
    )  # published ports arrive from outside the container
    [(probed, path)] = re.findall(
        r"urlopen\('http://127\.0\.0\.1:(\d+)(/\w+)'\)", web["healthcheck"]["test"][-1]
    )
    assert probed == str(port)
    assert path in PROBED


def test_a_worker_has_time_for_the_checkpoint_of_its_training() -> None:
    [worker] = [service_of(unit) for unit in UNITS if "worker" in unit.name]
    assert float(worker["TimeoutStopSec"]) > GRACE
    assert float(services()["worker"]["stop_grace_period"].removesuffix("s")) > GRACE
    assert (worker["KillSignal"], worker["KillMode"]) == ("SIGTERM", "mixed")  # its child is asked by itself
    assert worker["OOMPolicy"] == "continue"
    assert not {"PrivateDevices", "ProtectClock", "DeviceAllow", "DevicePolicy"} & worker.keys()  # GPUs


@each_unit
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace(INSTALLED, sys.executable))  # it must exist
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(here)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


class Containers:
    """The commands of the images as plain processes, with the environment of the containers."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self._folder = folder
        port = free_local_port()
        self.url = f"http://127.0.0.1:{port}"
        self._of_this_machine = {
            "ETRM_HOME": str(folder / "home"),
            "ETRM_ARTIFACTS": str(folder / "artifacts"),
            "ETRM_DATABASE_URL": lab.environment["ETRM_DATABASE_URL"],
            "ETRM_BROKER_URL": lab.environment["ETRM_BROKER_URL"],
            "ETRM_PORT": str(port),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, service: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        with (self._folder / f"{service}.log").open("wb") as log:
            self.processes[service] = subprocess.Popen(
                command_of(service),
                env=inherited | environment_of(service) | self._of_this_machine,
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, service: str) -> str:
        return (self._folder / f"{service}.log").read_text()[-3000:]

    def is_ready(self) -> bool:
        assert self.processes["web"].poll() is None, self.log("web")
        try:
            return httpx.get(f"{self.url}/readyz", timeout=PATIENCE).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def containers(tmp_path: Path, postgres_databases: PostgresDatabases) -> Iterator[tuple[Containers, Lab]]:
    lab = Lab(tmp_path, postgres_databases.new_empty())
    containers = Containers(tmp_path, lab)
    try:
        lab.start_broker()
        yield containers, lab
    finally:
        kill(*containers.processes.values())
        lab.stop()


@pytest.mark.postgres
def test_what_the_images_start_makes_a_lab(containers: tuple[Containers, Lab]) -> None:
    """On an empty PostgreSQL database, as a new deployment has: the web server migrates it."""
    started, lab = containers
    started.start("web")
    eventually(started.is_ready, "200 of /readyz")
    started.start("worker")
    worker = started.processes["worker"]

    def reports() -> bool:
        assert worker.poll() is None, started.log("worker")
        with reading_scope(lab.engine) as session:
            return any(each.pid == worker.pid for each in workers.listed(session))

    eventually(reports, "the worker's report")
    for process in started.processes.values():
        process.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE) == 0, started.log("worker")
    assert started.processes["web"].wait(timeout=PATIENCE) in (0, -signal.SIGTERM), started.log("web")
    with reading_scope(lab.engine) as session:
        assert workers.listed(session) == []  # it left in good order
