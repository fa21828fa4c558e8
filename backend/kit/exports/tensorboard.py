"""Curves as an events file, which TensorBoard reads: records (length, data, a checksum of both) of protocol
buffers (`Event` with a `Summary`). Just what scalars need, without a library (docs/decisions/exports.md).

A value is a float32 there (`simple_value`), so it loses what a float64 has beyond that. Step and wall time
are kept exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # Name of a metric, and of its points, in order: steps, seconds since the Unix epoch, values.
    CurvePart = tuple[str, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]

MEDIA_TYPE = "application/octet-stream"
# With it a step below the one before is another curve, not a restart that hides the points before it.
VERSION = b"brain.Event:2"
POLYNOMIAL = 0x82F63B78  # of CRC-32C, lowest bit first
MASK = 0xA282EAD8
# Keys of the fields: number << 3 | type (0 varint, 1 eight bytes, 2 length and content, 5 four bytes).
WALL_TIME, STEP, FILE_VERSION, SUMMARY = b"\x09", b"\x10", b"\x1a", b"\x2a"  # of Event
VALUE = b"\x0a"  # of Summary
TAG, SIMPLE_VALUE = b"\x0a", b"\x15"  # of Summary.Value


def event_parts(curves: Iterable[CurvePart]) -> Iterator[bytes]:
    """The parts of an events file: its version, then one for each part of a curve, of which one is held at a
    time."""
    begun = False
    for tag, steps, moments, values in curves:
        if not begun:
            yield _version(float(moments[0]))
            begun = True
        yield _events(tag, steps, moments, values)
    if not begun:
        yield _version(0.0)


def _version(moment: float) -> bytes:
    import numpy as np

    data = WALL_TIME + struct.pack("<d", moment) + _content(FILE_VERSION, VERSION)
    return _framed(np.frombuffer(data, np.uint8)[None])


def _events(
    tag: str, steps: NDArray[np.int64], moments: NDArray[np.float64], values: NDArray[np.float64]
) -> bytes:
    """An event for each point; those whose steps take equally many bytes are made together."""
    import numpy as np

    with np.errstate(over="ignore"):  # beyond float32: infinity
        singles = values.astype("<f4")
    value = _content(VALUE, _content(TAG, tag.encode()) + SIMPLE_VALUE + bytes(4))
    content = _content(SUMMARY, value)
    limits = np.searchsorted(steps, [0, *(1 << 7 * size for size in range(1, 9)), 2**63 - 1])
    limits[-1] = len(steps)
    written = []
    for size, (low, high) in enumerate(pairwise(limits.tolist()), start=1):
        if low < high:
            form = WALL_TIME + bytes(8) + STEP + bytes(size) + content
            events = np.tile(np.frombuffer(form, np.uint8), (high - low, 1))
            events[:, 1:9] = moments[low:high].astype("<f8").view(np.uint8).reshape(-1, 8)
            for place in range(size):
                more = 0x80 if place < size - 1 else 0
                events[:, 10 + place] = steps[low:high] >> 7 * place & 0x7F | more
            events[:, -4:] = singles[low:high].view(np.uint8).reshape(-1, 4)
            written.append(_framed(events))
    return b"".join(written)


def _framed(events: NDArray[np.uint8]) -> bytes:
    """Events of one length (n, bytes) as records: the length and its checksum, the event and its checksum."""
    import numpy as np

    count, size = events.shape
    length = np.frombuffer(struct.pack("<Q", size), np.uint8)[None]
    head = np.broadcast_to(np.hstack([length, _checksums(length)]), (count, 12))
    return np.hstack([head, events, _checksums(events)]).tobytes()


def _checksums(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The masked CRC-32C of every row (n, bytes), as bytes (n, 4)."""
    import numpy as np

    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ POLYNOMIAL, table >> 1).astype(np.uint32)
    state = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(rows.T):
        state = table[(state ^ column) & 0xFF] ^ state >> 8
    state = ~state
    masked = (state >> 15 | state << 17) + np.uint32(MASK)
    return masked.astype("<u4").view(np.uint8).reshape(-1, 4)


def _content(key: bytes, content: bytes) -> bytes:
    """A field that holds its length and content."""
    size, written = len(content), bytearray(key)
    while size > 0x7F:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size]) + content
