"""What a run was computed with: recorded by its worker, shown, and enough to compute it again."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.arc.files import read_built_in
from backend.domain.provenance import Provenance
from backend.lifecycle import external_runs
from backend.runs import provenance
from tests.support.commands import typed
from tests.support.processes import Lab
from tests.worker.service.test_trained_on import SMALL, add_set, on, trained
from worker.kit import sources
from worker.service.provenance import digest_of
from worker.training.checkpoints import checkpoint


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_diff_brings_a_clone_to_the_state_of_the_folder(tmp_path: Path) -> None:
    mine, clone = tmp_path / "mine", tmp_path / "clone"
    mine.mkdir()
    git(mine, "init", "-q")
    (mine / "model.py").write_text("width = 64\n")
    (mine / "old.py").write_text("gone = True\n")
    (mine / ".gitignore").write_text("ignored\n")
    git(mine, "add", ".")
    git(mine, "commit", "-qm", "First")
    git(mine, "remote", "add", "origin", "https://example.org/etrm.git")
    clean = sources.checkout(mine)
    assert clean is not None
    assert (clean.commit, clean.remote, clean.changes) == (
        git(mine, "rev-parse", "HEAD"),
        "https://example.org/etrm.git",
        "",
    )
    (mine / "model.py").write_text("width = 128\n")
    (mine / "old.py").unlink()
    (mine / "new.py").write_text("depth = 2\n")
    (mine / "weights.bin").write_bytes(bytes(range(256)))
    (mine / "ignored").write_text("of this machine\n")

    changed = sources.checkout(mine)

    assert changed is not None
    git(tmp_path, "clone", "-q", str(mine), str(clone))
    subprocess.run(["git", "-C", str(clone), "apply"], input=changed.changes, text=True, check=True)
    files = {each.name: each.read_bytes() for each in clone.iterdir() if each.is_file()}
    assert files == {
        each.name: each.read_bytes() for each in mine.iterdir() if each.is_file() and each.name != "ignored"
    }


def test_a_diff_is_the_same_whatever_git_is_set_to(tmp_path: Path) -> None:
    """And what a tool of the user's would print instead is not run."""
    git(tmp_path, "init", "-q")
    (tmp_path / "model.py").write_text("width = 64\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "First")
    (tmp_path / "model.py").write_text("width = 128\n")
    (tmp_path / "new.py").write_text("depth = 2\n")
    plain = sources.checkout(tmp_path)
    for name, value in (
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.external", "false"),
    ):
        git(tmp_path, "config", name, value)
    assert plain is not None
    assert "+++ b/new.py" in plain.changes
    assert sources.checkout(tmp_path) == plain


@pytest.mark.parametrize("committed", [True, False])
def test_of_large_changes_the_beginning_is_read(tmp_path: Path, committed: bool) -> None:
    """They would take a training's memory and time: of many new files, of a large one, of a large change."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "First")
    large = "".join(f"line {number}\n" for number in range(400_000))
    (tmp_path / ("a.txt" if committed else "new.txt")).write_text(large)

    found = sources.checkout(tmp_path)

    assert found is not None
    assert found.is_cut
    assert len(found.changes) <= sources.MAX_CHANGES + 1


def test_changes_in_another_encoding_are_not_taken_for_whole(tmp_path: Path) -> None:
    """Text in a database is Unicode: a letter that is none is lost, and `git apply` refuses the rest."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "First")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 2\n")

    found = sources.checkout(tmp_path)

    assert found is not None
    assert found.is_cut


def test_git_that_does_not_answer_holds_no_training_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does what it has started: a filter that reads for ever."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "First")
    (tmp_path / ".gitattributes").write_text("*.txt filter=slow\n")
    git(tmp_path, "config", "filter.slow.clean", "sleep 1000")
    (tmp_path / "a.txt").write_text("22\n")
    (tmp_path / "new.py").write_text("depth = 2\n")
    monkeypatch.setattr(sources, "_PATIENCE", 2.0)
    started = time.monotonic()

    found = sources.checkout(tmp_path)

    assert time.monotonic() - started < 60
    assert found is None or found.is_cut


def test_a_folder_inside_somebody_else_s_repository_is_not_taken_for_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "First")
    (tmp_path / "site-packages").mkdir()
    assert sources.checkout(tmp_path) is not None
    assert sources.checkout(tmp_path / "site-packages") is None


def test_a_set_s_digest_is_of_its_tasks_in_any_order() -> None:
    tasks = SMALL[:4]
    assert digest_of(tasks) == digest_of(tasks[::-1]) != digest_of(tasks[:3])


