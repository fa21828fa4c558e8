"""A table as a Parquet file: plain values, gzip. Just what exports need, without a library
(docs/decisions/exports.md). The format: github.com/apache/parquet-format."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["bool", "int", "float", "text"]
MAGIC = b"PAR1"
LEVEL = 1  # of ISA-L's 0 to 3
PHYSICAL = {"bool": 0, "int": 2, "float": 5, "text": 6}  # BOOLEAN, INT64, DOUBLE, BYTE_ARRAY
OPTIONAL, UTF8, GZIP, PLAIN, RLE, DATA_PAGE = 1, 0, 2, 0, 3, 0
# Types of the compact protocol that its metadata is written in.
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12


@dataclass(frozen=True)
class Column:
    """Values of a column; None, or what an array masks, is a missing one."""

    kind: Kind
    values: Sequence[Any] | NDArray[Any]


def written(
    kinds: Mapping[str, Kind], groups: Iterable[Sequence[Sequence[Any] | NDArray[Any]]]
) -> Iterator[bytes]:
    """The parts of a file with columns of these kinds: one for each group of rows, which has the values of
    every column, all of the same length. Only one group is held at a time."""
    yield MAGIC
    place, rows, described = len(MAGIC), 0, []
    for values in groups:
        columns = [Column(kind, of) for kind, of in zip(kinds.values(), values, strict=True)]
        lengths = {len(column.values) for column in columns}
        if len(lengths) != 1:
            raise ValueError(f"the columns have different lengths: {sorted(lengths)}")
        (length,) = lengths
        content, chunks = bytearray(), []
        for name, column in zip(kinds, columns, strict=True):
            page = _page(column)
            chunks.append(_chunk(name, column, page, place + len(content)))
            content += page.whole
        size = sum(chunk.size for chunk in chunks)
        described.append(
            _struct(
                (1, LIST, (STRUCT, [chunk.metadata for chunk in chunks])), (2, I64, size), (3, I64, length)
            )
        )
        place, rows = place + len(content), rows + length
        yield bytes(content)
    root = _struct((4, BINARY, b"table"), (5, I32, len(kinds)))
    schema = [root, *(_element(name, kind) for name, kind in kinds.items())]
    footer = _struct(
        (1, I32, 1),
        (2, LIST, (STRUCT, schema)),
        (3, I64, rows),
        (4, LIST, (STRUCT, described)),
        (6, BINARY, b"etrm-lab"),
    )
    yield footer + struct.pack("<I", len(footer)) + MAGIC


@dataclass(frozen=True)
class _Page:
    whole: bytes  # header and compressed content
    plain_size: int  # of header and content before compression


@dataclass(frozen=True)
class _Chunk:
    metadata: bytes
    size: int


def _page(column: Column) -> _Page:
    """All values of a column: which are there, then those."""
    import numpy as np
    from isal import igzip

    values = column.values
    present: Sequence[Any] | NDArray[Any]
    if isinstance(values, np.ndarray):
        there = ~np.ma.getmaskarray(values)
        present = values.compressed() if isinstance(values, np.ma.MaskedArray) else values
    else:
        there = np.fromiter((value is not None for value in values), bool, len(values))
        present = [value for value in values if value is not None]
    content = _levels(there) + _plain(column.kind, present)
    packed = igzip.compress(content, compresslevel=LEVEL, mtime=0)
    data = _struct((1, I32, len(there)), (2, I32, PLAIN), (3, I32, RLE), (4, I32, RLE))
    header = _struct((1, I32, DATA_PAGE), (2, I32, len(content)), (3, I32, len(packed)), (5, STRUCT, data))
    return _Page(header + packed, len(header) + len(content))


def _levels(there: NDArray[np.bool_]) -> bytes:
    """Definition levels, one bit each, as one bit-packed run."""
    import numpy as np

    bits = np.packbits(there, bitorder="little").tobytes()
    run = _varint(len(bits) << 1 | 1) + bits
    return struct.pack("<I", len(run)) + run


def _plain(kind: Kind, values: Sequence[Any] | NDArray[Any]) -> bytes:
    import numpy as np

    if kind == "int":
        return np.asarray(values, dtype="<i8").tobytes()
    if kind == "float":
        return np.asarray(values, dtype="<f8").tobytes()
    if kind == "bool":
        return np.packbits(np.asarray(values, dtype=bool), bitorder="little").tobytes()
    texts = {value: str(value).encode() for value in values}  # most repeat, often
    encoded = {value: struct.pack("<I", len(text)) + text for value, text in texts.items()}
    return b"".join(map(encoded.__getitem__, values))


def _chunk(name: str, column: Column, page: _Page, place: int) -> _Chunk:
    metadata = _struct(
        (1, I32, PHYSICAL[column.kind]),
        (2, LIST, (I32, [_zigzag(PLAIN), _zigzag(RLE)])),
        (3, LIST, (BINARY, [_binary(name.encode())])),
        (4, I32, GZIP),
        (5, I64, len(column.values)),
        (6, I64, page.plain_size),
        (7, I64, len(page.whole)),
        (9, I64, place),
    )
    return _Chunk(_struct((2, I64, place), (3, STRUCT, metadata)), page.plain_size)


def _element(name: str, kind: Kind) -> bytes:
    """A column in the schema."""
    fields = [(1, I32, PHYSICAL[kind]), (3, I32, OPTIONAL), (4, BINARY, name.encode())]
    return _struct(*fields, *([(6, I32, UTF8)] if kind == "text" else []))


def _struct(*fields: tuple[int, int, Any]) -> bytes:
    """(field id, type, value) of a structure, ascending, in the compact protocol."""
    written, before = bytearray(), 0
    for field, kind, value in fields:
        written.append((field - before) << 4 | kind)
        before = field
        written += _value(kind, value)
    return bytes(written + b"\x00")


def _value(kind: int, value: Any) -> bytes:
    if kind in (I32, I64):
        return _zigzag(value)
    if kind == BINARY:
        return _binary(value)
    if kind == LIST:
        of, members = value
        head = bytes([len(members) << 4 | of]) if len(members) < 15 else bytes([0xF0 | of])
        return head + (b"" if len(members) < 15 else _varint(len(members))) + b"".join(members)
    whole: bytes = value
    return whole


def _binary(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
