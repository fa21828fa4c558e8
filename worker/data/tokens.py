"""Grids as tokens on a canvas, and back; the layout is that of arXiv 2510.04871.

A colour c is the token c + 2. A grid at offset (row, column) has EOS along the row just below it and the
column just right of it, where these lie on the canvas; the corner between them and all the rest stay PAD.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.domain.arc.grid import COLOURS, Grid
from worker.kit.batch import EOS, FIRST_COLOUR, IGNORE, PAD

Cells = NDArray[np.uint8]  # (height, width) colours 0 to 9
Tokens = NDArray[np.uint8]  # (side * side,) or (side, side)
Labels = NDArray[np.int8]  # as tokens, IGNORE where nothing is scored
Table = bytes  # 256 bytes: what each byte becomes under `bytes.translate`, the fastest way to recolour

TOKEN_OF = bytes(range(FIRST_COLOUR, 256)) + bytes(FIRST_COLOUR)  # colour -> token
_BYTES = 256


def as_cells(grid: Grid) -> Cells:
    """The colours of a grid as an array (height, width)."""
    return np.array(grid.rows, dtype=np.uint8)


def token_table(colours: bytes) -> Table:
    """Cells to tokens, where colour c is shown as `colours[c]` (10 bytes)."""
    return colours.translate(TOKEN_OF).ljust(_BYTES, b"\0")


def draw(canvas: Tokens, cells: Cells, offset: tuple[int, int] = (0, 0), table: Table = TOKEN_OF) -> None:
    """Write `cells` (h, w) onto an empty `canvas`, a square one or a region of it; `table` says which tokens
    they become.

    Raises ValueError where the grid does not fit at that offset.
    """
    top, left = offset
    bottom, right = top + cells.shape[0], left + cells.shape[1]
    height, width = canvas.shape
    if bottom > height or right > width:
        raise ValueError(
            f"a grid of {cells.shape} does not fit at {offset} on a canvas of {height} x {width}"
        )
    tokens = np.frombuffer(cells.tobytes().translate(table), np.uint8)
    canvas[top:bottom, left:right] = tokens.reshape(cells.shape)
    if bottom < height:
        canvas[bottom, left:right] = EOS
    if right < width:
        canvas[top:bottom, right] = EOS


def encode(grid: Grid, side: int, offset: tuple[int, int] = (0, 0)) -> Tokens:
    """One grid on its canvas, flattened (side * side,)."""
    canvas = np.full((side, side), PAD, dtype=np.uint8)
    draw(canvas, as_cells(grid), offset)
    return canvas.ravel()


def encode_pair(
    pair_input: Grid, pair_output: Grid | None, side: int, offset: tuple[int, int] = (0, 0)
) -> tuple[Tokens, Labels]:
    """Input tokens and labels of a pair, each (side * side,); both grids share the offset.

    Labels are IGNORE where nothing is scored, and everywhere where the output is unknown.
    """
    inputs = encode(pair_input, side, offset)
    if pair_output is None:
        return inputs, np.full_like(inputs, IGNORE, dtype=np.int8)
    return inputs, as_labels(encode(pair_output, side, offset))


def as_labels(tokens: Tokens) -> Labels:
    """Tokens as labels, of any shape: PAD becomes IGNORE; colours and EOS are scored."""
    labels = tokens.astype(np.int8)
    labels[tokens == PAD] = IGNORE
    return labels


def extents(canvases: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Heights and widths (B,) of the grids to be read from predicted canvases (B, height, width); 0 where one
    is empty.

    The largest rectangle anchored at (0, 0) that holds colours only; of equal ones the flattest.
    """
    count, height, width = canvases.shape
    no_colour = np.ones((count, height, width + 1), dtype=bool)  # a last column of stops, for argmax to find
    no_colour[..., :width] = (canvases < FIRST_COLOUR) | (canvases >= FIRST_COLOUR + COLOURS)
    widths = np.minimum.accumulate(no_colour.argmax(axis=2), axis=1)  # of a rectangle down to each row
    areas = widths * np.arange(1, height + 1)
    last_rows = areas.argmax(axis=1)  # the first of equals
    rows = np.arange(count)
    heights = np.where(areas[rows, last_rows] > 0, last_rows + 1, 0)
    return heights, widths[rows, last_rows] * (heights > 0)


def crop(tokens: NDArray[np.integer], height: int, width: int | None = None) -> Grid:
    """Read the grid of `extents` back from a predicted canvas (height * width,). Square without width."""
    width = height if width is None else width
    canvas = np.asarray(tokens).reshape(height, width)
    (rows,), (columns,) = extents(canvas[None])
    if not rows:
        return Grid(())
    return Grid.of((canvas[:rows, :columns] - FIRST_COLOUR).tolist())
