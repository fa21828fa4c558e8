"""What a file is, from its bytes: a file of torch or safetensors is opened, any other is named in words.

Nothing in a file runs, and no file makes the reader allocate more than a small multiple of its size: what a
header or a pickle claims is checked against the bytes that are there before a library sees it.
"""

from __future__ import annotations

import io
import json
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch
from safetensors import safe_open

SAID = "weights"  # metadata of a safetensors file that we exported: ema or raw
MAX_HEADER = 25 * 2**20  # bytes of a safetensors header; a model of 10,000 tensors has 1 MB
MAX_PICKLE = 8 * 2**20  # bytes of the pickle that describes the tensors; 10,000 tensors have 2 MB
MAX_ENTRIES = 100_000  # files in a zip archive
START = 512  # bytes that tell the formats apart

_COPY = "It may be truncated: copy it again."
_ALONE = "Save its state_dict alone, with torch.save or as safetensors."
_DAMAGED = "cannot be read: it is damaged, or not a file that torch saved"
_UNPACK = "Unpack it first."
# First bytes -> what a file is, and what to do.
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the file that it stands for",
        "Run git lfs pull where you cloned it.",
    ),
    (b"\x1f\x8b", "is compressed with gzip", _UNPACK),
    (b"BZh", "is compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "is compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACK),
    (b"Rar!", "is a RAR archive", _UNPACK),
    (b"\x93NUMPY", "is a NumPy array", _ALONE),
    (b"\x89HDF", "is an HDF5 file", "Convert it to safetensors."),
    (b"GGUF", "is a GGUF file of quantised weights", "Take the checkpoint that it was made from."),
    (b"\x7fELF", "is a program", "Name a file of weights."),
    (b"\x89PNG", "is a picture", "Name a file of weights."),
    (b"%PDF", "is a PDF document", "Name a file of weights."),
    (b"SQLite format 3", "is an SQLite database", "Name a file of weights."),
)
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I64": 64, "I32": 32, "I16": 16,
    "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "C64": 64,
}  # fmt: skip
# What a state_dict may be made of besides torch's own types; `bytearray` only asks for memory.
_PLAIN = {
    "collections OrderedDict",
    "collections Counter",
    "_codecs encode",
    *(f"{module} {name}" for module in ("builtins", "__builtin__") for name in ("set", "complex")),
}
# Modules of torch that a saved tensor names; torch itself refuses what in them is none of its own.
_TORCH = frozenset({
    "torch", "torch._utils", "torch._tensor", "torch.storage", "torch.serialization", "torch.nn.parameter",
    "torch.sparse", "torch.cuda", "torch.cuda.sparse",
})  # fmt: skip


class NotWeights(Exception):
    """A file that cannot be taken: `what` it is, to be said after its name, and a `hint`.

    `runs_code`: torch would have to run something in it to read it.
    """

    def __init__(self, what: str, hint: str = "", runs_code: bool = False) -> None:
        super().__init__(what)
        self.what, self.hint, self.runs_code = what, hint, runs_code


