"""A run in a terminal: a progress bar with its numbers, log lines, alarms, and results with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from backend.domain.experiment import search_words
from backend.domain.histograms import Histogram
from backend.domain.hypothesis.judge import Recorded
from backend.domain.records import (
    WITHOUT_EMBEDDING,
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    Ruling,
    Score,
    TestOutcome,
    mode_words,
)
from backend.domain.records import Progress as RunProgress
from backend.domain.snapshots import Snapshot
from backend.domain.trained_on import TrainedOn
from backend.kit.format import counted
from backend.kit.streams import console as open_console
from backend.kit.streams import printable

METRICS_FILE = "metrics.jsonl"  # in the folder of a local run
_LEVEL_STYLES = {"info": "", "warning": "yellow", "error": "bold red"}


class ConsoleRecorder:
    """Shows what a run emits, and keeps its points where it is given the run's folder.

    `metrics.jsonl` there holds one line per recorded step. A resumed run writes some steps again: the last
    line of a step counts.
    """

    def __init__(self, console: Console | None = None, folder: Path | None = None) -> None:
        self.console = console or open_console()
        self._points = folder / METRICS_FILE if folder else None
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
        )
        self._phases: dict[str, TaskID] = {}
        self._numbers = ""
        self.evaluations: list[EvaluationSummary] = []  # those that have finished

    def trained_on(self, record: TrainedOn) -> TrainedOn:
        return record  # the log says it

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        shown = {"loss": "loss", "accuracy/token": "tokens right", "accuracy/exact": "grids right"}
        parts = [f"{words} {values[name]:.3f}" for name, words in shown.items() if name in values]
        self._numbers = " · ".join(parts)
        if self._points is not None:
            with self._points.open("a") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")

    def histograms(self, step: int, groups: Mapping[str, Histogram]) -> None:
        pass  # they are for the run's page

    def contexts(self, snapshot: Snapshot) -> None:
        pass  # they are for the atlas

    def progress(self, progress: RunProgress) -> None:
        if progress.phase not in self._phases:
            self.bar.start()
            task = self.bar.add_task(progress.phase, total=progress.total, left="", numbers="")
            self._phases[progress.phase] = task
        self.bar.update(
            self._phases[progress.phase],
            completed=progress.done,
            total=progress.total,
            left=time_left(progress.seconds_left),
            numbers=self._numbers if progress.phase == "training" else "",
        )

    def log(self, text: str, level: str = "info") -> None:
        self.console.print(_plain(text), style=_LEVEL_STYLES.get(level) or None, highlight=False)

    def alarm(self, alarm: Alarm) -> None:
        self.console.print(f"Step {alarm.step}: {_plain(alarm.text)}", style="bold yellow", highlight=False)

    def ruled(self, ruling: Ruling) -> None:
        self.console.print(f"The run is {_plain(ruling.text)}.", style="bold", highlight=False)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        pass  # the bar says how far it is; where checkpoints lie is said at the end

    def release(self, paths: Sequence[str], remove: Callable[[str], None]) -> None:
        for path in paths:
            remove(path)

    def evaluation_started(self, key: EvaluationKey) -> None:
        pass  # said with its result

    def outcome(self, key: EvaluationKey, outcome: TestOutcome) -> None:
        pass

    def evaluation_finished(self, summary: EvaluationSummary) -> None:
        self.evaluations.append(summary)
        self.log(describe(summary.key))
        for k, score in summary.passes.items():
            self.console.print(f"  pass@{k}  {describe_score(score)}", highlight=False)
        if apart := summary.extras.get(WITHOUT_EMBEDDING):
            solved, n = apart["passes"]["1"]
            self.log(f"  apart: {solved:g}/{n} of the tasks that TRM has no embedding for", "warning")
        modes = ", ".join(
            f"{count} {mode_words(mode)}" for mode, count in summary.failure_modes.items() if count
        )
        if modes:
            self.console.print(f"  wrong first attempts: {modes}", highlight=False)

    def settle(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.bar.stop()


def _plain(text: str) -> str:
    """Text of anybody's: neither rich's markup nor the terminal's."""
    return escape(printable(text))


def recorded(folder: Path) -> dict[str, Recorded]:
    """Every series of a local run in short; of a step written twice the last line counts."""
    path = folder / METRICS_FILE
    points: dict[str, dict[int, float]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        values = json.loads(line)
        step = values.pop("step")
        for name, value in values.items():
            points.setdefault(name, {})[step] = value
    return {name: _in_short(curve) for name, curve in points.items()}


def _in_short(curve: Mapping[int, float]) -> Recorded:
    last = max(curve)
    finite = [value for value in curve.values() if math.isfinite(value)]
    return Recorded(curve[last], min(finite, default=None), max(finite, default=None), last)


def describe(key: EvaluationKey) -> str:
    """Everything a number of this evaluation must not be shown without."""
    weights = "EMA weights" if key.weights == "ema" else "raw weights"
    search = f", search: {search_words(key.search)}" if key.search else ""
    return (
        f"{key.set_name}, {counted(len(key.task_ids), 'task')}, {counted(key.views, 'view')}, "
        f"{weights} of step {key.step}{search}"
    )


def facts(summary: EvaluationSummary) -> dict[str, Any]:
    """An evaluation as JSON, by the names that the API has for the same."""
    key = summary.key
    passes = []
    for k, score in summary.passes.items():
        low, high = score.interval
        share = score.solved / score.n if score.n else None
        passes.append(
            {"k": k, "solved": score.solved, "n": score.n, "share": share, "low": low, "high": high}
        )
    return {
        "set": key.set_name,
        "step": key.step,
        "weights": key.weights,
        "views": key.views,
        "n": len(key.task_ids),
        "passes": passes,
        "failure_modes": dict(summary.failure_modes),
        "seconds": summary.seconds,
    }


def describe_score(score: Score) -> str:
    """`2/16 (12 %, 95 % interval 3-36 %)`."""
    if score.n == 0:
        return "0/0 (nothing evaluated)"
    low, high = (round(100 * bound) for bound in score.interval)
    return f"{score.solved:g}/{score.n} ({100 * score.solved / score.n:.0f} %, 95 % interval {low}-{high} %)"


def time_left(seconds: float | None) -> str:
    """`1:02:03 left`, or nothing where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