@pytest.mark.skipif(sources.checkout() is None, reason="the tests are not in a clone")
def test_a_run_is_computed_again_from_its_page(
    database: Engine, client: httpx.Client, lab: Lab, tmp_path: Path
) -> None:
    """The commands as the page shows them, in an empty folder; only what takes the network is replaced: the
    clone is of this repository, and its packages are those installed here."""
    run_id = trained(database, data={"first_tasks": 4}, evaluation={"sets": []})
    page = client.get(f"/runs/{run_id}").text
    shown = re.search(r'<pre class="recipe[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert shown is not None
    commands = html.unescape(shown[1]).splitlines()
    assert commands[0].startswith("git clone ")
    assert "make install" in commands
    commands[0] = f"git clone -q {sources.ROOT} etrm-lab"
    commands[commands.index("make install")] = f"ln -s {sys.prefix} .venv"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("ETRM_")}
    environment |= {
        "ETRM_TOKEN": client.headers["Authorization"].removeprefix("Bearer "),
        "ETRM_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(tmp_path / "etrm-lab"),
        "OMP_NUM_THREADS": "1",
    }

    script = "\n".join(["set -eo pipefail", *commands])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    again = tmp_path / "etrm-lab" / run_id
    for weights in ("raw", "ema"):
        mine, other = (
            checkpoint.weights_file(checkpoint.find(folder, 2), weights).read_bytes()
            for folder in (lab.artifacts / run_id, again)
        )
        assert mine == other
    here = client.get(f"/api/v1/runs/{run_id}/provenance").json()["starts"][0]
    there = Provenance.model_validate_json((again / "provenance.json").read_text())
    assert (there.source, there.packages, there.sets) == (here["source"], here["packages"], here["sets"])


def test_the_record_of_a_start_is_shown_and_exported(
    database: Engine, client: httpx.Client, lab: Lab
) -> None:
    mine = add_set(database, "provenance/mine", SMALL[:4])
    run_id = trained(database, **on(mine))

    found = client.get(f"/api/v1/runs/{run_id}/provenance").json()

    (start,) = found["starts"]
    assert start["attempt"] == 1
    assert start["source"] == sources.digest()
    assert start["sets"] == {mine: digest_of(SMALL[:4])}
    assert start["packages"]["torch"]
    assert start["processor"]
    assert f"First import the task set {mine}" in " ".join(found["notes"])
    page = client.get(f"/runs/{run_id}").text
    assert start["sets"][mine][:12] in page
    assert f"PyTorch {start['packages']['torch']}" in page
    config = client.get(f"/api/v1/runs/{run_id}/config")
    assert config.json() == client.get(f"/api/v1/runs/{run_id}").json()["config"]
    printed = typed(lab.folder, "run", "provenance", run_id, **lab.environment)
    assert f"etrm train {run_id}.json" in printed.stdout
    assert read_built_in("arc-agi-1/training")  # the digest of a built-in set is of these


def test_code_that_differs_is_said_where_runs_are_compared(database: Engine, client: httpx.Client) -> None:
    mine, asked = add_set(database, "code/mine", SMALL[:3]), add_set(database, "code/asked", SMALL[3:6])
    config = on(mine, sets=[{"name": asked}], views=2)
    first, second = trained(database, **config), trained(database, **config)
    address = f"runs={first},{second}"
    assert "Code differs" not in client.get(f"/compare/significance?{address}").text
    with session_scope(database) as session:
        record = provenance.newest_of(session, [second])[second]
        other = record.model_copy(update={"source": "b" * 64, "packages": {"torch": "1.0"}})
        provenance.record(session, second, 2, other)

    for by in ("run", "seed"):
        text = client.get(f"/compare/significance?{address}&by={by}").text
        assert ("Code differs" in text) == (by == "run" or "A difference" in text)
    page = client.get(f"/compare?{address}").text
    assert re.search(r'<th scope="row" class="mono">code</th>', page)
    assert re.search(r'<th scope="row" class="mono">PyTorch</th>', page)
    notes = client.get(f"/api/v1/runs/{second}/provenance").json()["notes"]
    assert any(note.startswith("code, PyTorch changed between its 2 starts") for note in notes)


def test_a_script_says_what_it_runs_and_its_secrets_stay_with_it(
    database: Engine, client: httpx.Client
) -> None:
    run_id = client.post("/api/v1/runs/external", json={"name": "script"}).json()["id"]
    assert "Its script has not said" in client.get(f"/runs/{run_id}").text
    told = {
        "commit": "1" * 40,
        "remote": "https://me:pa55word@example.org/mine.git",
        "command": "python train.py --api-key 0123456789",
        "changes": '+API_KEY = "s3cr3t-value"\n' + "+x\n" * 200_000,
    }

    answer = client.put(f"/api/v1/runs/{run_id}/provenance", json=told)

    assert answer.status_code == 200
    start = answer.json()
    assert (start["attempt"], start["hidden"], start["cut"]) == (0, 1, True)
    assert start["remote"] == "https://***@example.org/mine.git"
    assert start["command"] == "python train.py --api-key ***"
    diff = client.get(f"/api/v1/runs/{run_id}/provenance/0/diff").text
    assert diff.startswith('+API_KEY = "***"')
    assert len(diff) == 256 * 1024
    assert "As the script says" in client.get(f"/runs/{run_id}").text
    refused = client.put(f"/api/v1/runs/{run_id}/provenance", json={"commit": "main"})
    assert refused.status_code == 422
    assert "commit" in refused.text
    with session_scope(database) as session:
        external_runs.finish(session, run_id)
    assert client.put(f"/api/v1/runs/{run_id}/provenance", json={}).status_code == 409
    assert client.get(f"/api/v1/runs/{run_id}/provenance/7/diff").status_code == 404
