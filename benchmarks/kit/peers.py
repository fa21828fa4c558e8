"""Other trackers, each in an environment of its own, in the settings one gets without choosing any.

An environment is made when it is first needed, with the newest release of the peer, in a folder of the user's
cache (`$XDG_CACHE_HOME`, else `~/.cache`); delete it to get a newer release. The programs in
`benchmarks/peers/` run inside and print JSON lines. They know nothing of this package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil

from backend.terminal.port import free_local_port
from benchmarks.kit.question import progress
from benchmarks.kit.timing import until

PROGRAMS = Path(__file__).parent.parent / "peers"
INSTALL_SECONDS, RUN_SECONDS = 900, 900


class PeerFailed(Exception):
    """A peer could not be installed, or its program failed; the message says why in one line."""


@dataclass(frozen=True)
class Peer:
    """A tracker by its title and its package."""

    title: str
    package: str
    serve: tuple[str, ...] = ()  # the command of its web server
    ready: str = "/"  # an address that answers once it can be used

    @cached_property
    def python(self) -> Path:
        """The interpreter of its environment, which is made if it is not there. PeerFailed if that fails."""
        folder = cache() / f"{self.package}-python{sys.version_info.major}.{sys.version_info.minor}"
        python, done = folder / "bin" / "python", folder / "installed"
        if not done.exists():
            progress(f"Installing {self.package} into {folder}")
            venv.create(folder, with_pip=True, clear=True)
            _checked([str(python), "-m", "pip", "install", "--quiet", self.package], INSTALL_SECONDS)
            done.touch()
        return python

    @cached_property
    def name(self) -> str:
        """Title and version."""
        asked = f"from importlib.metadata import version; print(version({self.package!r}))"
        return f"{self.title} {_checked([str(self.python), '-c', asked], RUN_SECONDS).strip()}"

    def run(self, *arguments: object) -> list[dict[str, Any]]:
        """The lines that its program prints, in an empty folder. PeerFailed if it fails."""
        with self.at_home() as folder:
            return self.run_in(folder, *arguments)

    def run_in(self, folder: Path, *arguments: object) -> list[dict[str, Any]]:
        """The lines that its program prints. PeerFailed if it fails."""
        command = [str(self.python), str(PROGRAMS / f"with_{self.package}.py"), *map(str, arguments)]
        lines = _checked(command, RUN_SECONDS, folder).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def command_in(self, folder: Path, *words: str) -> None:
        """Run a command of its own. PeerFailed if it fails."""
        _checked([str(self.python.parent / words[0]), *words[1:]], RUN_SECONDS, folder)

    @contextmanager
    def at_home(self) -> Iterator[Path]:
        """An empty folder for its data."""
        with tempfile.TemporaryDirectory(prefix=f"etrm-{self.package}-") as folder:
            yield Path(folder)

    @contextmanager
    def server(self, folder: Path) -> Iterator[tuple[str, int]]:
        """Address and process id of its web server on what lies in a folder. PeerFailed if none comes."""
        port = free_local_port()
        url, words = f"http://127.0.0.1:{port}", [word.format(port=port) for word in self.serve]
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [str(self.python.parent / words[0]), *words[1:]],
                cwd=folder,
                env=environment(folder, port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(lambda: process.poll() is not None or _answers(url + self.ready), self.title, RUN_SECONDS)
            if process.poll() is not None:
                raise PeerFailed((folder / "server.log").read_text().strip().splitlines()[-1][:200])
            yield url, process.pid
        finally:
            everyone = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.terminate()
            for child in everyone:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            process.wait(60)


HERE, PORT = "127.0.0.1", "{port}"
TRACKIO = Peer("Trackio", "trackio", ("trackio", "show", "--host", HERE))
MLFLOW = Peer("MLflow", "mlflow", ("mlflow", "server", "--host", HERE, "--port", PORT), "/health")
AIM = Peer("Aim", "aim", ("aim", "up", "--yes", "--host", HERE, "--port", PORT))
TENSORBOARD = Peer(
    "TensorBoard", "tensorboard", ("tensorboard", "--logdir", "logs", "--host", HERE, "--port", PORT)
)
PEERS = (TRACKIO, MLFLOW, AIM, TENSORBOARD)


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=30).status_code == httpx.codes.OK
    return False


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "etrm-lab" / "benchmarks"


def environment(folder: Path, port: int = 0) -> dict[str, str]:
    """That of a user who set nothing, with a home and data in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ETRM_", "PYTHON"))}
    return kept | {
        "HOME": str(folder),
        "TRACKIO_DIR": str(folder / "trackio"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "GRADIO_SERVER_PORT": str(port),  # of Trackio, which has no option for it
    }


def _checked(command: list[str], seconds: float, folder: Path | None = None) -> str:
    where = folder or Path(tempfile.gettempdir())
    env = environment(where) if folder else None
    try:
        done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise PeerFailed(f"took longer than {seconds:.0f} s") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise PeerFailed(lines[-1][:200])
    return done.stdout
