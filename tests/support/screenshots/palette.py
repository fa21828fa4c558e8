"""PNG with at most 256 colours: a third of the size, and for pages no difference to see."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser

Pixels = NDArray[np.uint8]  # (height, width, 3)

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
    page = browser.new_page()
    width, height, pixels = page.evaluate(READ, base64.b64encode(before).decode())
    page.close()
    rgba = np.frombuffer(base64.b64decode(pixels), dtype=np.uint8).reshape(height, width, 4)
    packed = with_palette(rgba[:, :, :3])
    file.write_bytes(packed)
    return len(before), len(packed)


def with_palette(pixels: Pixels) -> bytes:
    """A PNG of these pixels in at most 256 colours, those that occur most and none too near another."""
    height, width, _ = pixels.shape
    packed = pixels.astype(np.uint32) @ np.array([65_536, 256, 1], dtype=np.uint32)
    colours, place, count = np.unique(packed.ravel(), return_inverse=True, return_counts=True)
    spread = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int32)
    kept = _chosen(spread, count)
    nearest = np.array([((kept - each) ** 2).sum(axis=1).argmin() for each in spread], dtype=np.uint8)
    rows = nearest[place].reshape(height, width)
    raw = np.hstack(
        [np.zeros((height, 1), np.uint8), rows]
    ).tobytes()  # each row starts with its filter: none
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", kept.astype(np.uint8).tobytes()),
            _chunk(b"IDAT", zlib.compress(raw, 9)),
            _chunk(b"IEND", b""),
        )
    )


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
