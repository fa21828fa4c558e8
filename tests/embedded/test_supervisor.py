"""Children that are watched, started again and stopped: with small real programs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from backend.embedded import supervisor as module
from backend.embedded.signals import Signals, listening
from backend.embedded.supervisor import Service, Stopped, Supervisor, rotate
from backend.kit.errors import Unavailable
from tests.support.lab import is_over
from tests.support.processes import PATIENCE

NEVER_ENDS = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(1000)"]
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"


@pytest.fixture
def signals():
    with listening() as signals:
        yield signals


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, signals: Signals, said: list[str]):
    supervisor = Supervisor(tmp_path, signals, said.append)
    yield supervisor
    supervisor.stop()


def written(log: Path, text: str) -> bool:
    return text in log.read_text()


def send_later(number: signal.Signals, seconds: float = 0.2) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    return timer


def test_a_child_that_ends_while_starting_is_told_with_its_last_line(supervisor):
    child = supervisor.start(Service("web", [sys.executable, "-c", "raise SystemExit('no such module')"]))
    with pytest.raises(Unavailable, match=r"web ended with exit status 1 while starting: no such module"):
        supervisor.until(lambda: False, child)


def test_a_child_that_ends_without_a_word_is_told_so(supervisor):
    child = supervisor.start(Service("web", [sys.executable, "-c", "raise SystemExit(3)"]))
    with pytest.raises(Unavailable, match=r"ended with exit status 3 while starting: no output"):
        supervisor.until(lambda: False, child)


def test_a_slow_child_is_awaited_and_the_user_sees_what_it_does(supervisor, said, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "FIRST_REPORT", 0.0)
    monkeypatch.setattr(module, "REPORT_INTERVAL", 0.0)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = f"print('importing torch', flush=True); open({str(gate)!r}).read(); print('ready', flush=True);"
    child = supervisor.start(
        Service("worker", [sys.executable, "-c", f"{slow} import time; time.sleep(1000)"])
    )

    def answers() -> bool:
        if gate.exists() and said and "importing torch" in said[-1]:
            gate.write_text("go")  # waits until the child has opened it
            gate.unlink()
        return written(child.log, "\nready\n")

    supervisor.until(answers, child)
    assert re.match(
        r"Still starting the worker \(\d+ s\); it has not logged anything yet \(.*worker\.log\)$", said[0]
    )
    assert any("s); last line of its log: importing torch (" in line for line in said)
    stages = [re.sub(r"\(\d+ s\)", "", line) for line in said]
    assert len(set(stages)) == len(stages), said  # each once, however often it was looked at


def test_a_log_names_its_start_before_the_child_writes_anything(supervisor):
    child = supervisor.start(Service("web", NEVER_ENDS))
    assert re.match(r"--- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d start: .*python", child.log.read_text())


def test_a_signal_while_starting_ends_the_wait(supervisor):
    child = supervisor.start(Service("web", NEVER_ENDS))
    send_later(signal.SIGTERM)
    with pytest.raises(Stopped):
        supervisor.until(lambda: False, child)


def test_a_killed_child_is_started_again_and_the_user_is_told(supervisor, said):
    child = supervisor.start(Service("worker", NEVER_ENDS))
    first = child.process.pid
    supervisor.until(lambda: written(child.log, "\nhere"), child)
    os.kill(first, signal.SIGKILL)

    def end_once_restarted() -> None:
        deadline = time.monotonic() + PATIENCE
        while child.process.pid == first and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_once_restarted).start()
    supervisor.watch()
    assert child.process.pid != first
    assert said == [
        f"The worker was killed (SIGKILL); starting it again in 1 s. Its log: {child.log}",
    ]


def test_the_pause_before_a_new_attempt_doubles_and_a_healthy_time_forgets(supervisor):
    child = supervisor.start(Service("web", NEVER_ENDS))
    now = child.started_at
    assert [child.crashed(now) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert child.crashed(now + module.HEALTHY_AFTER + 1) == 1


def test_children_are_stopped_last_started_first(supervisor, tmp_path):
    note = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(open({path!r}, 'a')"
    note += ".write({name!r}))); print('here', flush=True); time.sleep(1000)"
    order = tmp_path / "order"
    for name in ("broker ", "web ", "worker "):
        service = Service(
            name.strip(), [sys.executable, "-c", note.format(path=str(order), name=name)], grace=PATIENCE
        )
        child = supervisor.start(service)
        supervisor.until(lambda child=child: written(child.log, "\nhere"), child)
    supervisor.stop()
    assert order.read_text() == "worker web broker "


def test_a_child_that_does_not_listen_is_killed_after_its_grace(supervisor):
    command = [sys.executable, "-c", f"{DEAF} time.sleep(1000)"]
    child = supervisor.start(Service("web", command, grace=0.3))
    supervisor.until(lambda: written(child.log, "\ndeaf"), child)
    supervisor.stop()
    assert child.ending == "was killed (SIGKILL)"


def test_a_second_signal_does_not_wait_for_the_grace(supervisor, signals):
    child = supervisor.start(Service("worker", [sys.executable, "-c", f"{DEAF} time.sleep(1000)"], grace=600))
    supervisor.until(lambda: written(child.log, "\ndeaf"), child)
    send_later(signal.SIGINT)
    supervisor.watch()
    send_later(signal.SIGINT)
    before = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - before < 60


def test_what_a_child_started_goes_with_it(supervisor):
    command = "import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', 'import time;"
    command += " time.sleep(1000)']).pid, flush=True); time.sleep(1000)"
    child = supervisor.start(Service("web", [sys.executable, "-c", command]))
    supervisor.until(lambda: child.last_line, child)
    grandchild = psutil.Process(int(child.last_line))
    supervisor.stop()
    assert is_over(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_kill_nine_of_the_parent_takes_the_child_along(tmp_path):
    program = f"""
import pathlib, time
from backend.embedded.signals import listening
from backend.embedded.supervisor import Service, Supervisor
with listening() as signals:
    child = Supervisor(pathlib.Path({str(tmp_path)!r}), signals, print).start(Service("web", {NEVER_ENDS!r}))
    print(child.process.pid, flush=True)
    time.sleep(1000)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert is_over(child)


def test_a_long_log_moves_aside_and_its_writer_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOG_BYTES", 10)
    log = tmp_path / "web.log"
    with log.open("a") as writer:
        print("a long first line", file=writer, flush=True)
        rotate(log)
        print("next", file=writer, flush=True)
    assert (tmp_path / "web.log.1").read_text() == "a long first line\n"
    assert log.read_text() == "next\n"
