"""`python -m worker.service.train RUN_ID ATTEMPT`: one attempt at one run, in a process of its own.

Exit status: 0 all done · 75 left because it was asked to, or because the run is another attempt's · 1 failed,
77 failed by a fault of this machine: both with cause and traceback in the run's row.
"""

from __future__ import annotations

import faulthandler
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from sqlalchemy import Engine

from backend.artifacts import service as objects
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.provenance import Provenance
from backend.domain.records import Progress
from backend.kit.errors import EtrmError, InvalidConfig, NotFound, Unavailable
from backend.lifecycle.start_files import outside
from backend.queue import claims as queue
from backend.runs import checkpoints, provenance
from backend.runs import queries as runs
from backend.settings import Settings
from worker.kit.recorder import LostRun, NullRecorder
from worker.kit.sources import Checkout
from worker.recording.database import DbRecorder
from worker.recording.database_tasks import DbTasks
from worker.recording.line_writer import LineWriter
from worker.recording.patience import PatientTasks, waited_out
from worker.recording.replay import replay
from worker.service import parallel
from worker.service.faults import NODE_FAULT, is_of_the_node
from worker.service.fetching import fetch_start, sweep
from worker.service.provenance import ReadAhead, collect
from worker.service.supervision import STOPPED
from worker.service.system_metrics import sampled
from worker.training.stop import StopSignal

FAILED = 1
TORCH_WITHOUT_MEMORY = "DefaultCPUAllocator: can't allocate memory"


def main(run_id: str, attempt: int) -> int:
    """Carry out the attempt, or hand it over to several processes; returns the exit status."""
    parallel.join()
    faulthandler.enable()  # a crash in native code leaves its stack on the console
    settings = Settings.load()
    engine = make_engine(settings.database_url)
    with StopSignal().on_signals() as stop:
        try:
            return _attempt(engine, settings, run_id, attempt, stop)
        except LostRun as lost:
            print(f"Leaving: {lost} is no longer this process's.", file=sys.stderr)
            return STOPPED
        except Exception as error:  # noqa: BLE001 — whatever it is, the run's page must say it
            if isinstance(error, Unavailable) and stop.requested:
                print(f"Leaving without the database: {error}", file=sys.stderr)
                return STOPPED
            if _is_about_another_process(error):
                return parallel.LOST
            _report(engine, run_id, attempt, error)
            return NODE_FAULT if is_of_the_node(error) else FAILED


def _is_about_another_process(error: Exception) -> bool:
    """Whether it only says that another of the processes that share the batch died."""
    if not parallel.is_one_of_several():
        return False
    from worker.training.ranks import ProcessLost

    return isinstance(error, ProcessLost)


def _attempt(engine: Engine, settings: Settings, run_id: str, attempt: int, stop: StopSignal) -> int:
    config = waited_out(lambda: _config(engine, run_id), stop)
    waited_out(lambda: fetch_start(engine, settings, run_id, config), stop)
    check_start(config, settings, run_id)
    if config.training.processes * settings.nodes > 1 and not parallel.is_one_of_several():
        engine.dispose()
        arguments = (run_id, str(attempt))
        parallel.hand_over(
            config.training.processes, __spec__.name, arguments, settings.nodes, settings.rendezvous or ""
        )
    if not parallel.is_first():
        return _work_along(config, engine, settings.artifacts / run_id, stop)
    return _carry_out(config, engine, settings, run_id, attempt, stop)


def _carry_out(
    config: ExperimentConfig, engine: Engine, settings: Settings, run_id: str, attempt: int, stop: StopSignal
) -> int:
    """Train and record."""
    folder = settings.artifacts / run_id
    store = objects.of(settings)
    waited_out(lambda: replay(engine, settings.artifacts, run_id, attempt, store), stop)
    recorder = DbRecorder(engine, run_id, attempt, settings.artifacts, objects=store)
    warn = _level(recorder, "warning")
    with (
        redirect_stdout(LineWriter(sys.stdout, _level(recorder, "info"))),
        redirect_stderr(LineWriter(sys.stderr, warn)),
    ):
        try:
            recorder.progress(Progress("loading", 0, 1))
            recorder.flush()  # LostRun before anything is touched
            from worker.training.trainer import train  # takes seconds: torch

            waited_out(lambda: forget_unwritten(engine, folder, run_id, warn), stop)
            waited_out(lambda: sweep(engine, settings, run_id, attempt), stop)
            tasks = ReadAhead(PatientTasks(DbTasks(engine), stop))
            found, code = collect(config, tasks)
            waited_out(lambda: _keep(engine, run_id, attempt, found, code), stop)
            with sampled(recorder, folder, settings.system_metrics_every):
                result = train(config, tasks, recorder, folder, stop, True, attempt, settings.min_free_bytes)
        except EtrmError as error:
            recorder.log(str(error), "error")
            raise
        finally:
            recorder.close()
    return STOPPED if result.stopped else 0


