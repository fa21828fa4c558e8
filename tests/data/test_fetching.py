"""Sets that are not part of the installation: from the network, or from a folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.data import fetching
from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.fetched import CONCEPT, FETCHED, FetchedSet, PinnedFile
from backend.domain.experiment import FETCHED_SETS
from backend.kit.errors import Conflict, InvalidInput, InvalidTaskFile, Unavailable
from tests.support.commands import refusal

CHALLENGES = json.dumps(
    {"Above1": {"train": [{"input": [[1, 2]], "output": [[2, 1]]}], "test": [{"input": [[3, 4]]}]}}
)
SOLUTIONS = json.dumps({"Above1": [[[4, 3]]]})


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The two files, as somebody put them there."""
    (tmp_path / "challenges.json").write_text(CHALLENGES)
    (tmp_path / "solutions.json").write_text(SOLUTIONS)
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Of a server that has the files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pinned(address: str, challenges: str = CHALLENGES) -> FetchedSet:
    return FetchedSet(
        "concept",
        PinnedFile(f"{address}/challenges.json", sha256(challenges.encode()).hexdigest()),
        PinnedFile(f"{address}/solutions.json", sha256(SOLUTIONS.encode()).hexdigest()),
    )


@pytest.mark.parametrize("offline", [False, True], ids=["network", "folder"])
def test_a_set_is_fetched_once_with_its_test_outputs(
    offline: bool, address: str, folder: Path, engine: Engine
) -> None:
    wanted = pinned("https://nowhere.invalid" if offline else address)
    for _ in range(2):
        files = fetching.read(wanted, folder if offline else None)
        with session_scope(engine) as session:
            made = fetching.keep(session, wanted, files)
    assert (made.name, made.tasks) == ("concept", 1)
    with session_scope(engine) as session:
        (task,) = datasets.tasks(session, "concept")
    assert task.tests[0].output is not None
    assert task.tests[0].output.digits == "43"


def test_another_file_than_the_pinned_one_is_refused_wherever_it_comes_from(
    address: str, folder: Path
) -> None:
    for source in (None, folder):
        with pytest.raises(InvalidTaskFile, match=r"challenges\.json: is not the pinned file"):
            fetching.read(pinned(address, challenges="other"), source)


def test_files_that_cannot_be_had_are_said_with_what_to_do(address: str, tmp_path: Path) -> None:
    gone = pinned(address.rpartition(":")[0] + ":9")
    with pytest.raises(Unavailable, match=r"challenges\.json cannot be fetched") as error:
        fetching.read(gone)
    assert "--from FOLDER" in error.value.hint
    with pytest.raises(InvalidInput, match=r"challenges\.json cannot be read") as missing:
        fetching.read(gone, tmp_path / "empty")
    assert gone.challenges.address in missing.value.hint


def test_a_set_of_that_name_with_other_tasks_is_left_alone(folder: Path, engine: Engine) -> None:
    wanted = pinned("https://nowhere.invalid")
    with session_scope(engine) as session:
        datasets.import_files(session, "concept", [(CHALLENGES.replace("Above1", "Mine").encode(), "m.json")])
    with session_scope(engine) as session, pytest.raises(Conflict, match="already"):
        fetching.keep(session, wanted, fetching.read(wanted, folder))


def test_what_may_be_fetched_is_pinned_and_known_to_configs(home) -> None:  # type: ignore[no-untyped-def]
    assert tuple(FETCHED) == FETCHED_SETS
    for file in (CONCEPT.challenges, CONCEPT.solutions):
        assert file.address.startswith("https://")
        assert len(file.sha256) == 64
    assert "Did you mean 'concept'?" in refusal(home, "data", "fetch", "concepts")
