"""Runs of TensorBoard, read by its own library: each folder with event files is one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etrm_lab.histogram import Histogram
from etrm_lab.imports import BadSource, Distribution, Imported, Line, Point, SourceRun, missing_extra
from etrm_lab.output import tell_once

MARK = "tfevents"
FRAME = 16  # bytes around each record of an event file
ENDS = {1: "finished", 2: "failed"}  # of the library's Status
PROCESS = re.compile(rf"{MARK}\.\d+\..+\.\d+\.\d+(\.|$)")  # in a file's name: time, machine, process, number


@dataclass
class _Overview:
    """What must be known of a run before its points are read."""

    config: dict[str, Any] = field(default_factory=dict)
    status: str = "finished"
    began: float = 0.0  # wall time of the first event
    restarts: list[tuple[int, int]] = field(
        default_factory=list
    )  # (number of the event, step it restarts at)
    plugins: dict[str, str] = field(default_factory=dict)  # of each tag; only its first value states it


def runs_of(path: Path) -> Iterator[SourceRun]:
    """The runs at a folder or of one event file."""
    try:
        from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: F401
    except ImportError:
        raise missing_extra("tensorboard", "tensorboard") from None
    found = False
    for folder, files in _folders(path):
        found = True
        overview = _overview(files)
        base = path if path.is_dir() else path.parent
        name = folder.relative_to(base).as_posix()
        # The library puts time, machine and process into the name of a file. Others leave the process out:
        # two that started in the same second differ by their first event.
        is_named = PROCESS.search(files[0].name)
        yield SourceRun(
            identity=f"{folder.resolve().name}/{files[0].name}{'' if is_named else f'/{overview.began!r}'}",
            name=folder.resolve().name if name == "." else name,
            records=lambda files=files, overview=overview: _records(files, overview),  # type: ignore[misc]
            project="",
            config=overview.config,
            status=overview.status,
        )
    if not found:
        raise BadSource(f"{path} has no event files (…{MARK}…). Give the log folder of TensorBoard.")


def _folders(path: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder once: one that is reached by a link as well, such as `latest`, comes under its own name."""
    if path.is_file():
        yield path.parent, [path]
        return
    top, seen = path.resolve(), set[Path]()
    for folder, below, names in os.walk(path, followlinks=True):
        real = Path(folder).resolve()
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not _leads_into(Path(folder, name), top))
        if files := sorted(Path(folder, name) for name in names if MARK in name):
            yield Path(folder), files


def _leads_into(folder: Path, top: Path) -> bool:
    return folder.is_symlink() and folder.resolve().is_relative_to(top)


def _overview(files: list[Path]) -> _Overview:
    from tensorboard.compat.proto.event_pb2 import SessionLog
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    overview = _Overview()
    for at, event in enumerate(_events(files)):
        if not at:
            overview.began = event.wall_time
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            overview.restarts.append((at, event.step))
        for value in event.summary.value:
            plugin = value.metadata.plugin_data
            if plugin.plugin_name:
                overview.plugins.setdefault(value.tag, plugin.plugin_name)
            if plugin.plugin_name == "hparams":
                data = HParamsPluginData.FromString(plugin.content)
                for name, hparam in sorted(data.session_start_info.hparams.items()):  # a map has no order
                    kind = hparam.WhichOneof("kind")
                    overview.config[name] = getattr(hparam, kind) if kind else None
                if data.HasField("session_end_info"):
                    overview.status = ENDS.get(data.session_end_info.status, overview.status)
    return overview


def _records(files: list[Path], overview: _Overview) -> Iterator[Imported]:
    """Points, histograms and text of all files in the order of their names, which is that of time.

    Where a writer restarted at a step, whatever was written before at that step or later is left out, as
    TensorBoard itself does.
    """
    restarts = list(overview.restarts)
    for at, event in enumerate(_events(files)):
        while restarts and restarts[0][0] <= at:
            restarts.pop(0)
        if event.step >= min((step for _, step in restarts), default=event.step + 1):
            continue
        for value in event.summary.value:
            plugin = overview.plugins.get(value.tag, "")
            if value.HasField("simple_value"):
                yield Point(value.tag, event.step, event.wall_time, value.simple_value)
            elif value.HasField("tensor") and plugin == "text":
                text = "\n".join(part.decode(errors="replace") for part in value.tensor.string_val)
                tag = value.tag.removesuffix("/text_summary")
                yield Line(f"{tag} at step {event.step:,}: {text}", event.wall_time)
            elif value.HasField("histo") or (value.HasField("tensor") and plugin == "histograms"):
                yield Distribution(value.tag, event.step, event.wall_time, _histogram(value))
            elif value.HasField("tensor") and plugin in ("scalars", ""):
                yield from _scalar(value, event)
            elif plugin != "hparams":
                tell_once(f"{value.tag} is left out: it is no scalar, histogram, text or hparams.")


def _histogram(value: Any) -> Histogram:
    """Every number counts as if it were in the middle of its bucket, which is how exact the file is."""
    from tensorboard.util.tensor_util import make_ndarray

    if value.HasField("tensor"):  # a row for each bucket: its ends and its count
        rows = make_ndarray(value.tensor).reshape(-1, 3).tolist()
        return Histogram.weighted([(low + high) / 2 for low, high, _ in rows], [row[2] for row in rows])
    histo = value.histo
    middles, below = [], histo.min
    for limit in histo.bucket_limit:
        low, high = max(below, histo.min), min(limit, histo.max)
        middles.append((low + high) / 2)
        below = limit
    return Histogram.weighted(middles, list(histo.bucket))


def _scalar(value: Any, event: Any) -> Iterator[Point]:
    from tensorboard.util.tensor_util import make_ndarray

    array = make_ndarray(value.tensor)
    if array.size == 1 and array.dtype.kind in "fiub":
        yield Point(value.tag, event.step, event.wall_time, float(array.reshape(-1)[0]))
    else:
        tell_once(f"{value.tag} is left out: it is no single number.")


def _events(files: list[Path]) -> Iterator[Any]:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    for file in files:
        size, read = file.stat().st_size, 0
        for data in RawEventFileLoader(str(file)).Load():
            read += len(data) + FRAME
            yield Event.FromString(data)
        if size and not read:
            raise BadSource(
                f"{file} is no event file, or is damaged from its start. Move it away and import again."
            )
        if read < size:
            tell_once(f"{file}: its last {size - read:,} bytes are damaged or cut off and are left out.")
