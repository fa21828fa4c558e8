"""Bytes that are called a checkpoint: told what they are, and read within bounds or not at all."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from backend.kit.errors import CheckpointCorrupt, EtrmError
from worker.models.weight_files import UnsafeCheckpoint, WeightFile, read_weights

STATE = {"inner.w": torch.ones(40, 40), "inner.v": torch.ones(7)}


def read(path: Path) -> WeightFile:
    file = read_weights(path, "FILE")
    file.choose("ema")
    return file


def refused(path: Path) -> str:
    """What a user is told."""
    with pytest.raises(EtrmError) as caught:
        read(path)
    assert "weights_only" not in str(caught.value)
    return str(caught.value)


def zipped(path: Path, how: int, name: str = "archive/data.pkl", content: bytes = b"") -> None:
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr(name, content)


def packed(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "model")


def with_header(path: Path, header: Any, data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def cut_archive(path: Path) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-2000])


class Calls:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("ran"),)


class Fills:
    """Asks for memory."""

    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (10**10,)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
FILES: dict[str, tuple[Callable[[Path], object], type[EtrmError], str]] = {
    "lfs": (lambda p: p.write_bytes(LFS), CheckpointCorrupt, "is a Git LFS pointer"),
    "page": (lambda p: p.write_bytes(b"\n<!DOCTYPE html><title>x"), CheckpointCorrupt, "is a web page"),
    "xml": (lambda p: p.write_bytes(b"<?xml version='1.0'?><Error/>"), CheckpointCorrupt, "is a web page"),
    "json": (lambda p: p.write_bytes(b'{"error": "not found"}'), CheckpointCorrupt, "is JSON text"),
    "empty": (lambda p: p.write_bytes(b""), CheckpointCorrupt, "is empty"),
    "text": (lambda p: p.write_bytes(b"Not found\n"), CheckpointCorrupt, "is a text file"),
    "zeros": (lambda p: p.write_bytes(bytes(4000)), CheckpointCorrupt, "begins with zeros alone"),
    "noise": (lambda p: p.write_bytes(b"\x80\x02\xff" * 50), CheckpointCorrupt, "cannot be read: it is dam"),
    "gzip": (lambda p: p.write_bytes(b"\x1f\x8b\x08" + bytes(9)), CheckpointCorrupt, "compressed with gzip"),
    "tar": (packed, CheckpointCorrupt, "is a tar archive"),
    "npy": (lambda p: p.write_bytes(b"\x93NUMPY" + bytes(9)), CheckpointCorrupt, "is a NumPy array"),
    "npz": (
        lambda p: zipped(p, zipfile.ZIP_STORED, "w.npy", b"\x93NUMPY"),
        CheckpointCorrupt,
        "that torch did not save",
    ),
    "cut zip": (cut_archive, CheckpointCorrupt, "is a zip archive that is cut off or damaged"),
    "start of a zip": (lambda p: p.write_bytes(b"PK" + bytes(40)), CheckpointCorrupt, "cut off or damaged"),
    "bomb": (
        lambda p: zipped(p, zipfile.ZIP_DEFLATED, content=bytes(200 * 2**20)),
        CheckpointCorrupt,
        "is a compressed zip archive",
    ),
    "long pickle": (
        lambda p: zipped(p, zipfile.ZIP_STORED, content=bytes(9 * 2**20)),
        CheckpointCorrupt,
        "describes its tensors in more than 8 MB",
    ),
    "code": (lambda p: torch.save({"model": Calls()}, p), UnsafeCheckpoint, "could execute code"),
    "code, protocol 4": (
        lambda p: p.write_bytes(pickle.dumps(Calls(), protocol=4)),
        UnsafeCheckpoint,
        "could execute code",
    ),
    "a module": (lambda p: torch.save(torch.nn.Linear(2, 2), p), UnsafeCheckpoint, "could execute code"),
    "memory": (lambda p: torch.save({"model": Fills()}, p), UnsafeCheckpoint, "builtin.*bytearray"),
    "a tensor": (lambda p: torch.save(torch.zeros(2), p), CheckpointCorrupt, "contains a Tensor, not a"),
    "two states": (lambda p: torch.save((STATE, STATE), p), CheckpointCorrupt, "contains a tuple"),
    "huge header": (
        lambda p: p.write_bytes(struct.pack("<Q", 2**60) + b"{" + b"\xff" * 99),
        CheckpointCorrupt,
        "ends within its header",
    ),
    "bad header": (lambda p: with_header(p, b'{"w": '), CheckpointCorrupt, "header that is not JSON"),
    "wrong size": (
        lambda p: with_header(p, {"w": tensor([9, 9], 0, 4)}, b"1234"),
        CheckpointCorrupt,
        "header that is wrong about 'w'",
    ),
    "huge shape": (
        lambda p: with_header(p, {"w": tensor([10**12], 0, 4 * 10**12)}, b"1234"),
        CheckpointCorrupt,
        "is cut off",
    ),
    "negative": (
        lambda p: with_header(p, {"w": tensor([1], -4, 0)}, b"1234"),
        CheckpointCorrupt,
        "header that is wrong about 'w'",
    ),
    "overlap": (
        lambda p: with_header(p, {"w": tensor([1], 0, 4), "v": tensor([1], 0, 4)}, b"1234"),
        CheckpointCorrupt,
        "safetensors header that is wrong",
    ),
    "twice": (
        lambda p: with_header(p, b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                  b'"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', b"12345678"),
        CheckpointCorrupt,
        "contains 'w' twice",
    ),
    "float4": (
        lambda p: with_header(p, {"w": tensor([2], 0, 1, "F4")}, b"1"),
        CheckpointCorrupt,
        "contains tensors of type 'F4'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_called_what_it_is(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write, error, words = FILES[kind]
    write(tmp_path / "file")
    tracemalloc.start()
    try:
        with pytest.raises(error, match=words):
            read(tmp_path / "file")
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "ran").exists()


def test_a_name_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "file")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "file", "a") as archive:
        archive.writestr(next(name for name in archive.namelist() if name.endswith("data.pkl")), b"N.")
    assert "two files" in refused(tmp_path / "file")


def test_a_pickle_that_holds_one_list_a_million_times_ends_at_once(tmp_path: Path) -> None:
    tree: Any = [torch.zeros(1)]
    for _ in range(12):
        tree = [tree] * 12
    torch.save({"model": STATE, "tree": tree}, tmp_path / "file")
    assert "has more than 200000 parts" in refused(tmp_path / "file")


def test_a_mapping_within_itself_is_refused(tmp_path: Path) -> None:
    loop: dict[str, Any] = {}
    loop["model"] = loop
    torch.save(loop, tmp_path / "file")
    assert "is nested too deeply" in refused(tmp_path / "file")


def test_the_old_format_of_torch_and_tied_weights_are_read(tmp_path: Path) -> None:
    torch.save({"model": STATE}, tmp_path / "old", _use_new_zipfile_serialization=False)
    assert torch.equal(read(tmp_path / "old").only["inner.v"], STATE["inner.v"])
    shared = torch.ones(10_000)
    tied = {name: shared[: each.numel()].view(each.shape) for name, each in STATE.items()}
    torch.save(tied, tmp_path / "tied")
    assert torch.equal(read(tmp_path / "tied").only["inner.w"], STATE["inner.w"])


def test_bytes_of_no_file_at_all_never_end_in_a_traceback(tmp_path: Path) -> None:
    """Every fault of one byte, and every cut, is read or refused in words."""
    good = io.BytesIO()
    torch.save({"model": {"w": torch.ones(3)}}, good)
    for form, content in (("pt", good.getvalue()), ("safetensors", b"")):
        path = tmp_path / f"file.{form}"
        if not content:
            save_file({"w": torch.ones(3)}, path)
            content = path.read_bytes()
        for at in range(0, len(content), max(1, len(content) // 150)):
            for changed in (content[:at], content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]):
                path.write_bytes(changed)
                with suppress(EtrmError):
                    read_weights(path, "FILE")
