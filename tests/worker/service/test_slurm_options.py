"""What `etrm worker --slurm` asks of Slurm, and what it says where it cannot."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import submitit

from backend.kit.errors import InvalidInput, Unavailable
from backend.settings import Settings
from worker.service import slurm


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A lab, and on the path an sbatch that shows what it was given and takes it as job 12."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in {
        "sbatch": f'cp "$1" {tmp_path}/given; echo Submitted batch job 12',
        "srun": "",
    }.items():
        file = commands / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    monkeypatch.setenv("ETRM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ETRM_BROKER_URL", "redis://broker:6379/0")
    return Settings.load()


def directives(tmp_path: Path) -> dict[str, str]:
    lines = (tmp_path / "given").read_text().splitlines()
    flags = (line.removeprefix("#SBATCH --").partition("=") for line in lines if line.startswith("#SBATCH"))
    return {name: value for name, _, value in flags}


def test_options_become_directives_of_the_batch_file(settings: Settings, tmp_path: Path) -> None:
    asked = slurm.parameters(
        ["partition=gpu,debug,gpus_per_node=a100:2,timeout_min=240", "mem_gb=8.5,signal_delay_s=120"]
    )
    assert slurm.submit(settings, asked, 1, []) == ["12"]
    assert {
        "partition": "gpu,debug",
        "gpus-per-node": "a100:2",
        "time": "240",
        "mem": "8704MB",
        "signal": "USR2@120",
        "requeue": "",
        "job-name": "etrm-worker",
        "output": f"{tmp_path}/home/slurm/%j/%j_0_log.out",
    }.items() <= directives(tmp_path).items()


def test_several_workers_are_an_array_that_runs_at_once(settings: Settings, tmp_path: Path) -> None:
    assert slurm.submit(settings, {}, 300, []) == [f"12_{at}" for at in range(300)]
    assert directives(tmp_path)["array"] == "0-299%300"


def test_every_option_is_one_that_submitit_knows(settings: Settings, tmp_path: Path) -> None:
    values = dict.fromkeys(slurm.PARAMETERS, "1")
    slurm.submit(settings, slurm.parameters([f"{name}={value}" for name, value in values.items()]), 1, [])
    given = directives(tmp_path)
    names = {"timeout_min": "time", "mem_gb": "mem", "signal_delay_s": "signal"}
    wanted = {names.get(name, name.replace("_", "-")) for name in values} - {"array-parallelism"}
    assert wanted <= given.keys()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("gpus_pr_node=1", "'gpus_pr_node' is not a valid option of Slurm. Did you mean 'gpus_per_node'?"),
        ("timeout_min=long", "timeout_min must be a number, not 'long'."),
        ("partition=", "partition has no value. Write partition=VALUE."),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        slurm.parameters([f"qos=high,{options}"])
    [found] = caught.value.problems
    assert str(found) == f"--slurm: {problem}"


def test_what_is_missing_is_named_with_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(**changes: Any) -> str:
        with pytest.raises(Unavailable) as caught:
            slurm.submit(settings.model_copy(update=changes), {}, 1, [])
        return str(caught.value)

    assert "ETRM_BROKER_URL" in refusal(broker_url=None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert refusal().startswith("sbatch is not on this machine. Run this where Slurm's commands are")
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert "pip install 'submitit" in refusal()


def test_what_slurm_refuses_is_said_in_its_words(settings: Settings, tmp_path: Path) -> None:
    refusing = "#!/bin/sh\necho 'sbatch: error: Invalid partition name specified' >&2; exit 1\n"
    (tmp_path / "bin" / "sbatch").write_text(refusing)
    with pytest.raises(InvalidInput, match=r"Slurm did not take the job\. .*Invalid partition name"):
        slurm.submit(settings, {"partition": "nowhere"}, 1, [])


def test_a_worker_is_pickled_by_name_and_stays_what_it_was() -> None:
    again = slurm.SlurmWorker(["fast"]).checkpoint()
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert vars(again.function) == vars(slurm.SlurmWorker(["fast"]))
