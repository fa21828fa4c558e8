"""The one file of a backup: a ZIP whose last member is a manifest with the size and SHA-256 of each part."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import Field, ValidationError

from backend.kit.errors import Conflict, EtrmError, InvalidInput, StorageFull, Unavailable
from backend.kit.model import Model

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.sqlite3"
ARTIFACTS = "artifacts/"  # prefix of the files of checkpoints
CHUNK = 2**20  # bytes
MAX_MANIFEST = 2**28  # bytes: a line for each file of each checkpoint
QUICKLY = 1  # zlib's level: a database shrinks well even so, weights hardly at all and are stored
UNREADABLE = (KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


class Part(Model):
    """One member of the archive."""

    name: str
    size: int  # bytes, as they were read
    sha256: str


class Manifest(Model):
    """What a backup says of itself."""

    format: int
    program: str  # version of ETRM Lab that wrote it
    schema_revision: str  # of its database
    engine: str  # sqlite or postgresql: where its database came from
    created_at: float  # when its snapshot was taken; seconds since the epoch
    checkpoints: int
    left_out: list[str] = Field([])  # checkpoints without their files, in words
    run: str = ""  # id of the run of which this is all; empty: a whole lab
    parts: list[Part]

    def size_of(self, prefix: str) -> int:
        """Bytes of all parts whose name begins with `prefix`."""
        return sum(part.size for part in self.parts if part.name.startswith(prefix))


class Writer:
    """Adds parts to an archive that is being written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.parts: list[Part] = []

    def add(self, name: str, source: Path) -> Part:
        """Copy a file into the archive, and note its sum on the way."""
        self._archive.compression = zipfile.ZIP_DEFLATED if name == DATABASE else zipfile.ZIP_STORED
        with source.open("rb") as reading, self._archive.open(name, "w", force_zip64=True) as writing:
            size, sha256 = _copied(reading, writing)
        part = Part(name=name, size=size, sha256=sha256)
        self.parts.append(part)
        return part

    def close(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the archive whole."""
        self._archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))


@contextmanager
def writing(path: Path, overwrite: bool) -> Iterator[Writer]:
    """Write an archive under another name beside `path` and move it there at the end, complete and synced.

    Conflict if `path` exists and is not to be overwritten; a file of an earlier backup stays as it is until
    the new one is complete.
    """
    if path.exists() and not overwrite:
        raise Conflict(f"{path} exists.", "Choose another name, or add --overwrite.")
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with open(partial, "wb", opener=_for_owner_alone) as file:
            with zipfile.ZipFile(file, "w", compresslevel=QUICKLY) as archive:
                yield Writer(archive)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(error, path.parent) from error
    finally:
        partial.unlink(missing_ok=True)


class Reader:
    """A backup that is being read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self.manifest = self._read_manifest()

    def extract(self, part: Part, target: Path) -> None:
        """Write a part to `target` and verify it; InvalidInput if it is not what was backed up."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._verified(part) as reading, open(target, "xb", opener=_for_owner_alone) as file:
            copied = _copied(reading, file)
            file.flush()
            os.fsync(file.fileno())
        self._compare(part, copied)

    def verify(self) -> None:
        """Read every part and compare its sum; InvalidInput names the first that differs."""
        for part in self.manifest.parts:
            with self._verified(part) as reading:
                self._compare(part, _copied(reading, None))

    @contextmanager
    def _verified(self, part: Part) -> Iterator[IO[bytes]]:
        try:
            # Before anything is written: what comes out of an archive may be larger than any disk.
            if self._archive.getinfo(part.name).file_size != part.size:
                raise self.damaged(f"the size of {part.name} differs")
            with self._archive.open(part.name) as reading:
                yield reading
        except UNREADABLE as error:
            raise self.damaged(f"its part {part.name} is missing or cannot be read") from error

    def _compare(self, part: Part, copied: tuple[int, str]) -> None:
        if copied != (part.size, part.sha256):
            raise self.damaged(f"the checksum of {part.name} differs")

    def _read_manifest(self) -> Manifest:
        try:
            if self._archive.getinfo(MANIFEST).file_size > MAX_MANIFEST:
                raise self.damaged("its manifest is too large")
            read = json.loads(self._archive.read(MANIFEST))
        except KeyError as error:
            raise _not_a_backup(self.path) from error
        except (ValueError, *UNREADABLE) as error:
            raise self.damaged("its manifest cannot be read") from error
        if isinstance(read, dict) and isinstance(read.get("format"), int) and read["format"] > FORMAT:
            raise Conflict(
                f"{self.path} was written by a newer version of this program (format {read['format']}).",
                "Update the program, then restore.",
            )
        try:
            manifest = Manifest.model_validate(read)
        except ValidationError as error:
            raise self.damaged("its manifest is not one of a backup") from error
        if manifest.run and not manifest.run.isalnum():  # it names a folder
            raise self.damaged("its manifest names no run")
        if not all(_is_ours(part.name, manifest.run) for part in manifest.parts):
            raise self.damaged(f"its manifest names files outside the {'run' if manifest.run else 'lab'}")
        return manifest

    def damaged(self, what: str) -> EtrmError:
        """The refusal of this file."""
        return InvalidInput(f"{self.path} is damaged: {what}.", "Nothing was changed. Use another backup.")


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a backup; InvalidInput if it is none or damaged, Conflict if it is of a newer version."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
    except zipfile.BadZipFile as error:
        raise _not_a_backup(path) from error
    with archive:
        yield Reader(path, archive)


def cannot_write(error: OSError, folder: Path) -> EtrmError:
    """A failed write below `folder`, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(f"Not enough disk space in {folder}.", "Free some space, or use another disk.")
    what = f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return Unavailable(
        f"Cannot read or write below {folder}: {what}.", "Check the folder and its permissions."
    )


def _not_a_backup(path: Path) -> InvalidInput:
    """The refusal of another file."""
    return InvalidInput(f"{path} is not a complete backup.", "Name a file that etrm backup wrote.")


def _copied(reading: IO[bytes], writing: IO[bytes] | None) -> tuple[int, str]:
    """Copy everything, or only read it; size and SHA-256 of what was read."""
    digest, size = hashlib.sha256(), 0
    while chunk := reading.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        if writing is not None:
            writing.write(chunk)
    return size, digest.hexdigest()


def _is_ours(name: str, run_id: str) -> bool:
    """Whether a part is the database, or a file below the artifacts folder: that of the run, if it is one."""
    path = PurePosixPath(name)
    inside = name.startswith(f"{ARTIFACTS}{run_id and f'{run_id}/'}")
    return name == DATABASE or (
        inside and ".." not in path.parts and "\\" not in name and len(path.parts) > 2
    )


def _for_owner_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
