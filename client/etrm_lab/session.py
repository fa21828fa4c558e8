"""A run as a script logs it. Nothing here waits for the lab, and no trouble with it reaches the script."""

from __future__ import annotations

import operator
import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from etrm_lab.digests import code, described
from etrm_lab.histogram import Histogram
from etrm_lab.journal import Journal
from etrm_lab.media import FILES_STAY, Artifact, Image, Table
from etrm_lab.output import left_out, tell, tell_once
from etrm_lab.sender import PROMISE_SECONDS, Sender
from etrm_lab.state import Config, Summary
from etrm_lab.values import (
    candidates_of,
    config_of,
    digits_of,
    flattened,
    metric_name,
    number_of,
    one_line,
    parts_of_text,
    text_of,
)

Level = Literal["info", "warning", "error"]
MAX_STEP = 2**53 - 1
FILES_SECONDS = 30.0  # that it waits for files that are being hashed


class Run:
    """What `init` gives. Its methods return at once: what they log is in a journal when they return, and a
    thread sends it.

    A run without a journal (a process of a distributed training other than rank 0, `mode="disabled"`) takes
    the same calls and does nothing, and so does a run in a process that was forked from the script's.
    """

    def __init__(
        self,
        run_id: str,
        name: str,
        project: str,
        config: Mapping[str, Any],
        journal: Journal | None = None,
        url: str = "",
        token: str = "",
        tags: Sequence[str] = (),
        notes: str = "",
    ) -> None:
        self.id, self.name, self.project = run_id, name, project
        self.tags, self.notes = tuple(tags), notes
        self.lab = url
        self.url = f"{url}/runs/{run_id}" if url else ""
        self.stopped = ""  # why the lab takes no more, for example because somebody cancelled the run there
        self.step = -1  # of the newest point
        self._journal = journal
        self._pid = os.getpid()
        self._names: dict[str, str] = {}
        self._held_step: int | None = None  # of a call with commit=False: the next one logs there
        self._has_ended = False
        self._hashing: list[threading.Thread] = []
        self._text_time = 0.0
        self._sender: Sender | None = None
        self.config = Config(config, self._config_changed)
        self.summary = Summary(self._log_summary)
        self._begin(url, token)

    def _begin(self, url: str, token: str) -> None:
        if self._journal is None:
            return
        self._restore(self._journal)
        run = {
            "id": self.id,
            "name": self.name,
            "project": self.project,
            "config": dict(self.config),
            "heartbeat_seconds": PROMISE_SECONDS,
            **({"tags": self.tags} if self.tags else {}),
            **({"notes": self.notes} if self.notes else {}),
        }
        resumed = self._journal.size > 0
        self._journal.append({"kind": "start", "run": run, "wall_time": time.time()})
        if resumed and self.config:
            self._config_changed(self.config)
        if url:
            self._sender = Sender(self._journal, url, token, self._stop)
            tell(f"logging run {self.id} to {self.url}")
        else:
            tell(f"logging run {self.id} to {self._journal.path} alone. Send it later: etrm-lab sync")

    def _restore(self, journal: Journal) -> None:
        """Continue the steps of an earlier start, and its config where this one gives none."""
        before: dict[str, Any] = {}
        for record, _ in journal.records():
            kind = record.get("kind")
            if kind in ("points", "histogram"):
                self.step = max(self.step, record["step"])
            elif kind == "start":
                before = record["run"].get("config") or before
            elif kind == "config":
                before = record["config"]
        self.restore_config(before)

    def restore_config(self, before: Mapping[str, Any]) -> None:
        """Take over the config of an earlier start, where this one gave none."""
        if not self.config:
            dict.update(self.config, before)

    @property
    def is_logging(self) -> bool:
        """Whether what is logged here and now is kept."""
        return self._journal is not None and self._pid == os.getpid()

    def log(
        self, values: Mapping[str, Any], step: int | None = None, commit: bool | None = None, **_: Any
    ) -> None:
        """Log numbers at a step; the one after the newest, where none is given.

        Names of nested mappings are joined by `/`. NaN and infinity are kept. A point of the same name and
        step replaces the one before. With `commit=False` the next call logs at the same step. Of what is no
        number, histograms are kept as such, and text, tables and grids go to the run's log.
        TypeError where `values` is no mapping.
        """
        journal = self._journal
        if journal is None or self._pid != os.getpid():
            if self._has_ended:
                tell_once(f"run {self.id} has ended: what is logged after finish() is not kept.")
            return
        if not isinstance(values, Mapping):
            raise TypeError(f"log takes a dict of names and numbers, not {type(values).__name__}.")
        if step is not None:
            at = self._checked_step(step)
        else:
            at = self.step + 1 if self._held_step is None else self._held_step
        points: dict[str, float] = {}
        rest: dict[str, Any] = {}
        for name, value in values.items():
            known = self._names.get(name)
            if known is not None and type(value) is float:  # nearly always: no call for each of them
                points[known] = value
            else:
                rest[name] = value
        others = self._add_numbers(points, rest) if rest else ()
        if points:
            journal.append({"kind": "points", "step": at, "wall_time": time.time(), "values": points})
            dict.update(self.summary, points)
        for name, value in others:
            self._log_other(name, value, at)
        self._held_step = at if commit is False else None
        if at > self.step and commit is not False:
            self.step = at

    def note_provenance(self) -> None:
        """Note which code, packages and machine this process is computed with, beside the script's work."""
        if self.is_logging:
            self._in_background(self._note_provenance)

    def _note_provenance(self) -> None:
        from etrm_lab.provenance import collect

        self._append({"kind": "provenance", **collect()})

    def log_text(self, text: object, level: Level = "info") -> None:
        """Add a line, or several, to the run's log."""
        if not self.is_logging:
            return
        if level not in ("info", "warning", "error"):
            tell_once(
                f"{level!r} is no level of a log line; info, warning and error are. It is logged as info."
            )
            level = "info"
        for part in parts_of_text(text):
            # No two lines have the same time: a line of the same time and text is the same line, sent again.
            self._text_time = max(time.time(), self._text_time + 1e-6)
            self._append({"kind": "text", "text": part, "level": level, "wall_time": self._text_time})

    def log_histogram(self, name: str, values: Any, step: int | None = None) -> None:
        """Log how `values` are distributed, at the newest step where none is given: an array, a tensor,
        numbers in lists, or a `Histogram`. One of the same name and step replaces the one before.

        Values are counted here and now; of a tensor on a GPU that waits for it.
        """
        if not self.is_logging:
            return
        name = str(name)
        histogram = values if isinstance(values, Histogram) else Histogram(values)
        if histogram.refused:
            tell_once(f"log_histogram({name!r}): {histogram.refused}")
            return
        self._append(
            {
                "kind": "histogram",
                "name": self._names.get(name) or self._name(name),
                "step": max(self.step, 0) if step is None else self._checked_step(step),
                "wall_time": time.time(),
                **histogram.record(),
            }
        )

    def log_grid(self, name: str, grid: Any, step: int | None = None) -> None:
        """Write an ARC grid to the run's log, a digit per cell: as lists, array, tensor or digits."""
        if not self.is_logging:
            return
        digits = digits_of(grid)
        if digits is None:
            tell_once(
                f"log_grid({name!r}): that is no grid: at most 30 rows of equal length with colours 0 to 9."
            )
            return
        at = max(self.step, 0) if step is None else self._checked_step(step)
        rows = digits.replace("/", "\n")
        self.log_text(f"{name} at step {at:,}:\n{rows}")

    def log_predictions(
        self,
        task: str,
        test: int,
        grid: Any,
        *,
        set: str = "arc-agi-1/evaluation",
        step: int | None = None,
        weights: Literal["ema", "raw"] = "raw",
        views: int = 1,
        act_steps: int = 1,
        votes: Any = None,
        confidence: Any = None,
    ) -> None:
        """Log what the model makes of one test input of an ARC task; the lab judges it.

        `grid` is one grid, or several in a list, the first attempt first; `votes` (how many augmented views
        predict it) and `confidence` (0 to 1) are then lists, too. `test` counts from 0; `set` is a task set
        of the lab. Predictions of one set, step, weights, views and ACT steps are one evaluation, with pass@k
        over the tasks logged, failure modes, and cards in the gallery. What is no grid counts as no answer.
        """
        if not self.is_logging:
            return
        try:
            counts = {"views": int(views), "act_steps": int(act_steps), "test": int(test)}
            candidates = candidates_of(grid, votes, confidence)
        except Exception as error:  # noqa: BLE001 — a training must not end for an answer of any kind
            tell_once(f"log_predictions of task {task} is left out: {error}")
            return
        self._append(
            {
                "kind": "prediction",
                "set": str(set),
                "step": max(self.step, 0) if step is None else self._checked_step(step),
                "weights": str(weights),
                **counts,
                "task": str(task),
                "candidates": candidates,
            }
        )

    def log_checkpoint(self, path: str | os.PathLike[str], step: int | None = None) -> None:
        """Note a checkpoint in the run's log: where it is, its size and its SHA-256. It stays where it is."""
        if self.is_logging:
            at = max(self.step, 0) if step is None else self._checked_step(step)
            self._in_background(lambda: self.log_text(f"Checkpoint of step {at:,}: {described(Path(path))}"))

    def log_code(self, root: str | os.PathLike[str] | None = ".", **_: Any) -> None:
        """Note the Python files below a folder in the run's log, with the SHA-256 of each."""
        if self.is_logging:
            folder = Path(root or ".")
            self._in_background(lambda: self.log_text(f"Code in {folder.resolve()}:\n{code(folder)}"))

    def watch(self, *_: Any, **__: Any) -> None:
        """W&B's: without effect, which is told. `log_histogram` logs weights and gradients."""
        left_out("watch", "Log weights and gradients with run.log_histogram(name, tensor).")

    def unwatch(self, *_: Any, **__: Any) -> None:
        """W&B's: without effect."""

    def define_metric(self, *_: Any, **__: Any) -> None:
        """W&B's: without effect, which is told."""
        left_out("define_metric", "Every metric has the x axes step, time, samples and epochs on its page.")

    def save(self, *_: Any, **__: Any) -> list[str]:
        """W&B's: without effect, which is told. `log_checkpoint` notes a file."""
        left_out("save", FILES_STAY)
        return []

    def log_artifact(self, *_: Any, **__: Any) -> Artifact:
        """W&B's: without effect, which is told."""
        return Artifact()

    def use_artifact(self, *_: Any, **__: Any) -> Artifact:
        """W&B's: without effect, which is told."""
        return Artifact()

    def mark_preempting(self) -> None:
        """W&B's: without effect. A run that is started again continues by its id."""

    def alert(
        self,
        title: str,
        text: str = "",
        level: str = "WARN",
        wait_duration: object = None,
        *,
        step: int | None = None,
        value: float | None = None,
        threshold: float | None = None,
    ) -> None:
        """Raise an alarm, once per title: it is shown with the run and sent to the lab's webhook."""
        if not self.is_logging:
            return
        self._append(
            {
                "kind": "alert",
                "name": one_line(title, 120) or "alert",
                "text": text_of(text or title or "alert", 2000),
                "step": max(self.step, 0) if step is None else self._checked_step(step),
                "value": _finite(value),
                "threshold": _finite(threshold),
            }
        )

    def finish(
        self,
        exit_code: int | None = 0,
        quiet: object = None,
        *,
        status: Literal["finished", "failed", "cancelled"] | None = None,
        cause: str = "",
    ) -> None:
        """End the run and send what is left; where the lab does not answer, it stays in the journal.

        `exit_code` other than 0 means that it failed; `status` and `cause` say more.
        """
        journal = self._journal
        if journal is None or self._pid != os.getpid():
            return
        for thread in self._hashing:
            thread.join(FILES_SECONDS)
        ended = status or ("failed" if exit_code else "finished")
        why = text_of(cause or (f"exit code {exit_code}" if exit_code else ""), 2000)
        if self._end(journal, ended, why):
            journal.close()

    def terminate(self, cause: str) -> None:
        """End the run since its process is about to be killed. Another thread may still log: it logs nothing
        more, and the journal stays open under its hands."""
        journal = self._journal
        if journal is not None and self._pid == os.getpid():
            self._end(journal, "failed", cause)

    def _end(self, journal: Journal, status: str, cause: str) -> bool:
        """Write how the run ended and send what is left; whether nothing reads the journal any more."""
        journal.end({"kind": "finish", "status": status, "cause": cause, "wall_time": time.time()})
        self._journal, self._has_ended = None, True
        if self._sender is not None:
            self._sender.close()
            if self._sender.is_alive:
                return False
            left = journal.size - journal.acknowledged
            if left and not self.stopped:
                tell(f"{left:,} bytes are not sent yet. Send them later: etrm-lab sync {journal.path}")
        return True

    def fail(self, error: BaseException) -> None:
        """End the run because of an exception, whose traceback goes to the run's log."""
        self.log_text("".join(traceback.format_exception(error))[-20_000:], "error")
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.finish(status="cancelled" if isinstance(error, KeyboardInterrupt) else "failed", cause=text)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, SystemExit):
            code = error.code
            self.finish(code if isinstance(code, int) else int(code is not None), cause=_text_of_exit(code))
        elif error is not None:
            self.fail(error)
        else:
            self.finish()

    def __deepcopy__(self, _: dict[int, Any]) -> Run:
        return self  # a model that holds its run is copied, for averaged weights say

    def __reduce__(self) -> tuple[type[Run], tuple[str, str, str, dict[str, Any]]]:
        """In another process it takes the same calls and logs nothing, as in one that was forked."""
        return Run, (self.id, self.name, self.project, dict(self.config))

    def _append(self, record: dict[str, Any]) -> None:
        journal = self._journal  # another thread may end the run meanwhile
        if journal is not None:
            journal.append(record)

    def _checked_step(self, step: Any) -> int:
        try:
            whole = operator.index(step) if not isinstance(step, float) else int(step)
            if 0 <= whole <= MAX_STEP and whole == step:
                return whole
        except (TypeError, ValueError, OverflowError):
            number = number_of(step)
            if number is not None and 0 <= number <= MAX_STEP and number == int(number):
                return int(number)
        tell_once(f"step must be a whole number from 0 on, not {step!r}: the next step is taken.", "step")
        return self.step + 1

    def _add_numbers(self, points: dict[str, float], values: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Add what is a number to `points`; (name, value) of what is none."""
        others = []
        for name, value in flattened(values):
            number = number_of(value)
            if number is None:
                others.append((name, value))
            else:
                points[self._names.get(name) or self._name(name)] = number
        return others

    def _name(self, name: str) -> str:
        clean = self._names[name] = metric_name(name)
        return clean

    def _log_other(self, name: str, value: Any, step: int) -> None:
        if value is None:
            return
        if isinstance(value, Histogram):
            self.log_histogram(name, value, step)
        elif isinstance(value, Table):
            self.log_text(f"{name} at step {step:,}:\n{value.text()}")
        elif isinstance(value, str):
            self.log_text(f"{name} at step {step:,}: {value}")
        elif isinstance(value, list | tuple) and value and all(isinstance(one, Image) for one in value):
            for one in value:
                self._log_other(name, one, step)
        elif isinstance(value, Image) or digits_of(value) is not None:
            picture = value if isinstance(value, Image) else Image(value)
            if digits_of(picture.data) is None:
                tell_once(f"{name}: pictures are not kept, but for ARC grids.")
            else:
                self.log_grid(f"{name} {picture.caption}".strip(), picture.data, step)
        else:
            tell_once(f"{name} is not logged: {type(value).__name__} is neither a number nor a text.")

    def _log_summary(self, values: Mapping[str, Any]) -> None:
        if self.is_logging:
            before = self.step, self._held_step
            self.log(values, step=max(self.step, 0))
            self.step, self._held_step = before  # it is no step of the training

    def _config_changed(self, config: Mapping[str, Any]) -> None:
        if not self.is_logging:
            return
        try:
            self._append({"kind": "config", "config": config_of(config)})
        except ValueError as error:  # within a training: one that is too deep or too large
            tell_once(f"the config in the lab stays as it was: {error}", "config")

    def _stop(self, why: str) -> None:
        self.stopped = why
        where = self._journal.path if self._journal else "its journal"
        tell(f"the lab takes no more of run {self.id}: {why} What is logged stays in {where}.")

    def _in_background(self, work: Callable[[], None]) -> None:
        def shielded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 — a training must not end for what is wrong here
                tell_once(f"a file was not noted: {error}")

        thread = threading.Thread(target=shielded, name="etrm_lab files", daemon=True)
        thread.start()
        self._hashing.append(thread)


def _finite(value: Any) -> float | None:
    number = number_of(value)
    return number if number is not None and abs(number) < 1e308 else None


def _text_of_exit(code: object) -> str:
    return code if isinstance(code, str) else ""
