"""Task files of an import, one after the other: as they are, out of a zip or tar archive, or of a folder.

Nothing is written to disk, so no name in an archive leads anywhere; what one declares and what comes out of
it is bounded, and links and encrypted members are refused.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from backend.domain.arc.files import MAX_FILE_BYTES
from backend.kit.errors import InvalidInput, InvalidTaskFile, TooLarge

File = tuple[bytes, str]  # content, name
Source = tuple[bytes | Path, str]  # the same, or where it lies: a file, an archive, a folder

MAX_MEMBERS = 5_000  # JSON files; RE-ARC has 401
MAX_ENTRIES = 20_000  # of any kind
MAX_UNPACKED_BYTES = 2 * 2**30  # RE-ARC's tasks are some 600 MB
METADATA = "metadata.json"  # beside RE-ARC's tasks; nothing in it is a task
_ZIP, _GZIP, _TAR = b"PK", b"\x1f\x8b", b"ustar"
_TAR_AT = 257
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that Python does not know
    ValueError,
    RuntimeError,
)


def unpacked(sources: Iterable[Source]) -> Iterator[File]:
    """Every task file in the sources, in order. InvalidTaskFile, TooLarge or InvalidInput name the file."""
    for content, name in sources:
        if isinstance(content, bytes):
            yield from _of_stream(BytesIO(content), name)
        elif content.is_dir():
            yield from _of_folder(content)
        else:
            with _opened(content) as stream:
                yield from _of_stream(stream, name)


def opened(sources: Iterable[Source]) -> Iterator[tuple[bytes | IO[bytes], str]]:
    """The sources as they are to be sent elsewhere: archives as they are, folders as their task files."""
    for content, name in sources:
        if isinstance(content, bytes):
            yield content, name
        elif content.is_dir():
            yield from _of_folder(content)
        else:
            yield _opened(content), name


def _of_stream(stream: IO[bytes], name: str) -> Iterator[File]:
    start = stream.read(_TAR_AT + len(_TAR))
    stream.seek(0)
    if start.startswith(_ZIP):
        yield from _checked(_of_zip(stream, name), name)
    elif start.startswith(_GZIP) or start[_TAR_AT:] == _TAR:
        yield from _checked(_of_tar(stream, name), name)
    elif packed := next((said for magic, said in _OTHERS.items() if start.startswith(magic)), ""):
        raise InvalidTaskFile(f"{name}: is a {packed} archive.", "Pack the files as .zip, .tar or .tar.gz.")
    else:  # one byte more than allowed is enough to be refused
        yield stream.read(MAX_FILE_BYTES + 1), name


def _of_folder(folder: Path) -> Iterator[File]:
    found = sorted(path for path in folder.rglob("*.json") if _is_wanted(path.relative_to(folder).as_posix()))
    if not found:
        raise _holds_none(str(folder))
    for number, path in enumerate(found, 1):
        _check_number(number, str(folder))
        with _opened(path) as stream:
            yield stream.read(MAX_FILE_BYTES + 1), str(path.relative_to(folder))


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error


def _checked(members: Iterator[File], archive: str) -> Iterator[File]:
    """The members of an archive, counted; in words where it is damaged."""
    number = total = 0
    while True:
        try:
            member = next(members, None)
        except _DAMAGED as error:
            raise InvalidTaskFile(
                f"{archive}: is a damaged archive ({error or type(error).__name__}).",
                "Pack or fetch it again.",
            ) from error
        if member is None:
            break
        number, total = number + 1, total + len(member[0])
        _check_number(number, archive)
        _check_size(total, archive)
        yield member
    if not number:
        raise _holds_none(archive)


def _of_zip(stream: IO[bytes], name: str) -> Iterator[File]:
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        _check_entries(len(members), name)
        for member in members:
            if member.is_dir() or not _is_wanted(member.filename):
                continue
            if member.flag_bits & 1:
                raise InvalidTaskFile(
                    f"{name}: {member.filename} is encrypted.", "Pack it without a password."
                )
            with archive.open(member) as opened:
                yield opened.read(MAX_FILE_BYTES + 1), member.filename


def _of_tar(stream: IO[bytes], name: str) -> Iterator[File]:
    is_packed = stream.read(len(_GZIP)) == _GZIP
    stream.seek(0)
    content = _Bounded(gzip.GzipFile(fileobj=stream) if is_packed else stream, name)
    with tarfile.open(fileobj=content, mode="r:") as archive:  # type: ignore[call-overload]
        declared = 0
        for number, member in enumerate(archive, 1):
            archive.members = []  # its list of all members grows otherwise
            declared += member.size
            _check_entries(number, name)
            _check_size(declared, name)
            if member.isdir() or not _is_wanted(member.name):
                continue
            if not member.isreg():
                raise InvalidTaskFile(f"{name}: {member.name} is a link.", "Pack the file itself.")
            opened = archive.extractfile(member)
            assert opened is not None
            yield opened.read(MAX_FILE_BYTES + 1), member.name


class _Stream(Protocol):
    """What reading an archive needs of a file."""

    def read(self, size: int = ..., /) -> bytes: ...
    def seek(self, offset: int, whence: int = ..., /) -> int: ...
    def tell(self) -> int: ...


class _Bounded:
    """What tarfile reads from. It takes the length of a header from the header: a false one must not fill
    the memory."""

    def __init__(self, stream: _Stream, name: str) -> None:
        self._stream, self._name = stream, name
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_FILE_BYTES + 1:
            raise TooLarge(f"{self._name}: holds a header of {size:,} bytes.", "Pack it again.")
        return self._stream.read(size)


def _is_wanted(name: str) -> bool:
    """Whether a member is a task file: no metadata, nothing hidden, nothing that macOS adds."""
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in path.parts)
    return path.suffix.lower() == ".json" and path.name != METADATA and not hidden


def _check_number(number: int, name: str) -> None:
    if number > MAX_MEMBERS:
        raise TooLarge(f"{name}: holds more than {MAX_MEMBERS:,} task files.", "Make several sets of it.")


def _check_entries(number: int, name: str) -> None:
    if number > MAX_ENTRIES:
        raise TooLarge(f"{name}: holds more than {MAX_ENTRIES:,} files.", "Pack the task files alone.")


def _check_size(total: int, name: str) -> None:
    if total > MAX_UNPACKED_BYTES:
        raise TooLarge(
            f"{name}: is larger than the {MAX_UNPACKED_BYTES // 2**30} GB an archive may have unpacked.",
            "Make several sets of it.",
        )


def _holds_none(name: str) -> InvalidTaskFile:
    return InvalidTaskFile(
        f"{name}: contains no task file.", "Put a JSON file for each task into it: tasks/<task id>.json."
    )
