"""Runs of TensorBoard come into a lab from event files that its own library wrote."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from etrm_lab import tensorboard_files
from tests.support.scripts import bring_in, log_of, points_of, run_of
from tests.support.web import WebServer

START = 1_700_000_000
MORE = 10  # hyperparameters


def write(folder: Path, suffix: str, *events: dict[str, Any]) -> None:
    """An event file of its own for these events."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for event in events:
        writer.add_event(Event(**event))
    writer.close()


def at(step: int, summary: Any, later: int = 0) -> dict[str, Any]:
    return {"step": step, "wall_time": START + step + later, "summary": summary}


def old_style(name: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=value)])


def hparams(**data: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = HParamsPluginData(**data).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    return Summary(value=[Summary.Value(tag="_hparams_", metadata=SummaryMetadata(plugin_data=plugin))])


def write_runs(root: Path) -> None:
    """Run `a` restarts at step 10 in a second file; `b/deep` has one point and a file that was cut off."""
    from tensorboard.compat.proto.event_pb2 import SessionLog
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo, SessionStartInfo
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb

    start = SessionStartInfo()
    start.hparams["lr"].number_value = 0.5
    start.hparams["optimiser"].string_value = "adam"
    for number in range(MORE):  # a map of the library's comes in another order in another process
        start.hparams[f"more_{number}"].number_value = number
    write(
        root / "a",
        ".1",
        at(0, hparams(session_start_info=start)),
        *(at(step, old_style("loss", step)) for step in range(20)),
        *(at(step, scalar_pb("accuracy", step / 4)) for step in range(20)),
        at(3, text_pb("note", "hello, world")),
    )
    write(
        root / "a",
        ".2",
        {"step": 10, "wall_time": START + 100, "session_log": SessionLog(status=SessionLog.START)},
        *(at(step, old_style("loss", math.nan if step == 12 else 100 + step), 100) for step in range(10, 15)),
        at(0, hparams(session_end_info=SessionEndInfo(status=2))),  # it failed
    )
    write(root / "b/deep", "", at(0, scalar_pb("x,y", 2.0)))
    (cut_off,) = (root / "b/deep").iterdir()
    with cut_off.open("ab") as opened:
        opened.write(b"abc")


def test_runs_with_restarts_come_in_whole_and_once(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    pytest.importorskip("tensorboard")
    write_runs(tmp_path / "logs")
    done = bring_in(tmp_path, server, "tensorboard", "logs", "--project", "arc")
    assert done.returncode == 0, done.stderr
    assert "its last 3 bytes are damaged or cut off" in done.stderr
    ids = {line.split(": ")[1]: line.split(": ")[0] for line in done.stdout.splitlines()}
    assert {*ids} == {"a", "b/deep"}
    loss = {step: float(step) for step in range(10)} | {step: 100.0 + step for step in range(10, 15)}
    assert points_of(client, ids["a"]) == {
        "loss": {**loss, 12: None},
        "accuracy": {step: step / 4 for step in range(10)},
    }
    assert log_of(client, ids["a"]) == ["note at step 3: hello, world"]
    run = run_of(client, ids["a"])
    assert (run["status"], run["project"]) == ("failed", "arc")
    more = {f"more_{number}": number for number in range(MORE)}
    assert run["config"] == {"lr": 0.5, "optimiser": "adam", **more}
    assert points_of(client, ids["b/deep"]) == {"x_y": {0: 2.0}}
    again = bring_in(tmp_path, server, "tensorboard", "logs", "--project", "arc")
    assert again.stdout.count("unchanged in") == 2


def test_a_folder_with_links_holds_each_run_once(tmp_path: Path) -> None:
    """`latest` leads to a run and `loop` to where it lies; a run is the same by any path to it."""
    pytest.importorskip("tensorboard")
    write(tmp_path / "logs/run", "", at(0, old_style("loss", 1.0)))
    write(tmp_path / "elsewhere", "", at(0, old_style("loss", 2.0)))
    (tmp_path / "logs/latest").symlink_to("run")
    (tmp_path / "logs/loop").symlink_to(".")
    (tmp_path / "logs/more").symlink_to(tmp_path / "elsewhere")
    runs = list(tensorboard_files.runs_of(tmp_path / "logs"))
    assert [run.name for run in runs] == ["more", "run"]
    (direct,) = tensorboard_files.runs_of(tmp_path / "logs/latest")
    assert direct.identity == runs[1].identity


def test_runs_whose_files_are_called_alike_are_two(tmp_path: Path) -> None:
    """tensorboardX puts no process into a file's name: jobs that start together have the same."""
    pytest.importorskip("tensorboard")
    for number in (0, 1):
        folder = tmp_path / f"seed_{number}/tb"
        write(folder, "", at(0, old_style("loss", float(number)), number))
        (file,) = folder.iterdir()
        file.rename(folder / f"events.out.tfevents.{START}.node-1")
    first, second = tensorboard_files.runs_of(tmp_path)
    assert first.identity != second.identity
    (again,) = tensorboard_files.runs_of(tmp_path / "seed_0/tb")
    assert again.identity == first.identity


def test_a_file_that_is_none_of_tensorboard_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    file = tmp_path / "events.out.tfevents.1.here"
    file.write_bytes(b"nothing of the kind" * 10)
    done = bring_in(tmp_path, None, "tensorboard", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file} is no event file" in done.stderr


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "tensorboard.py").write_text("raise ImportError")  # nearer than any that is installed
    done = bring_in(tmp_path, None, "tensorboard", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'etrm-lab-client[tensorboard]'" in done.stderr
