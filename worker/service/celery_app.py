"""The Celery worker: takes run ids from the broker, one at a time (docs/decisions/queue.md).

The task runs in a thread that watches a child process; the main loop beside it stays responsive to signals.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from contextlib import suppress
from typing import Any, NoReturn

from celery import Celery, signals
from celery.platforms import SecurityWarning

from backend.db.session import make_engine
from backend.kit import memory, output, service_log
from backend.kit.errors import Unavailable
from backend.queue import dispatch
from backend.settings import Settings
from backend.terminal.private import close_to_others
from worker.service import machine
from worker.service.heartbeat import Heartbeat
from worker.service.node import Node
from worker.service.plays import Player
from worker.service.spot import SpotNotice
from worker.service.tasks import Executor


def make_app(broker_url: str) -> Celery:
    """A Celery app that consumes ids of work: JSON only, nothing fetched ahead, acknowledged on arrival."""
    app = Celery("etrm", broker=dispatch.celery_url(broker_url))
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue=dispatch.QUEUE,
        worker_pool="threads",
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # what waits stays in the broker, for whichever worker is free first
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
    )
    return app


def main() -> NoReturn:
    """Work until SIGTERM or Ctrl-C; a second Ctrl-C does not wait for the checkpoint."""
    memory.share()
    settings = Settings.load()
    _set_up_log(settings.log_format)
    close_to_others(settings)
    if settings.broker_url is None:
        raise Unavailable(
            "No broker to take runs from.",
            "Set ETRM_BROKER_URL to redis://HOST:PORT/0, or run etrm up, which starts one.",
        )
    app = make_app(settings.broker_url)
    engine = make_engine(settings.database_url)
    with suppress(OSError):  # the first check of the machine says what is wrong with it
        settings.artifacts.mkdir(parents=True, exist_ok=True)
    node = Node(engine, settings)
    executor = Executor(engine, settings, machine.worker_id(), node)
    heartbeat = Heartbeat(engine, node)
    _connect(app, executor, heartbeat, Player(engine, settings, node, lambda: heartbeat.is_busy))
    if settings.spot_cloud:
        SpotNotice(settings.spot_cloud, lambda: _drain(executor)).start()
    warnings.simplefilter("ignore", SecurityWarning)  # about root and pickle: only JSON is accepted here
    app.worker_main(
        ["-q", "worker", "--loglevel=INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )
    sys.exit(0)


def _drain(executor: Executor) -> None:
    """Leave as at SIGTERM, which Celery's own handler hears."""
    executor.why_leaving = "the cloud takes the machine back"
    os.kill(os.getpid(), signal.SIGTERM)


def _set_up_log(format: service_log.LogFormat) -> None:
    """As JSON it is ours alone: Celery sets up no log, and its remarks past every log are dropped."""
    if format == "json":
        service_log.set_up(format, worker_id=machine.worker_id())
        signals.setup_logging.connect(lambda **_event: None, weak=False)
    if format == "json" or output.is_json():
        vars(sys)["__stdout__"] = None  # "worker: Warm shutdown", from the handlers of signals


def _connect(app: Celery, executor: Executor, heartbeat: Heartbeat, player: Player) -> None:
    """Tie the task and the worker's life to Celery's events."""

    def execute_run(run_id: str) -> None:
        executor.execute(run_id, heartbeat)

    def execute_evaluation(evaluation_id: int) -> None:
        executor.execute_evaluation(evaluation_id, heartbeat)

    def ready(**_event: Any) -> None:
        heartbeat.start()
        player.start()
        output.announced({"worker_id": machine.worker_id(), "pid": os.getpid()})

    def leaving(how: str, **_event: Any) -> None:
        executor.leaving.set()
        player.leave()
        if how == "Cold":  # the second Ctrl-C
            executor.hurry.set()

    def left(**_event: Any) -> None:
        player.stop()
        heartbeat.stop()

    app.task(execute_run, name=dispatch.TASK)
    app.task(execute_evaluation, name=dispatch.EVALUATION_TASK)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(leaving, weak=False)
    signals.worker_shutdown.connect(left, weak=False)
