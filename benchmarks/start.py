"""Start: from a command to its answer, and the memory of what waits.

`etrm runs` in a lab with 20 runs; `etrm web` until its first page answers; `etrm up` on a folder that it has
served before, until it prints its link, when web server and worker have answered; then what these two hold in
memory after some seconds without work. Peers: their web server on a small project until its page answers, and
its memory with that of its children.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from backend.embedded.database import prepare
from backend.terminal.port import free_local_port
from benchmarks.kit.filled import many_runs
from benchmarks.kit.lab import SQLITE, subject
from benchmarks.kit.peers import PEERS, TRACKIO, Peer, PeerFailed
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import at_most
from benchmarks.kit.timing import resident_mb, seconds, until

ETRM = (sys.executable, "-m", "backend.cli")
LIST, WEB, UP = "list of runs in the terminal", "web server to its first page", "everything, warm start"
WEB_MEMORY, WORKER_MEMORY = "web server at rest", "worker at rest"
REST = 5.0  # seconds without work


def measure(question: Question, options: argparse.Namespace) -> None:
    times = 2 if question.quick else 5
    with tempfile.TemporaryDirectory(prefix="etrm-bench-") as folder:
        home = Path(folder)
        url = f"sqlite:///{home / 'etrm.sqlite3'}"
        prepare(url).dispose()
        many_runs(url, 20)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"ETRM_HOME": folder, "ETRM_DATABASE_URL": url}
        commands(question, environment, times)
        servers(question, environment, times)
        whole_lab(question, environment, times)
    for peer in PEERS:
        of_peer(question, peer, min(times, 3))


def commands(question: Question, environment: dict[str, str], times: int) -> None:
    def ask() -> None:
        subprocess.run([*ETRM, "runs"], env=environment, check=True, capture_output=True)

    ask()
    taken = [seconds(ask) for _ in range(times)]
    question.add(LIST, "s", taken, subject(SQLITE), at_most(0.4))
    bare = [seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)) for _ in range(times)]
    question.add(LIST, "s", bare, "floor: a Python that does nothing")
    try:
        with TRACKIO.at_home() as folder:
            TRACKIO.run_in(folder, "record", 10)
            words = ("trackio", "list", "projects")
            taken = [seconds(lambda: TRACKIO.command_in(folder, *words)) for _ in range(times + 1)]
    except PeerFailed as error:
        question.missing(LIST, "s", TRACKIO.title, str(error))
    else:
        question.add(LIST, "s", taken[1:], TRACKIO.name, note="`trackio list projects`")


def servers(question: Question, environment: dict[str, str], times: int) -> None:
    taken, held = [], []
    for _ in range(times + 1):
        port = free_local_port()
        started = time.perf_counter()
        process = subprocess.Popen(
            [*ETRM, "web", "--port", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/login"), "etrm web")  # noqa: B023
            taken.append(time.perf_counter() - started)
            held.append(resident_mb(process.pid))
        finally:
            process.terminate()
            process.wait(60)
    question.add(WEB, "s", taken[1:], subject(SQLITE), at_most(1.0))
    question.add(f"{WEB}: memory", "MB", held[1:], subject(SQLITE))


def whole_lab(question: Question, environment: dict[str, str], times: int) -> None:
    taken, web, worker = [], [], []
    for number in range(min(times, 4) + 1):
        started = time.perf_counter()
        process = subprocess.Popen(
            [*ETRM, "up", "--no-demo", "--port", str(free_local_port())],
            env={name: value for name, value in environment.items() if name != "ETRM_DATABASE_URL"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert re.search(r"http://", line), f"etrm up printed {line!r}"
            if number:  # the first makes what later ones find
                taken.append(time.perf_counter() - started)
                time.sleep(REST)
                web.append(_of_child(process.pid, " web "))
                worker.append(_of_child(process.pid, " worker worker"))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)
    question.add(UP, "s", taken, subject(SQLITE), at_most(3.0))
    question.add(WEB_MEMORY, "MB", web, subject(SQLITE), at_most(120))
    question.add(WORKER_MEMORY, "MB", worker, subject(SQLITE), at_most(100))


def _of_child(pid: int, words: str) -> float:
    """Memory of the child of `etrm up` whose command contains the words, without its own children."""
    for child in psutil.Process(pid).children():
        if words in f"{' '.join(child.cmdline())} ":
            return float(child.memory_info().rss / 1e6)
    raise LookupError(f"etrm up has no child with{words}")


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=30).status_code == httpx.codes.OK
    return False


def of_peer(question: Question, peer: Peer, times: int) -> None:
    """Each time on the same small project."""
    try:
        with peer.at_home() as folder:
            peer.run_in(folder, "record", 10)
            taken, held = [], []
            for _ in range(times + 1):
                started = time.perf_counter()
                with peer.server(folder) as (_, pid):
                    taken.append(time.perf_counter() - started)
                    time.sleep(min(REST, 2.0))
                    held.append(resident_mb(pid))
    except (PeerFailed, TimeoutError) as error:
        question.missing(WEB, "s", peer.title, str(error))
        return
    question.add(WEB, "s", taken[1:], peer.name)
    question.add(f"{WEB}: memory", "MB", held[1:], peer.name)


if __name__ == "__main__":
    run(__file__, __doc__, measure)
