"""The thread that sends a run's journal about once a second, and says that the script is alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from etrm_lab.journal import Journal
from etrm_lab.output import tell, tell_once

INTERVAL = 1.0  # seconds between two looks at the journal
BEAT_SECONDS = 15.0  # of silence before a heartbeat
PROMISE_SECONDS = 60.0  # the lab is told to expect a sign of life at least so often
MAX_PAUSE = 30.0  # seconds between two tries while the lab is away
PATIENCE_AT_END = 5.0  # seconds that the end of a script waits for a lab that cannot be reached
SILENCE_AT_END = 20.0  # and for the answer of one that can


class Sender:
    """Sends what a journal holds until it is closed. `on_over` is called when the run takes no more."""

    def __init__(self, journal: Journal, url: str, token: str, on_over: Callable[[str], None]) -> None:
        self._journal, self._url, self._token, self._on_over = journal, url, token, on_over
        self._wake = threading.Event()
        self._closing_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="etrm_lab", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what is left, as long as the lab takes some of it now and then."""
        self._closing_at = time.monotonic()
        self._wake.set()
        while self._thread.is_alive():
            before = self._journal.acknowledged
            self._thread.join(SILENCE_AT_END)
            if self._journal.acknowledged == before:
                return

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:  # noqa: BLE001 — a training must not end for what is wrong here
            tell(f"sending stopped: {error!r}. All is in {self._journal.path}; etrm-lab sync sends it.")

    def _loop(self) -> None:
        from etrm_lab.connection import Away, Lab
        from etrm_lab.delivery import CHUNK, Delivery, Over

        delivery = Delivery(self._journal, Lab(self._url, self._token))
        pause, heard = INTERVAL, 0.0
        while True:
            try:
                while delivery.send_some():
                    heard = time.monotonic()
                    if self._closing_at is None and delivery.pending < CHUNK:
                        break  # what comes now goes with the next batch
                if self._closing_at is not None and not delivery.pending:
                    return
                if time.monotonic() - heard > BEAT_SECONDS:
                    delivery.beat()
                    heard = time.monotonic()
                pause = INTERVAL
            except Away as away:
                about = f"away {away.exit_code}"  # a token that expires is told after an outage, too
                tell_once(f"{away} The script continues; all is kept in {self._journal.path}.", about)
                if self._closing_at is not None and time.monotonic() - self._closing_at > PATIENCE_AT_END:
                    return
                pause = INTERVAL if self._closing_at is not None else min(2 * pause, MAX_PAUSE)
            except Over as over:
                self._on_over(str(over))
                return
            if self._closing_at is None:
                self._wake.wait(pause)
            else:
                time.sleep(min(pause, 0.5))
