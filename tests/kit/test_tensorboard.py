"""Curves as an events file, read back by the format's specification."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from backend.kit.exports.tensorboard import event_parts


def crc32c(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ 0x82F63B78 * (state & 1)
    return state ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data: bytes) -> Iterator[bytes]:
    """The content of every record, whose checksums are right."""
    while data:
        size, of_size = struct.unpack_from("<QI", data)
        assert of_size == masked(data[:8])
        content = data[12 : 12 + size]
        assert struct.unpack_from("<I", data, 12 + size) == (masked(content),)
        yield content
        data = data[16 + size :]


def fields(data: bytes) -> dict[int, bytes | int]:
    """Number -> content of the fields of a protocol buffer."""
    answer: dict[int, bytes | int] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            at += 1
            value |= (data[at - 1] & 0x7F) << shift
            shift += 7
            if data[at - 1] < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            answer[key >> 3] = varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        answer[key >> 3] = data[at : at + size]
        at += size
    return answer


def scalar(content: bytes) -> tuple[str, int, float, float]:
    event = fields(content)
    value = fields(fields(event[5])[1])  # type: ignore[arg-type]
    (moment,) = struct.unpack("<d", event[1])  # type: ignore[arg-type]
    (number,) = struct.unpack("<f", value[2])  # type: ignore[arg-type]
    return value[1].decode(), event[2], moment, number  # type: ignore[union-attr, return-value]


def test_the_checksum_is_crc_32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of its catalogue entry


def test_every_point_comes_back_with_step_time_and_a_float32() -> None:
    name = "größe/" + "x" * 200  # a length of two bytes
    steps = np.array([0, 1, 127, 128, 16_383, 16_384, 2**31, 2**53 - 1])
    moments = 1_790_000_000.123 + np.arange(8)
    values = np.array([0.1, -0.0, np.inf, -np.inf, 1e-45, 1e300, -2.5, 3])
    ends = np.array([5]), np.array([1_790_000_000.5]), np.array([np.nan])
    first, *events = records(b"".join(event_parts([(name, steps, moments, values), ("loss", *ends)])))

    assert fields(first)[3] == b"brain.Event:2"
    assert struct.pack("<d", moments[0]) == fields(first)[1]
    with np.errstate(over="ignore"):
        singles = values.astype(np.float32).tolist()
    expected = [(name, *point) for point in zip(steps.tolist(), moments.tolist(), singles, strict=True)]
    *points, last = map(scalar, events)
    assert points == expected
    assert last[:3] == ("loss", 5, 1_790_000_000.5)
    assert np.isnan(last[3])


def test_without_a_point_there_is_only_the_version() -> None:
    (only,) = records(b"".join(event_parts([])))
    assert fields(only)[3] == b"brain.Event:2"
