"""The folder that holds all local state (ETRM_HOME): made, checked, and held by one process at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.kit.errors import Conflict, EtrmError, Unavailable

LOCK = "etrm.lock"
MIN_FREE = 200 * 2**20  # bytes; a database, its journal and one checkpoint


@dataclass(frozen=True)
class Holder:
    """Who runs the lab on a folder, and where it answers. `broker_url` holds a password."""

    pid: int
    url: str
    broker_url: str


def prepare(home: Path, least_free: int = MIN_FREE) -> None:
    """Create `home` and see that it can be written to and has room."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".probe-{os.getpid()}"
        probe.write_bytes(b"etrm")
        probe.unlink()
    except OSError as error:
        raise storage_error(error, home) from error
    free = shutil.disk_usage(home).free
    if free < least_free:
        raise Unavailable(
            f"The disk is nearly full: {free / 2**20:.0f} MB free at {home}, "
            f"at least {least_free / 2**20:.0f} MB are needed.",
            "Free some space, or set ETRM_HOME to a folder on another disk.",
        )


def storage_error(error: OSError, place: Path) -> EtrmError:
    """What a failed write means, in words."""
    where = error.filename or place
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            f"The disk is full: nothing more can be written to {where}.",
            "Free some space, or set ETRM_HOME to a folder on another disk.",
        )
    return Unavailable(
        f"The folder {place} cannot be written to: {os.strerror(error.errno or 0)} ({where}).",
        "Grant write permission, or set ETRM_HOME to another folder.",
    )


@contextmanager
def held(home: Path) -> Iterator[Path]:
    """Hold `home` for this process; gives the lock file. Conflict if another process has it.

    The kernel lets go of the lock when the process dies, however it dies.
    """
    path = home / LOCK
    descriptor = _lock(path)
    if descriptor is None:  # perhaps only `holder_of` was looking: look once more
        time.sleep(0.1)
        descriptor = _lock(path)
    if descriptor is None:
        holder = holder_of(home)
        told = f" (process {holder.pid}): {holder.url}" if holder else "."
        raise Conflict(
            f"ETRM Lab is already running on {home}{told}",
            "Stop it with Ctrl-C there, or start a second one with another ETRM_HOME and --port.",
        )
    try:
        yield path
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
        os.close(descriptor)


def announce(lock: Path, holder: Holder) -> None:
    """Write into the held lock where the lab answers, for other commands on the same folder."""
    lock.write_text(json.dumps(asdict(holder)))


def holder_of(home: Path) -> Holder | None:
    """Who holds `home` at the moment; None when nobody does or it has not said yet."""
    path = home / LOCK
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return Holder(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None
    return None  # the lock was free: a leftover of a killed process


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock on `path`, or None if another process has it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, path.parent) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):  # the holder before us may just have removed the file we opened
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                os.ftruncate(descriptor, 0)
                return descriptor
        os.close(descriptor)