def open_weights(path: Path) -> tuple[object, str | None]:
    """What the file holds, and which weights a safetensors file says they are; NotWeights, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(START)
    _recognise(start, size)
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        return _open_safetensors(path, start, size)
    return _open_torch(path, start), None


def _recognise(start: bytes, size: int) -> None:
    """NotWeights for a file that is plainly something else."""
    if not size:
        raise NotWeights("is empty", _COPY)
    for signature, what, hint in _SIGNATURES:
        if start.startswith(signature):
            raise NotWeights(what, hint)
    if start[257:262] == b"ustar":
        raise NotWeights("is a tar archive", _UNPACK)
    if not any(start):
        raise NotWeights("begins with zeros alone", "Its download may not have ended: copy it again.")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")):
        raise NotWeights("is a web page", "Download the file itself, not the page that shows it.")
    if text.startswith((b"{", b"[")) and _is_text(start):
        raise NotWeights("is JSON text", "Name the file of weights, not an index or a message.")
    if _is_text(start):
        raise NotWeights("is a text file", "Name a file of weights.")


def _is_text(start: bytes) -> bool:
    """Whether these are characters alone; a pickle and a safetensors file have other bytes at once."""
    return all((byte >= 32 and byte != 127) or byte in b"\t\n\r\f" for byte in start)


def _open_safetensors(path: Path, start: bytes, size: int) -> tuple[Mapping[str, Any], str | None]:
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{":
        raise NotWeights("is not safetensors: it has no header", "Name it by what it is, or copy it again.")
    if length > size - 8:
        raise NotWeights(f"ends within its header: {size} bytes of {length + 8} and more", _COPY)
    if length > MAX_HEADER:
        raise NotWeights(f"has a header of {length} bytes, at most {MAX_HEADER} are read", _ALONE)
    with path.open("rb") as file:
        file.seek(8)
        _check_header(file.read(length), size - 8 - length)
    try:
        with safe_open(path, "pt") as opened:
            said = (opened.metadata() or {}).get(SAID)
        return safetensors.torch.load_file(path), said if said in ("ema", "raw") else None
    except Exception as error:  # another library's words are not for our users
        raise NotWeights("has a safetensors header that is wrong", _COPY) from error


def _check_header(header: bytes, size: int) -> None:
    """NotWeights unless every tensor of a safetensors header lies in the `size` bytes behind it."""
    try:
        entries = json.loads(header, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise NotWeights("has a safetensors header that is not JSON", _COPY) from error
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        try:
            bits = _BITS.get(entry["dtype"])
            (begin, end), count = entry["data_offsets"], prod(entry["shape"])
            fits = 0 <= begin <= end and (bits is None or (end - begin) * 8 == count * bits)
        except (TypeError, KeyError, ValueError, OverflowError):
            fits = False
        if not fits:
            raise NotWeights(f"has a safetensors header that is wrong about {name!r:.100}", _COPY)
        if end > size:
            raise NotWeights(f"is cut off: {name!r:.100} ends {end - size} bytes after the file", _COPY)
        if bits is None:
            kind = f"{entry['dtype']!r:.40}"
            raise NotWeights(f"contains tensors of type {kind}, such as {name!r:.100}", _ALONE)


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(items)
    if len(mapping) < len(items):
        names = [name for name, _ in items]
        twice = next(name for name in mapping if names.count(name) > 1)
        raise NotWeights(f"contains {twice!r:.100} twice", "Leave one of them out.")
    return mapping


def _open_torch(path: Path, start: bytes) -> object:
    is_zip = start.startswith(b"PK")
    if is_zip:
        _check_pickle(io.BytesIO(_description(path)), 1)
    else:
        with path.open("rb") as file:  # before 2020: five pickles, then the numbers
            _check_pickle(io.BytesIO(file.read(MAX_PICKLE)), 5)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # torch's words advise to load unsafely
        raise NotWeights(_DAMAGED, "Copy it again, or save its state_dict alone.") from error


def _description(path: Path) -> bytes:
    """The pickle of a zip archive that torch saved; NotWeights for any other archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            found = [entry for entry in entries if entry.filename.split("/")[1:] == ["data.pkl"]]
            _check_archive(entries, names)
            if not found:
                raise NotWeights("is a zip archive that torch did not save: it has no data.pkl", _UNPACK)
            if found[0].file_size > MAX_PICKLE:
                raise NotWeights(f"describes its tensors in more than {MAX_PICKLE // 2**20} MB", _ALONE)
            return archive.read(found[0])
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
        raise NotWeights("is a zip archive that is cut off or damaged", _COPY) from error


def _check_archive(entries: list[zipfile.ZipInfo], names: list[str]) -> None:
    if len(names) > MAX_ENTRIES:
        raise NotWeights(f"is a zip archive of more than {MAX_ENTRIES} files", _ALONE)
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise NotWeights(f"is a zip archive with two files {twice!r:.100}", _COPY)
    if any("constants.pkl" in name for name in names):
        raise NotWeights("is a TorchScript program", _ALONE, runs_code=True)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise NotWeights("is a compressed zip archive, as torch never saves", _UNPACK)


def _check_pickle(file: io.BytesIO, pickles: int) -> None:
    """NotWeights where a pickle would call anything but what tensors are made of."""
    try:
        for _ in range(pickles):
            _check_calls(pickletools.genops(file))
    except ValueError as error:
        raise NotWeights(_DAMAGED, _COPY) from error


def _check_calls(operations: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> None:
    texts: list[str] = []
    for opcode, argument, _ in operations:
        if opcode.name == "GLOBAL":
            _check_call(str(argument))
        elif opcode.name == "STACK_GLOBAL":
            _check_call(" ".join(texts[-2:]))
        elif opcode.name in ("INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX"):
            _refuse_call(str(argument or "an object"))
        elif isinstance(argument, str):
            texts = [*texts[-1:], argument]


def _check_call(name: str) -> None:
    module = name.partition(" ")[0]
    if module not in _TORCH and name not in _PLAIN:
        _refuse_call(name)


def _refuse_call(name: str) -> NoReturn:
    called = name.replace(" ", ".")
    raise NotWeights(
        f"contains more than tensors ({called!r:.100}); reading it could execute code", _ALONE, runs_code=True
    )
