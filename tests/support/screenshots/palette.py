"""PNG, also animated, with at most 256 colours: a third of the size, and for pages no difference to see."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser

Pixels = NDArray[np.uint8]  # (height, width, 3)
Indices = NDArray[np.uint8]  # (height, width): places in a palette

# The browser decodes: the pixels of a PNG as base64 of RGBA bytes.
READ = """async (data) => {
  const image = new Image();
  image.src = `data:image/png;base64,${data}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([bytes]));
  });
  return [image.width, image.height, url.slice(url.indexOf(",") + 1)];
}"""


def pack(browser: Browser, file: Path) -> tuple[int, int]:
    """Rewrite the picture with a palette; its bytes before and after."""
    before = file.read_bytes()
    packed = with_palette(pixels_of(browser, before))
    file.write_bytes(packed)
    return len(before), len(packed)


def pixels_of(browser: Browser, png: bytes) -> Pixels:
    """The pixels of a picture, as the browser decodes it."""
    page = browser.new_page()
    width, height, pixels = page.evaluate(READ, base64.b64encode(png).decode())
    page.close()
    rgba = np.frombuffer(base64.b64decode(pixels), dtype=np.uint8).reshape(height, width, 4)
    return rgba[:, :, :3]


def with_palette(pixels: Pixels) -> bytes:
    """A PNG of these pixels in at most 256 colours, those that occur most and none too near another."""
    palette, (places,) = _reduced([pixels])
    return b"".join((*_head(places, palette), _chunk(b"IDAT", _packed(places)), _chunk(b"IEND", b"")))


def animated(frames: Sequence[Pixels], seconds: Sequence[float]) -> bytes:
    """An animated PNG (APNG) of frames of one size, each shown so long, again and again. Of every frame but
    the first only the rectangle is stored in which it differs from the one before."""
    palette, places = _reduced(frames)
    signature, header, colours = _head(places[0], palette)
    parts = [signature, header, _chunk(b"acTL", struct.pack(">II", len(frames), 0)), colours]
    number = 0  # of the chunk, as the format counts them

    def control(top: int, left: int, part: Indices, shown: float) -> bytes:
        box = (part.shape[1], part.shape[0], left, top)
        return _chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *box, round(1000 * shown), 1000, 0, 0))

    parts += [control(0, 0, places[0], seconds[0]), _chunk(b"IDAT", _packed(places[0]))]
    for (before, now), shown in zip(pairwise(places), seconds[1:], strict=True):
        rows, columns = (np.flatnonzero((before != now).any(axis=axis)) for axis in (1, 0))
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
        left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
        part = now[top:bottom, left:right]
        number += 1
        parts.append(control(top, left, part, shown))
        number += 1
        parts.append(_chunk(b"fdAT", struct.pack(">I", number) + _packed(part)))
    return b"".join((*parts, _chunk(b"IEND", b"")))


def _reduced(pictures: Sequence[Pixels]) -> tuple[NDArray[np.int32], list[Indices]]:
    """One palette (n, 3) for all of them, and each as the places of its colours in it."""
    packed = [each.astype(np.uint32) @ np.array([65_536, 256, 1], dtype=np.uint32) for each in pictures]
    counted = [np.unique(each, return_counts=True) for each in packed]
    colours, place = np.unique(np.concatenate([each for each, _ in counted]), return_inverse=True)
    count = np.bincount(place, np.concatenate([number for _, number in counted])).astype(np.int64)
    spread = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int32)
    kept = _chosen(spread, count)
    nearest = np.array([((kept - each) ** 2).sum(axis=1).argmin() for each in spread], dtype=np.uint8)
    return kept, [nearest[np.searchsorted(colours, each)] for each in packed]


def _head(places: Indices, palette: NDArray[np.int32]) -> tuple[bytes, bytes, bytes]:
    """Signature, header and palette of a PNG."""
    height, width = places.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", header),
        _chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
    )


def _packed(places: Indices) -> bytes:
    """The rows of a picture, each after its filter: none."""
    filters = np.zeros((len(places), 1), np.uint8)
    return zlib.compress(np.hstack([filters, places]).tobytes(), 9)


def _chosen(colours: NDArray[np.int32], count: NDArray[np.int64], most: int = 256) -> NDArray[np.int32]:
    """(n, 3): the commonest colours first, each at a distance of the others that shrinks until all fit."""
    order = np.argsort(-count)
    surest = 48  # of them, surfaces and texts, are kept however near they are
    for apart in (0, 12, 48, 108, 192, 300, 600):  # squared
        kept: list[NDArray[np.int32]] = []
        for each in colours[order]:
            if len(kept) < surest or ((np.array(kept) - each) ** 2).sum(axis=1).min() > apart:
                kept.append(each)
            if len(kept) > most:
                break
        if len(kept) <= most:
            return np.array(kept)
    return np.array(kept[:most])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
