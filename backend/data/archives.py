"""Task files of an import, one after the other: as they are, out of a zip or tar archive, or of a folder.

Nothing is written to disk, so no name in an archive leads anywhere; what one declares and what comes out of
it is bounded. Links, encrypted members, archives in archives and paths out of the archive are passed over,
and the reader is told of each.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from backend.domain.arc.files import MAX_FILE_BYTES
from backend.kit.errors import InvalidInput, InvalidTaskFile, TooLarge

File = tuple[bytes, str]  # content, name
Source = tuple[bytes | Path, str]  # the same, or where it lies: a file, an archive, a folder
Skipped = list[str]  # what was passed over, in words

MAX_MEMBERS = 5_000  # JSON files; RE-ARC has 401
MAX_ENTRIES = 20_000  # of any kind
MAX_UNPACKED_BYTES = 2 * 2**30  # RE-ARC's tasks are some 600 MB
METADATA = "metadata.json"  # beside RE-ARC's tasks; nothing in it is a task
PACKED = (".zip", ".tar", ".tgz", ".gz")
_IN_UTF8 = 0x800  # flag of a member of a zip archive: its name is UTF-8
_MODE = 16  # bits that a zip archive has below the mode of a member
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


def unpacked(sources: Iterable[Source], skipped: Skipped) -> Iterator[File]:
    """Every task file in the sources, in order; what is passed over is added to `skipped`.

    InvalidTaskFile, TooLarge or InvalidInput name the file.
    """
    for content, name in sources:
        if isinstance(content, bytes):
            yield from _of_stream(BytesIO(content), readable(name), skipped)
        elif content.is_dir():
            yield from _of_folder(content, skipped)
        else:
            with _opened(content) as stream:
                yield from _of_stream(stream, readable(name), skipped)


def opened(sources: Iterable[Source]) -> Iterator[tuple[bytes | IO[bytes], str]]:
    """The sources as they are to be sent elsewhere: archives as they are, folders as their task files."""
    for content, name in sources:
        if isinstance(content, bytes):
            yield content, name
        elif content.is_dir():
            yield from _of_folder(content, [])
        else:
            yield _opened(content), name


def readable(name: str) -> str:
    """A file's name for ids, messages and databases: its parts joined by /, letters composed as they are
    typed, and a mark in place of what cannot be printed."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode().replace("\\", "/"))
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _of_stream(stream: IO[bytes], name: str, skipped: Skipped) -> Iterator[File]:
    start = stream.read(_TAR_AT + len(_TAR))
    stream.seek(0)
    if start.startswith(_ZIP):
        yield from _checked(_of_zip(stream, name, skipped), name, skipped)
    elif start.startswith(_GZIP) or start[_TAR_AT:] == _TAR:
        yield from _checked(_of_tar(stream, name, skipped), name, skipped)
    elif packed := next((said for magic, said in _OTHERS.items() if start.startswith(magic)), ""):
        raise InvalidTaskFile(f"{name}: is a {packed} archive.", "Pack the files as .zip, .tar or .tar.gz.")
    else:  # one byte more than allowed is enough to be refused
        yield stream.read(MAX_FILE_BYTES + 1), name


def _of_folder(folder: Path, skipped: Skipped) -> Iterator[File]:
    before, number = len(skipped), 0
    for path in sorted(folder.rglob("*")):
        name = readable(path.relative_to(folder).as_posix())
        if path.is_dir() or not _is_wanted(name, str(folder), skipped):
            continue
        if not path.is_file():
            skipped.append(f"{folder}: {name} is a link to nothing, or no file.")
            continue
        number += 1
        _check_number(number, str(folder))
        with _opened(path) as stream:
            yield stream.read(MAX_FILE_BYTES + 1), name
    if not number:
        raise _holds_none(str(folder), skipped[before:])


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error


def _checked(members: Iterator[File], archive: str, skipped: Skipped) -> Iterator[File]:
    """The members of an archive, counted; in words where it is damaged."""
    before = len(skipped)
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
        raise _holds_none(archive, skipped[before:])


def _of_zip(stream: IO[bytes], archive_name: str, skipped: Skipped) -> Iterator[File]:
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        _check_entries(len(members), archive_name)
        for member in members:
            name = _zip_name(member)
            if member.is_dir() or not _is_wanted(name, archive_name, skipped):
                continue
            if stat.S_ISLNK(member.external_attr >> _MODE):
                skipped.append(_link(archive_name, name))
                continue
            if member.flag_bits & 1:
                skipped.append(f"{archive_name}: {name} is encrypted. Pack it without a password.")
                continue
            with archive.open(member) as opened:
                yield opened.read(MAX_FILE_BYTES + 1), name


def _zip_name(member: zipfile.ZipInfo) -> str:
    """Python takes a name that is not marked as UTF-8 for code page 437; macOS marks none."""
    name = member.filename
    if not member.flag_bits & _IN_UTF8 and not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return readable(name)


def _of_tar(stream: IO[bytes], archive_name: str, skipped: Skipped) -> Iterator[File]:
    is_packed = stream.read(len(_GZIP)) == _GZIP
    stream.seek(0)
    content = _Bounded(gzip.GzipFile(fileobj=stream) if is_packed else stream, archive_name)
    with tarfile.open(fileobj=content, mode="r:") as archive:  # type: ignore[call-overload]
        declared = 0
        for number, member in enumerate(archive, 1):
            archive.members = []  # its list of all members grows otherwise
            declared += member.size
            _check_entries(number, archive_name)
            _check_size(declared, archive_name)
            name = readable(member.name)
            if member.isdir() or not _is_wanted(name, archive_name, skipped):
                continue
            if not member.isreg():
                skipped.append(_link(archive_name, name))
                continue
            opened = archive.extractfile(member)
            assert opened is not None
            yield opened.read(MAX_FILE_BYTES + 1), name


def _link(archive_name: str, name: str) -> str:
    return f"{archive_name}: {name} is a link. Pack the file itself."


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


def _is_wanted(name: str, container: str, skipped: Skipped) -> bool:
    """Whether a member is a task file: no metadata, nothing hidden, nothing that macOS adds."""
    path = PurePosixPath(name)
    if any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in path.parts):
        return False
    if path.suffix.lower() in PACKED:
        skipped.append(f"{container}: {name} is an archive in an archive or folder. Import it by itself.")
        return False
    if path.suffix.lower() != ".json" or path.name == METADATA:
        return False
    if path.is_absolute() or ".." in path.parts:
        skipped.append(f"{container}: the path {name} leads out of the archive. Pack it inside its folder.")
        return False
    return True


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


def _holds_none(name: str, skipped: Skipped) -> InvalidTaskFile:
    if skipped:
        return InvalidTaskFile(skipped[0], "Nothing else in it is a task file." if len(skipped) == 1 else "")
    return InvalidTaskFile(
        f"{name}: contains no task file.", "Put a JSON file for each task into it: tasks/<task id>.json."
    )
