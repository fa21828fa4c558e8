"""What a journal holds reaches a lab whole: nothing counts as sent that this lab does not have."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from etrm_lab import journal as journals
from etrm_lab import output
from etrm_lab.connection import Away, Lab, Refused
from etrm_lab.delivery import metrics_body, parts_of_points
from etrm_lab.journal import Journal
from etrm_lab.logins import chosen
from tests.support.scripts import run_script

RUN = "k3v9x0q2ab"
OTHERS = b"<html><body>404 page not found</body></html>"
THE_LABS = json.dumps({"error": {"message": "Run 'k3v9x0q2ab' not found.", "hint": ""}}).encode()


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_told", set())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Three records, all of which a lab has acknowledged."""
    opened = Journal(tmp_path, RUN)
    for step in range(3):
        opened.append({"kind": "points", "step": step})
    opened.send_to("http://lab.example")
    opened.acknowledged = opened.size
    yield opened
    opened.close()


def test_what_one_lab_has_another_one_gets_as_well(journal: Journal) -> None:
    journal.send_to("http://lab.example")
    assert journal.acknowledged == journal.size
    journal.send_to("http://other.example:8000")
    assert journal.acknowledged == 0
    journal.acknowledged = 10
    journal.send_to("http://other.example:8000")
    assert journal.acknowledged == 10
    journal.send_to("http://lab")  # shorter than the address before
    journal.acknowledged = 20
    journal.send_to("http://lab")
    assert journal.acknowledged == 20


def test_what_an_older_client_has_noted_counts(tmp_path: Path, journal: Journal) -> None:
    size = journal.size
    journal.close()
    os.truncate(tmp_path / f"{RUN}.sent", journals.DIGITS)
    again = Journal(tmp_path, RUN)
    again.send_to("http://lab.example")
    assert again.acknowledged == size
    again.close()


@pytest.mark.parametrize("left", [0, 10])
def test_of_a_journal_that_lost_its_end_all_is_sent_again(
    tmp_path: Path, journal: Journal, left: int
) -> None:
    """After a power cut, or where somebody deleted it: what is logged then is not taken for sent."""
    journal.close()
    os.truncate(journal.path, left)
    again = Journal(tmp_path, RUN)
    again.append({"kind": "points", "step": 3})
    assert again.acknowledged == 0
    assert {"kind": "points", "step": 3} in [record for record, _ in again.read(0, 1 << 20)]
    again.close()


def test_a_full_disk_costs_nothing_that_fits_later(tmp_path: Path) -> None:
    """The limit of a file's size stands for the disk's."""
    text = """
        import os, resource
        import etrm_lab

        tries = []
        write = os.write
        os.write = lambda file, data: tries.append(1) or write(file, data)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        run = etrm_lab.init(id="k3v9x0q2ab")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
        for step in range(5000):
            run.log({"loss": 1.0}, step=step)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        run.finish()
        print(len(tries) < 4000)  # not all that waits with every call
    """
    done = run_script(tmp_path, text)
    assert done.stdout == "True\n", done.stderr
    lines = [json.loads(line) for line in (tmp_path / f"etrm-runs/{RUN}.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "points"] == [*range(5000)]
    assert "lost" not in done.stderr


def test_a_file_system_without_locks_is_logged_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Lustre is mounted on many clusters."""

    def unlockable(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "lockf", unlockable)
    Journal(tmp_path, RUN).close()
    assert "files cannot be locked here" in capsys.readouterr().err


def test_more_metrics_than_a_request_takes_are_sent_in_several() -> None:
    values = {f"task/{at}": float(at) for at in range(2500)}
    parts = parts_of_points([{"step": 7, "wall_time": 1.0, "values": values}])
    bodies = [metrics_body(part) for part in parts]
    assert all(body["step"] == [7] and len(body["values"]) <= 1000 for body in bodies)
    assert {name: value for body in bodies for name, (value,) in body["values"].items()} == values


class Handler(BaseHTTPRequestHandler):
    """A proxy before a lab that starts again, and a lab."""

    def do_POST(self) -> None:
        body = OTHERS if "proxy" in self.path else THE_LABS
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_proxys_page_does_not_end_a_run(address: str) -> None:
    with pytest.raises(Away, match="not as ETRM Lab does"):
        Lab(f"{address}/proxy").ask("POST", f"/runs/{RUN}/metrics", {})
    with pytest.raises(Refused, match="not found"):
        Lab(address).ask("POST", f"/runs/{RUN}/metrics", {})


def test_a_token_is_never_in_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Read from a file it has the end of its line; http.client would name what it does not take."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ETRM_URL", " http://lab.example/ ")
    monkeypatch.setenv("ETRM_TOKEN", "secret\r\n")
    assert chosen() == ("http://lab.example", "secret")
    with pytest.raises(ValueError, match="token has characters") as caught:
        Lab("http://lab.example", "sec\nret")
    assert "ret" not in str(caught.value)
