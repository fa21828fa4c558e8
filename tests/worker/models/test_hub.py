"""Checkpoints by a link, fetched from a server that answers like the Hub.

Each in a process of its own, since the library reads its environment once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hub import COMMIT, hub
from tests.support.records.tiny_runs import tiny, tiny_raw
from worker.models.build import build_reasoner
from worker.models.importing import export_weights

needs_library = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import huggingface_hub"], capture_output=True).returncode != 0,
    reason="needs huggingface_hub",
)
WITHOUT_LIBRARY = "import sys; sys.modules['huggingface_hub'] = None"
TRY = """
from worker.models.hub import local_path
from backend.kit.errors import EtrmError
for link in sys.argv[1:]:
    try:
        print(local_path(link, "FILE"))
    except EtrmError as error:
        print(type(error).__name__, *map(str, error.problems))
"""


def told(tmp_path: Path, *links: str, before: str = "import sys", **variables: str) -> list[str]:
    """For each link the path of the file, or why there is none."""
    environment = os.environ | {"HF_HOME": str(tmp_path / "cache")} | variables
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{TRY}", *links],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_library
def test_a_file_is_fetched_once_and_what_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "step_7").write_bytes(b"weights")
    with hub(tmp_path / "hub") as address:
        file, no_file, no_repository, huge, no_link = told(
            tmp_path,
            "hf:lab/trm/step_7",
            "hf:lab/trm/step_8",
            "hf:lab/other/step_7",
            "hf:lab/trm/huge",
            "hf:lab",
            HF_ENDPOINT=address,
        )
    assert Path(file).read_bytes() == b"weights"
    assert COMMIT in file
    assert no_file.startswith("CheckpointMissing FILE: hf:lab/trm/step_8@main does not exist")
    assert no_repository.startswith("CheckpointMissing FILE: hf:lab/other/step_7@main does not exist")
    assert huge.startswith("TooLarge FILE: hf:lab/trm/huge@main has 9.0\N{NARROW NO-BREAK SPACE}GB")
    assert no_link.startswith("InvalidInput FILE: hf:lab is not a link to a file")

    known, unknown = told(tmp_path, "hf:lab/trm/step_7", "hf:lab/trm/step_9", HF_HUB_OFFLINE="1")
    assert known == file
    assert unknown.startswith(
        "CheckpointMissing FILE: hf:lab/trm/step_9@main cannot be fetched: the Hub does"
    )
    assert "Check the network" in unknown


def test_without_the_library_it_is_said_how_to_install_it(tmp_path: Path) -> None:
    (said,) = told(tmp_path, "hf:lab/trm/step_7", before=WITHOUT_LIBRARY)
    assert said.startswith("CheckpointMissing FILE: hf:lab/trm/step_7@main cannot be fetched without")
    assert "etrm-lab[hub]" in said


@needs_library
def test_a_link_becomes_a_run(tmp_path: Path) -> None:
    config, out = tmp_path / "run.json", tmp_path / "here"
    config.write_text(json.dumps(tiny_raw()))
    (tmp_path / "hub").mkdir()
    published = build_reasoner(tiny().model_copy(update={"seed": 5}), 1)
    export_weights(published, tmp_path / "hub" / "step_7", "ema")
    command = ["checkpoint", "import", "hf:lab/trm/step_7", "--config", str(config), "--out", str(out)]
    own = {"HF_HOME": str(tmp_path / "cache"), "ETRM_HOME": str(tmp_path / "home")}
    with hub(tmp_path / "hub") as address:
        done = subprocess.run(
            [sys.executable, "-m", "worker", *command, "--weights", "ema"],
            env=os.environ | own | {"HF_ENDPOINT": address},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "24 loaded, 0 skipped, 0 missing, 0 mismatched" in " ".join((done.stdout + done.stderr).split())
    assert list((out / "checkpoints").glob("step-*"))
