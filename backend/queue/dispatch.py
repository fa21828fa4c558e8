"""Send ids of runs and evaluations to the workers. Their rows are committed before: none is lost while the
broker is away."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from backend.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

TASK = "worker.service.tasks.execute_run"
EVALUATION_TASK = "worker.service.tasks.execute_evaluation"
QUEUE = "etrm"
PLAY_QUEUE = "etrm-play"  # of its own: a play does not wait behind a training
PLAY = "play"
PATIENCE = 1.0  # seconds to wait for the broker, for connecting and for its answer

_FIELD = {TASK: "run_id", EVALUATION_TASK: "evaluation_id", PLAY: "play_id"}
log = logging.getLogger(__name__)


def send(run_id: str) -> bool:
    """Hint to the workers that this run is queued.

    False if the broker did not take it: the run stays queued and the sweep sends it again.
    """
    return _send(TASK, run_id)


def send_evaluation(evaluation_id: int, workers: int = 1) -> bool:
    """Hint to `workers` workers that this evaluation has work; False as for `send`."""
    return all(_send(EVALUATION_TASK, evaluation_id) for _ in range(workers))


def send_play(play_id: str) -> bool:
    """Hint to a worker that this play waits; False as for `send`: a worker finds it within seconds."""
    return _send(PLAY, play_id, PLAY_QUEUE)


def _send(task: str, job_id: str | int, queue: str = QUEUE) -> bool:
    url = Settings.load().broker_url
    if url is None:
        return False
    from kombu.exceptions import KombuError

    try:
        producer(url).send_task(task, args=[job_id], queue=queue, retry=False, ignore_result=True)
    except (KombuError, OSError) as error:
        log.warning("The broker did not take %s (%s); it stays queued and is sent again.", job_id, error)
        return False
    log.info("Sent to the workers: %s", job_id, extra={_FIELD[task]: job_id})
    return True


def send_all(run_ids: Iterable[str]) -> None:
    """`send` each in order, up to the first that the broker does not take: the sweep sends the rest."""
    for run_id in run_ids:
        if not send(run_id):
            return


@lru_cache(maxsize=4)
def producer(broker_url: str) -> Celery:
    """A Celery app that only sends, and gives up soon. Celery is loaded here: reading needs none of it."""
    from celery import Celery

    app = Celery("etrm", broker=celery_url(broker_url), set_as_current=False)
    app.conf.update(
        task_serializer="json",
        task_ignore_result=True,
        broker_connection_timeout=PATIENCE,
        broker_transport_options={
            "socket_connect_timeout": PATIENCE,
            "socket_timeout": PATIENCE,
            "retry_on_timeout": False,
        },
    )
    return app


def celery_url(broker_url: str) -> str:
    """The broker's address in Celery's words: it has a scheme of its own for sockets."""
    return broker_url.replace("unix://", "redis+socket://", 1)
