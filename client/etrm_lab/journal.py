"""The journal of a run: one append-only file of JSON lines, written before anything is sent.

Beside `ID.jsonl` lie `ID.sent`, how many of its bytes which lab has acknowledged, and `ID.lock`, which is
locked while a process logs or sends it.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from etrm_lab.output import tell, tell_once

Record = dict[str, Any]
SUFFIX = ".jsonl"
RETRY_SECONDS = 1.0  # between two tries to write what a full disk did not take
DIGITS = 20  # of the acknowledged bytes in `.sent`: of fixed length, so that a write replaces it whole
MAX_ADDRESS = 4096  # bytes of the lab's address, which follows them

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Busy(Exception):
    """Another process logs or sends this run."""


class Journal:
    """A run's journal, open for appending. Raises Busy, and OSError where its folder cannot be written."""

    def __init__(self, folder: Path, run_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{run_id}{SUFFIX}"
        self._lock_file = os.open(folder / f"{run_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(self._lock_file)
        except OSError as error:
            os.close(self._lock_file)
            raise Busy(f"Run {run_id} is being logged by another process.") from error
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._sent = os.open(folder / f"{run_id}.sent", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.RLock()  # a signal's handler may log while the same thread does
        self._unwritten: list[bytes] = []  # what a full disk did not take
        self._retry_at = 0.0
        self._is_ended = False
        self.size = os.fstat(self._file).st_size
        if self._noted() > self.size:  # a power cut took its end, or it is another file: what comes is new
            self.acknowledged = 0
        if self.size and os.pread(self._file, 1, self.size - 1) != b"\n":
            self._write(b"\n")  # the line before was cut off: it is no record

    def append(self, record: Record) -> None:
        """Write a record. On a full disk it waits in memory for a later one."""
        line = encode(record).encode("utf-8", "replace") + b"\n"
        with self._lock:
            if not self._is_ended:
                self._write(line)

    def end(self, record: Record) -> None:
        """Write the last record: what another thread is about to append comes too late and is dropped."""
        with self._lock:
            self._retry_at = 0.0
            self.append(record)
            self._is_ended = True
            if lost := sum(map(len, self._unwritten)):
                tell(f"{lost:,} bytes are lost: {self.path} could not be written.")

    def _write(self, line: bytes) -> None:
        data = line
        if self._unwritten:
            self._unwritten.append(line)
            if time.monotonic() < self._retry_at:  # all of it with every call would hold up the script
                return
            data = b"".join(self._unwritten)
        try:
            written = os.write(self._file, data)
        except OSError as error:
            written = 0
            tell_once(f"{self.path} cannot be written: {error.strerror}. It is tried again.", "disk")
        self._unwritten = [data[written:]] if written < len(data) else []
        if self._unwritten:
            self._retry_at = time.monotonic() + RETRY_SECONDS
        self.size += written

    @property
    def acknowledged(self) -> int:
        """How many bytes the lab has acknowledged."""
        return min(self._noted(), self.size)

    @acknowledged.setter
    def acknowledged(self, size: int) -> None:
        with suppress(OSError):  # then it is sent again, which is safe
            os.pwrite(self._sent, f"{size:0{DIGITS}}".encode(), 0)

    def send_to(self, url: str) -> None:
        """Which lab acknowledges from now on: what another one has, this one gets as well."""
        address = url.encode(errors="replace")[:MAX_ADDRESS]
        before = os.pread(self._sent, MAX_ADDRESS, DIGITS)
        if before == address:
            return
        if before:
            self.acknowledged = 0
        with suppress(OSError):
            os.pwrite(self._sent, address, DIGITS)
            os.ftruncate(self._sent, DIGITS + len(address))

    def _noted(self) -> int:
        with suppress(ValueError):
            return int(os.pread(self._sent, DIGITS, 0))
        return 0

    def read(self, start: int, most: int) -> list[tuple[Record, int]]:
        """(record, where it ends) of the whole lines from `start` on, about `most` bytes; at least one."""
        data = os.pread(self._file, most, start)
        while data and b"\n" not in data and start + len(data) < self.size:
            data += os.pread(self._file, most, start + len(data))
        found, end = [], start
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            end += len(line)
            record = _record(line)
            found.append((record or {}, end))
        return found

    def records(self) -> Iterator[tuple[Record, int]]:
        """All records, with where each ends."""
        at = 0
        while chunk := self.read(at, 1 << 20):
            yield from chunk
            at = chunk[-1][1]

    def close(self) -> None:
        """Let another process log the run."""
        for descriptor in (self._file, self._sent, self._lock_file):
            with suppress(OSError):
                os.close(descriptor)


def journals(folder: Path) -> list[Path]:
    """The journals in a folder, oldest first; one that is named itself is the only one."""
    if folder.suffix == SUFFIX and folder.is_file():
        return [folder]
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)


def first_record(path: Path) -> Record:
    """The record that a journal begins with; empty where it cannot be read."""
    try:
        with path.open("rb") as opened:
            return _record(opened.readline()) or {}
    except OSError:
        return {}


def _record(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:  # cut off when the machine stopped
        return None
    return record if isinstance(record, dict) else None


def _lock(descriptor: int) -> None:
    """Lock for this process alone, children that it forks not included; OSError where another one has it.
    A file system without locks, such as Lustre as it is often mounted, keeps no script from logging."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise
        tell_once(f"files cannot be locked here ({error.strerror}): let no two processes log one run.")
