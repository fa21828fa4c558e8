"""Install the locked packages, and the PyTorch build that suits this machine, for the Python that runs this.

`python .ci/install.py LOCK…` installs `.ci/locks/LOCK.txt` for each name: `base`, `worker` or `dev`. uv does
it where it is present or can be had, else pip; both check the hashes in the locks. PyTorch comes separately,
because its builds (CPU, each CUDA version) differ in size by gigabytes: see `docs/decisions/install.md`.
Standard library only.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LOCKS = Path(__file__).with_name("locks")
ROOT = LOCKS.parents[1]
LOG = Path(sys.prefix) / "install.log"
TORCH_INDEX = "https://download.pytorch.org/whl"  # PyTorch's own index; one folder for each build
BUILD = re.compile(r"default|cpu|cu\d{3}|rocm\d+(\.\d+)*|xpu")
# Imported once after the install, so that processes that start together do not each compile them.
USED = (
    "alembic.command",
    "backend.app",
    "backend.cli.app",
    "backend.embedded.database",
    "backend.web.broker",
    "markdown_it",
    "psycopg",
    "worker.service.tasks",
    "worker.service.train",
    "worker.cli.app",
)
OWN = ("backend", "worker", "frontend", "migrations")  # whole: much of it is loaded with its first use
REPORT_INTERVAL = 15.0  # seconds between two looks at what a long step does
PIP = (sys.executable, "-m", "pip")
PIP_INSTALL = (*PIP, "install", "--no-input", "--disable-pip-version-check", "--no-compile", "--no-deps")
SHORT = ("--timeout", "10", "--retries", "0")  # for what can be done without

# What pip's configuration says, under the name by which uv knows it.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}


class Failed(Exception):
    """A command ended with an error, or nothing is left to try. The text says what and why."""


@dataclass(frozen=True)
class Build:
    """A build of PyTorch and why it was chosen; `default` is what the package index serves: CUDA on Linux."""

    name: str
    reason: str

    def is_installed(self, pinned: str) -> bool:
        """Whether this build of the pinned version is installed already."""
        try:
            installed, _, local = version("torch").partition("+")
        except PackageNotFoundError:
            return False
        return installed == pinned and (local != "cpu" if self.name == "default" else local == self.name)


def main() -> None:
    """Install what the command line names; exit status 1 and one line on standard error if it fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("locks", nargs="+", choices=["base", "worker", "dev"])
    parser.add_argument("--no-project", action="store_true", help="only its packages, not the project itself")
    arguments = parser.parse_args()
    LOG.write_text("")
    began = time.monotonic()
    try:
        install(arguments.locks, project=not arguments.no_project)
    except Failed as failure:
        sys.exit(f"Error: {failure}")
    say(f"Installed in {time.monotonic() - began:.0f} s.")


def install(locks: Sequence[str], project: bool) -> None:
    """The locks, PyTorch if the worker is among them, and the project and its client in place."""
    build = choose_build(os.environ, platform.system(), has_nvidia_driver()) if "worker" in locks else None
    if build:
        say(
            f"PyTorch build: {build.name} ({build.reason}). "
            "To choose another one: ETRM_TORCH=cpu|cu130|default make install"
        )
    count = sum(len(re.findall(r"^[a-z]", lock_file(name).read_text(), re.MULTILINE)) for name in locks)
    say(f"Installing {count} packages into {sys.prefix} (details: {LOG})")
    locked(locks)
    if build:
        install_torch(build)
    if project:
        in_place = [option for folder in (ROOT, ROOT / "client") for option in ("--editable", str(folder))]
        run(
            [*PIP_INSTALL, "--no-index", "--no-build-isolation", *in_place],
            "setting up the project itself",
        )
        writing = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        run([sys.executable, "-c", f"import {', '.join(USED)}"], "compiling what is used", writing)
        folders = [str(ROOT / name) for name in OWN]
        run([sys.executable, "-m", "compileall", "-q", *folders], "compiling the project", writing)


def choose_build(environ: Mapping[str, str], system: str, driver: bool) -> Build:
    """The build for a machine: what ETRM_TORCH names, else the CPU build where there is no NVIDIA driver."""
    wanted = environ.get("ETRM_TORCH", "")
    if wanted:
        if not BUILD.fullmatch(wanted):
            raise Failed(
                f"ETRM_TORCH={wanted} is not a build of PyTorch. Use cpu, cu130 (or another CUDA), default."
            )
        return Build(wanted, "from ETRM_TORCH")
    if system != "Linux":
        return Build("default", f"the only one for {system}")
    return Build("default", "NVIDIA driver found") if driver else Build("cpu", "no NVIDIA driver found")


