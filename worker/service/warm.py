"""`python -m worker.service.warm`: answers plays with checkpoints that it keeps in memory.

Its worker writes one line `PLAY_ID ATTEMPT DEVICE` and waits for the line `PLAY_ID`, by which time the answer
or why there is none is in the play's row. SIGTERM ends the play in hand, the end of its input or `IDLE`
seconds without a request the process. Between requests it compares the contexts of the tasks it has answered
with those of training tasks (docs/decisions/playground.md).
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import psutil
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.arc.task import Task
from backend.domain.experiment import TrmModel
from backend.domain.play import SET_NAME, BetweenRequest, Neighbours, PlayRequest, PlayResult
from backend.domain.records import EvaluationKey, TestOutcome
from backend.domain.trained_on import TrainedOn
from backend.domain.way import Way
from backend.kit.errors import NotFound, Unavailable
from backend.playground import claims
from backend.playground.claims import Asked, Claim
from backend.runs import trained_on
from backend.settings import Settings
from backend.web import notify
from worker.recording.database_tasks import DbTasks
from worker.recording.patience import waited_out
from worker.service.fetching import fetch_step
from worker.service.machine import memory_limit
from worker.service.train import cause_of
from worker.training.stop import StopSignal

if TYPE_CHECKING:
    from worker.evaluation.neighbours import ContextMap
    from worker.training.scoring import Loaded

T = TypeVar("T")
IDLE = 600.0  # seconds
NICENESS = 10  # a training on the same cores goes first
MEMORY_FRACTION = 4  # checkpoints are given up while this process holds more than 1/4 of the memory
REQUESTS = 0  # the file descriptor of standard input
GIVEN_UP = "Not compared: the checkpoint left the worker's memory for another one. Ask again to compare."
NO_CONTEXT = "TRM has no encoder: a task has the embedding that was trained for it, or none."


class ModelKey(NamedTuple):
    """Which weights, and where."""

    sha256: str
    weights: str
    device: str


@dataclass
class Model:
    """A checkpoint in memory."""

    loaded: Loaded
    contexts: ContextMap | None = None  # None: none of its plays has asked yet
    to_compare: list[tuple[str, Task]] = field(default_factory=list)  # play, task


def main() -> None:
    """Answer until the input ends, or nobody asks for long."""
    faulthandler.enable()  # a crash in native code leaves its stack on the console
    os.nice(NICENESS)
    # A play in hand is dropped at it; one that is not yet is seen to be cancelled once it is read.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    replies = os.dup(1)
    os.dup2(2, 1)  # whatever prints, prints to the console
    settings = Settings.load()
    server = Server(make_engine(settings.database_url), settings)
    started: float | None = time.monotonic() - (time.time() - psutil.Process().create_time())
    while True:
        wait = 0.0 if server.has_more else IDLE
        if select.select([REQUESTS], [], [], wait)[0]:
            line = _line()
            if not line:
                return
            play_id, attempt, device = line.split()
            server.answer(Claim(play_id, int(attempt)), device, started or time.monotonic())
            started = None
            os.write(replies, f"{play_id}\n".encode())
        elif server.has_more:
            server.compare()
        else:
            return


def _line() -> str:
    """The next line of the input, unbuffered, so that `select` sees the one after it; empty at its end."""
    letters = bytearray()
    while (letter := os.read(REQUESTS, 1)) not in (b"", b"\n"):
        letters += letter
    return letters.decode()


class Server:
    """Checkpoints in memory, the least recently asked first."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._source = DbTasks(engine)
        self._models: OrderedDict[ModelKey, Model] = OrderedDict()

    @property
    def has_more(self) -> bool:
        """Whether a play waits to be compared."""
        return any(model.to_compare for model in self._models.values())

    def answer(self, held: Claim, device: str, started: float) -> None:
        """Write the answer, or why there is none, into the play's row. `started`: when the work on it began,
        with this process where it was started for it; by the monotonic clock."""
        with StopSignal().on_signals() as stop:
            try:
                asked = waited_out(lambda: self._read(lambda session: claims.asked(session, held)), stop)
                if asked is not None:
                    self._answer(held, asked, device, started, stop)
            except Exception as error:  # noqa: BLE001 — whatever it is, the page must say it
                traceback.print_exc()
                if not (isinstance(error, Unavailable) and stop.requested):
                    self._fail(held, cause_of(error), stop)
        notify.play_changed(held.play_id)

    def _fail(self, held: Claim, cause: str, stop: StopSignal) -> None:
        self._write(lambda session: claims.fail(session, held, cause), stop)

    def compare(self) -> None:
        """One step of the next comparison; what cannot be compared says why."""
        model = next(each for each in self._models.values() if each.to_compare)
        play_id, task = model.to_compare[-1]  # the newest: somebody looks at it
        try:
            found = self._compared(model, task)
        except Exception as error:  # noqa: BLE001 — an extra must not end the process
            traceback.print_exc()
            found = Neighbours((), 0, f"The contexts could not be compared: {cause_of(error)}")
        if found is not None:
            model.to_compare.pop()
            with StopSignal().on_signals() as stop:
                self._tell_neighbours(play_id, found, stop)

    def _tell_neighbours(self, play_id: str, found: Neighbours, stop: StopSignal) -> None:
        self._write(lambda session: claims.add_neighbours(session, play_id, found), stop)
        notify.play_changed(play_id)

    def _answer(self, held: Claim, asked: Asked, device: str, started: float, stop: StopSignal) -> None:
        request = asked.request
        key = ModelKey(asked.sha256, request.weights, device)
        was_warm = key in self._models
        model = self._model(key, asked, stop)
        load_seconds = 0.0 if was_warm else time.monotonic() - started
        loaded = model.loaded.asked_otherwise(request.section(model.loaded.config))
        outcomes: list[TestOutcome] = []
        way: Way | None = None
        if isinstance(request, BetweenRequest):
            way = self._way(loaded, request)
        else:
            outcomes = _outcomes(loaded, request, asked.step, stop)
        if stop.requested:
            return
        seconds = time.monotonic() - started
        is_trm = isinstance(loaded.config.model, TrmModel)
        neighbours = Neighbours((), 0, NO_CONTEXT) if is_trm and way is None else None
        result = PlayResult(tuple(outcomes), loaded.device.name, seconds, load_seconds, neighbours, way)
        self._write(lambda session: claims.finish(session, held, result), stop)
        if isinstance(request, PlayRequest) and not is_trm:
            model.to_compare.append((held.play_id, request.read_task()))

    def _way(self, loaded: Loaded, request: BetweenRequest) -> Way:
        from worker.evaluation.interpolation import interpolated, task_named

        first, second = (
            task_named(self._source, field, name)
            for field, name in (("first", request.first), ("second", request.second))
        )
        return interpolated(
            loaded.reasoner,
            loaded.config,
            loaded.puzzles,
            loaded.device,
            first,
            second,
            request.test - 1,
            request.points,
        )

    def _model(self, key: ModelKey, asked: Asked, stop: StopSignal) -> Model:
        """A checkpoint, from memory if it is there; the others make room for it."""
        model = self._models.pop(key, None)
        if model is None:
            self._make_room(stop)
            model = Model(self._load(key, asked, stop))
        self._models[key] = model  # the last to be given up
        return model

    def _make_room(self, stop: StopSignal) -> None:
        while self._models and _is_full():
            _, model = self._models.popitem(last=False)
            for play_id, _ in model.to_compare:
                self._tell_neighbours(play_id, Neighbours((), 0, GIVEN_UP), stop)

    def _load(self, key: ModelKey, asked: Asked, stop: StopSignal) -> Loaded:
        from worker.training.scoring import load_checkpoint  # takes seconds: torch

        waited_out(lambda: fetch_step(self._engine, self._settings, asked.run_id, asked.step), stop)
        recorded = self._read(lambda session: trained_on.of_run(session, asked.run_id))
        changes = {"weights": key.weights}
        folder = self._settings.artifacts / asked.run_id
        return load_checkpoint(folder, asked.step, changes, self._source, recorded, key.device)

    def _compared(self, model: Model, task: Task) -> Neighbours | None:
        """The neighbours of a task, or None after one step towards them."""
        from worker.evaluation.neighbours import ContextMap

        loaded = model.loaded
        if model.contexts is None:
            model.contexts = ContextMap(
                loaded.reasoner, loaded.config, self._training_tasks(loaded.trained_on)
            )
        elif not model.contexts.is_complete:
            model.contexts.advance()
        else:
            return model.contexts.nearest(task)
        return None

    def _training_tasks(self, record: TrainedOn) -> list[tuple[str, Task]]:
        found: list[tuple[str, Task]] = []
        for name in record.sets:
            known = record.whole(name) | record.shown(name)
            try:
                found += [(name, task) for task in self._source.tasks(name) if task.id in known]
            except NotFound:
                continue  # the set was removed since
        return [(name, replace(task, pool=None)) for name, task in found]

    def _read(self, work: Callable[[Session], T]) -> T:
        with reading_scope(self._engine) as session:
            return work(session)

    def _write(self, work: Callable[[Session], T], stop: StopSignal) -> T:
        """One transaction, once the database takes it."""

        def write() -> T:
            with session_scope(self._engine) as session:
                return work(session)

        return waited_out(write, stop)


def _is_full() -> bool:
    """Whether this process holds as much memory as it may, or its GPU has little left."""
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()  # what a checkpoint that was given up has left
        free, total = torch.cuda.mem_get_info()
        if free < total / MEMORY_FRACTION:
            return True
    return bool(psutil.Process().memory_info().rss > memory_limit() / MEMORY_FRACTION)


def _outcomes(loaded: Loaded, request: PlayRequest, step: int, stop: StopSignal) -> list[TestOutcome]:
    """One for each test input of the task, in order; fewer where it is to stop."""
    from worker.evaluation.evaluator import evaluate

    act_steps = loaded.config.evaluation.act_steps or 1
    key = EvaluationKey(SET_NAME, step, request.weights, request.views, act_steps, (request.name,))
    outcomes = evaluate(
        loaded.reasoner,
        loaded.config,
        key,
        [request.read_task()],
        loaded.puzzles,
        stop,
        adapter=loaded.adapter,
    )
    return sorted(outcomes, key=lambda outcome: outcome.test_index)


if __name__ == "__main__":
    main()
