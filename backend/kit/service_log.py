"""The log of a service: text in the program's own form, or one JSON object per line.

What the lines of a piece of work are about (its request, run, worker) is bound once where the work begins, so
that what is logged deep below need not know it. A single line adds more with `extra={"run_id": …}`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

LogFormat = Literal["text", "json"]
FIELDS = (
    "trace_id",
    "run_id",
    "attempt",
    "evaluation_id",
    "worker_id",
    "method",
    "path",
    "status",
    "seconds",
)
CHATTY = ("backend", "worker", "uvicorn", "celery")  # loggers whose INFO is wanted; of others the warnings

log = logging.getLogger(__name__)
_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))


def set_up(format: LogFormat, **of_process: object) -> None:
    """Write what this process logs to standard error as JSON, `of_process` in every line.

    `text` changes nothing: uvicorn and Celery bring their own set-up.
    """
    if format == "text":
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(of_process))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)


def say(text: str, format: LogFormat) -> None:
    """A remark of a service for whoever starts it: a line on standard output, or one of the JSON log."""
    if format == "json":
        log.info(text)
    else:
        print(text, flush=True)


def bind(**facts: object) -> None:
    """Add `facts` to the lines of this context, a request's task, until it ends."""
    _bound.set({**_bound.get(), **facts})


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Add `facts` to the lines logged in the block; an empty one is left out."""
    before = _bound.set({**_bound.get(), **{name: fact for name, fact in facts.items() if fact}})
    try:
        yield
    finally:
        _bound.reset(before)


def trace_id() -> str:
    """The trace id of the request or job at hand; empty where there is none."""
    return str(_bound.get().get("trace_id", ""))


class JsonLines(logging.Formatter):
    """A record as one line of ASCII: no text in it can break the line or steer a terminal."""

    def __init__(self, of_process: Mapping[str, object]) -> None:
        super().__init__()
        self._of_process = of_process

    def format(self, record: logging.LogRecord) -> str:
        given = {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        line = {
            "time": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._of_process,
            **_bound.get(),
            **given,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
