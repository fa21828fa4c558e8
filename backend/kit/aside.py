"""Work that may hang, in a thread that holds up neither its caller nor the end of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def aside(work: Callable[[], Result], name: str) -> Future[Result]:
    """What `work` will return or raise, done in a thread called `name`.

    The threads of a ThreadPoolExecutor are waited for when the process ends, and one that waits for a network
    folder would keep it from ending.
    """
    answer: Future[Result] = Future()

    def attempt() -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 — raised to whoever asks
            answer.set_exception(error)
        else:
            answer.set_result(found)

    threading.Thread(target=attempt, name=name, daemon=True).start()
    return answer