def _work_along(config: ExperimentConfig, engine: Engine, folder: Path, stop: StopSignal) -> int:
    """Be one of the processes that the first one records for."""
    from worker.training.trainer import train

    result = train(config, PatientTasks(DbTasks(engine), stop), NullRecorder(), folder, stop, resume=True)
    return STOPPED if result.stopped else 0


def _keep(engine: Engine, run_id: str, attempt: int, found: Provenance, code: Checkout) -> None:
    with session_scope(engine) as session:
        provenance.record(session, run_id, attempt, found, code.changes, code.is_cut)


def _config(engine: Engine, run_id: str) -> ExperimentConfig:
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
        if run is None:
            raise NotFound(f"Run {run_id!r} not found.")
        return parse_experiment(run.config)


def check_start(config: ExperimentConfig, settings: Settings, run_id: str) -> None:
    """InvalidConfig where a first attempt would read a file outside the folders of this machine."""
    if any((settings.artifacts / run_id / "checkpoints").glob("step-*")):
        return  # it resumes and no longer needs the file
    if found := outside(config.training.initialise_from, settings):
        raise InvalidConfig("The config is not valid.", problems=[found])


def forget_unwritten(engine: Engine, folder: Path, run_id: str, warn: Callable[[str], None]) -> None:
    """Remove checkpoints that the database does not know.

    A kill right after a checkpoint can come before its note is in the journal. The points before it are,
    unless the journal had no room: resuming from it could leave a gap in the curves; the checkpoint before it
    has none. One that is older was being let go when the kill came. If no checkpoint that the database knows
    is left, because the kill came right after the first or the database was away so long, hours of training
    weigh more than a gap.
    """
    from worker.training.checkpoints.checkpoint import list_checkpoints

    with reading_scope(engine) as session:
        known = {folder.parent / row.path for row in checkpoints.list(session, run_id)}
    present = list_checkpoints(folder)
    newest_known = max((path for path in present if path in known), default=None)
    for path in present:
        if newest_known is None:
            warn(f"{path.name} is not in the database: points before it may be missing in the curves.")
        elif path not in known:
            shutil.rmtree(path)


def _report(engine: Engine, run_id: str, attempt: int, error: Exception) -> None:
    """Keep cause and traceback in the run's row; the console has them in any case."""
    text = "".join(traceback.format_exception(error))
    print(text, file=sys.stderr, flush=True)
    try:
        with session_scope(engine) as session:
            queue.report_error(session, queue.Claim(run_id, attempt), cause_of(error), text)
    except Unavailable as away:
        print(away, file=sys.stderr)


def cause_of(error: Exception) -> str:
    """What to show beside the status: what happened, and what to do where that is known."""
    if isinstance(error, EtrmError):
        return " ".join(line.strip() for line in str(error).splitlines())
    cause = f"{type(error).__name__}: {error}".splitlines()[0]
    if _is_out_of_memory(error):
        return f"Out of memory: {cause} Lower training.batch_size or data.canvas_sizes."
    return cause


def _is_out_of_memory(error: Exception) -> bool:
    """Of Python, of a GPU, or of the processor: there torch has no class of its own for it."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and TORCH_WITHOUT_MEMORY in str(error))


def _level(recorder: DbRecorder, level: str) -> Callable[[str], None]:
    return lambda text: recorder.log(text, level)


if __name__ == "__main__":
    parallel.leave(main(sys.argv[1], int(sys.argv[2])))
