"""A file of what the database has not acknowledged yet: it survives the process that writes it.

One line is one numbered batch; a line that a kill tore off does not count. The numbers grow from attempt to
attempt, and the transaction that stores a batch also stores its number in the run's row: whoever replays a
journal knows which batches are in the database already. What is acknowledged is removed.

The file is flushed to the system, not to the disk: it survives a kill of every process, not a power cut.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from worker.recording.entries import Entry, decode, encode

FOLDER = "journal"  # in the run's folder
MAX_BYTES = 1 << 30
ATTEMPT_BITS = 32  # of a number, the lower of which count an attempt's batches

log = logging.getLogger(__name__)


class Journal:
    """The journal of one attempt. Two threads use it: one keeps batches, one has them stored.

    It always holds the oldest batches that are not stored: where one cannot be kept, because the disk or the
    journal is full, none is until all before it are stored. They wait in memory meanwhile, as the log says.
    """

    def __init__(self, run_folder: Path, attempt: int, most: int = MAX_BYTES) -> None:
        self._path = path_of(run_folder, attempt)
        self._most = most
        self._last = self._stored = attempt << ATTEMPT_BITS
        self._bytes = 0
        self._keeps = True
        self._closed = False
        self._lock = threading.Lock()

    def keep(self, entries: Sequence[Entry]) -> int:
        """Append a batch; its number, whether there was room for it or not."""
        with self._lock:
            self._last += 1
            if self._keeps and not self._closed:
                try:
                    self._append(self._last, entries)
                except (OSError, ValueError, TypeError) as error:
                    self._keeps = False
                    self._cut()
                    log.warning(
                        "No journal until the database has stored everything (%s): what it does not take "
                        "is in memory only and would be lost with this process.",
                        error,
                    )
            return self._last

    def stored(self, number: int) -> None:
        """The batches up to this one are in the database."""
        with self._lock:
            self._stored = number
            if number == self._last:
                self._bytes = 0
                self._keeps = self._cut()

    def close(self) -> None:
        """Write no more; a journal without a batch that waits is removed."""
        with self._lock:
            self._closed = True
            if self._stored == self._last:
                self._path.unlink(missing_ok=True)
                with suppress(OSError):  # another attempt's is there
                    self._path.parent.rmdir()

    def _append(self, number: int, entries: Sequence[Entry]) -> None:
        parts = encode(entries)
        if not parts:
            return
        line = json.dumps([number, parts], separators=(",", ":")).encode() + b"\n"
        if self._bytes + len(line) > self._most:
            raise OSError(f"it would be longer than {self._most} bytes")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            if file.write(line) != len(line):
                raise OSError("the disk is full")
        self._bytes += len(line)

    def _cut(self) -> bool:
        """Remove what is torn or stored, behind what waits; whether it worked."""
        try:
            os.truncate(self._path, self._bytes)
        except FileNotFoundError:
            return True
        except OSError as error:
            log.warning("The journal cannot be cut: %s", error)
            return False
        return True


def path_of(run_folder: Path, attempt: int) -> Path:
    """The journal of an attempt."""
    return run_folder / FOLDER / f"attempt-{attempt:06d}.jsonl"


def left_by(run_folder: Path, up_to: int) -> list[tuple[int, Path]]:
    """(attempt, journal) of attempts up to this one, oldest first."""
    found = [
        (int(path.stem.removeprefix("attempt-")), path) for path in (run_folder / FOLDER).glob("*.jsonl")
    ]
    return sorted(each for each in found if each[0] <= up_to)


def batches(path: Path) -> Iterator[tuple[int, list[Entry]]]:
    """(number, entries) of a journal up to its end, or to the line that a kill tore.

    ValueError, KeyError or TypeError for a whole line that this version did not write.
    """
    with path.open("rb") as lines:
        for line in lines:
            try:
                batch = json.loads(line)
            except ValueError:
                return
            number, parts = batch
            yield number, list(decode(parts))