def has_nvidia_driver() -> bool:
    """Whether programs here can use an NVIDIA GPU."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/proc/driver/nvidia/version").exists()
    return True


def install_torch(build: Build) -> None:
    """Install the build at the version of the lock; the default build if the CPU one is unavailable."""
    pinned = pinned_torch()
    if build.is_installed(pinned):
        return
    if build.name == "default":
        locked(["torch"])
        return
    requirement = f"torch=={pinned}+{build.name}"
    index = ("--index-url", f"{TORCH_INDEX}/{build.name}")
    if succeeds([*PIP_INSTALL, "--no-index", requirement], f"{requirement} from a local folder"):
        return  # a folder that pip's find-links names
    if succeeds([*PIP, "index", "versions", *SHORT, *index, "torch"], f"asking for {requirement}"):
        # The other builds bring GPU libraries of their own, which only their index has.
        command = [*(PIP_INSTALL if build.name == "cpu" else PIP_INSTALL[:-1]), *index, requirement]
        if succeeds(command, f"downloading {requirement}"):
            return
    if build.name != "cpu":
        raise Failed(f"could not get {requirement} from {index[1]}. Is the network up? Details: {LOG}")
    say(
        f"PyTorch's index of CPU builds did not answer or has no {requirement} for this system. Installing "
        "the default build instead: on Linux about 3 GB to download and 5 GB on disk (CPU: 0.2 and 0.7), "
        "because NVIDIA's libraries come with it. It works without a GPU."
    )
    locked(["torch"])


def pinned_torch() -> str:
    """The version of PyTorch in the lock."""
    found = re.search(r"^torch==([\w.]+)", lock_file("torch").read_text(), re.MULTILINE)
    assert found, "the lock names no torch"
    return found[1]


def lock_file(name: str) -> Path:
    """The requirements file with the hashes of a lock."""
    return LOCKS / f"{name}.txt"


def locked(locks: Sequence[str]) -> None:
    """Install locks with uv, else with pip; every file is checked against its hashes."""
    files = [option for name in locks for option in ("--requirement", str(lock_file(name)))]
    what = f"packages of {', '.join(locks)}"
    uv = find_uv()
    if uv is None:
        say("uv is not available; installing with pip, which takes longer.")
    else:
        command = [uv, "pip", "install", "--python", sys.executable, "--no-deps", "--require-hashes", *files]
        if succeeds(command, what, uv_environment(os.environ, pip_settings())):
            return
        say("uv could not install the packages; trying pip.")
    run([*PIP_INSTALL, "--require-hashes", *files], what)


def find_uv() -> str | None:
    """The uv on the path or beside this Python; else the locked one, installed; None if unavailable."""
    beside = Path(sys.executable).with_name("uv")
    found = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if found is None and succeeds(
        [*PIP_INSTALL, *SHORT, "--require-hashes", "-r", str(lock_file("uv"))], "getting uv"
    ):
        found = str(beside)
    return found


def pip_settings() -> dict[str, str]:
    """What pip's files and variables configure, by option; the strongest source of each."""
    done = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False)
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([\w-]+)='(.*)'$", done.stdout, re.MULTILINE):
            settings[name] = value
    return settings


def uv_environment(environ: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """The environment in which uv looks where pip looks. What uv's own variables say has precedence."""
    as_pip = {
        UV_NAMES[option]: ",".join(value.split()) if option == "find-links" else " ".join(value.split())
        for option, value in pip.items()
        if option in UV_NAMES
    }
    # pip takes the best match of all indexes; the hashes say which files are right.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_LINK_MODE": "copy", **as_pip, **environ}


def succeeds(command: Sequence[str], what: str, environ: Mapping[str, str] | None = None) -> bool:
    """Run a command whose failure is no error; the log has its output."""
    try:
        run(command, what, environ)
    except Failed:
        return False
    return True


def run(command: Sequence[str], what: str, environ: Mapping[str, str] | None = None) -> None:
    """Run a command with its output in the log; of a long one report each stage once, by its last line."""
    with LOG.open("a") as log:
        log.write(f"\n$ {shlex.join(command)}\n")
        log.flush()
        begins = log.tell()
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environ, cwd=ROOT
        )
    reported: str | None = None
    while True:
        try:
            status = process.wait(REPORT_INTERVAL)
            break
        except subprocess.TimeoutExpired:
            if (doing := last_line(output_since(begins))) != reported:
                reported = doing
                say(f"  {what}: {time.monotonic() - began:.0f} s. {doing}".rstrip())
    if status:
        raise Failed(explain(output_since(begins)))


def output_since(position: int) -> str:
    """What was logged from a byte position on."""
    with LOG.open("rb") as log:
        log.seek(position)
        return log.read().decode(errors="replace")


def last_line(output: str) -> str:
    """The last line that holds anything, cut to a terminal's width; a progress bar's last state is a line."""
    lines = [line.strip() for line in re.split(r"[\r\n]", output) if line.strip()]
    return textwrap.shorten(lines[-1], 100, placeholder=" …") if lines else ""


def explain(output: str) -> str:
    """Why an installation failed, in one line, with what to do."""
    if re.search(r"no space left", output, re.IGNORECASE):
        free = shutil.disk_usage(ROOT).free / 1e9
        return (
            f"the disk is full: {free:.1f} GB free at {ROOT}. Free some space (about 3 GB) and run it again."
        )
    cause = next(
        (
            found[1]
            for pattern in (r"^ERROR: (No matching distribution found.*)", r"^\s*(?:ERROR|error): (.*)")
            if (found := re.search(pattern, output, re.MULTILINE))
        ),
        last_line(output) or "unknown",
    )
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return (
        f"could not install: {cause} ({here}). "
        f"Is the network up, and is there a wheel for this system? Details: {LOG}"
    )


def say(text: str) -> None:
    """Tell the user."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
