"""Grids as tokens on a canvas, and back; the layout is that of arXiv 2510.04871.

A colour c is the token c + 2. A grid at offset (row, column) has EOS along the row just below it and the
column just right of it, where these lie on the canvas; the corner between them and all the rest stay PAD.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.domain.arc.grid import Grid
from worker.kit.batch import EOS, FIRST_COLOUR, IGNORE, PAD

Cells = NDArray[np.uint8]  # (height, width) colours 0 to 9
Tokens = NDArray[np.int64]  # (side * side,) or (side, side)

COLOUR_TOKENS = np.arange(FIRST_COLOUR, FIRST_COLOUR + 10, dtype=np.int64)  # (10,) colour -> token


def as_cells(grid: Grid) -> Cells:
    """The colours of a grid as an array (height, width)."""
    return np.array(grid.rows, dtype=np.uint8)


def draw(
    canvas: Tokens, cells: Cells, offset: tuple[int, int] = (0, 0), colours: Tokens = COLOUR_TOKENS
) -> None:
    """Write `cells` (h, w) onto an empty `canvas`, a square one or a region of it; `colours` (10,) are the
    tokens they become.

    Raises ValueError where the grid does not fit at that offset.
    """
    top, left = offset
    bottom, right = top + cells.shape[0], left + cells.shape[1]
    height, width = canvas.shape
    if bottom > height or right > width:
        raise ValueError(
            f"a grid of {cells.shape} does not fit at {offset} on a canvas of {height} x {width}"
        )
    canvas[top:bottom, left:right] = colours[cells]
    if bottom < height:
        canvas[bottom, left:right] = EOS
    if right < width:
        canvas[top:bottom, right] = EOS


def encode(grid: Grid, side: int, offset: tuple[int, int] = (0, 0)) -> Tokens:
    """One grid on its canvas, flattened (side * side,)."""
    canvas = np.full((side, side), PAD, dtype=np.int64)
    draw(canvas, as_cells(grid), offset)
    return canvas.ravel()


def encode_pair(
    pair_input: Grid, pair_output: Grid | None, side: int, offset: tuple[int, int] = (0, 0)
) -> tuple[Tokens, Tokens]:
    """Input tokens and labels of a pair, each (side * side,); both grids share the offset.

    Labels are IGNORE where nothing is scored, and everywhere where the output is unknown.
    """
    inputs = encode(pair_input, side, offset)
    if pair_output is None:
        return inputs, np.full_like(inputs, IGNORE)
    return inputs, as_labels(encode(pair_output, side, offset))


def as_labels(tokens: Tokens) -> Tokens:
    """Tokens as labels, of any shape: PAD becomes IGNORE; colours and EOS are scored."""
    return np.where(tokens == PAD, IGNORE, tokens)


def crop(tokens: NDArray[np.integer], height: int, width: int | None = None) -> Grid:
    """Read a grid back from a predicted canvas (height * width,): perhaps an empty one. Square without width.

    The largest rectangle anchored at (0, 0) that holds colours only; of equal ones the flattest.
    """
    width = height if width is None else width
    canvas = np.asarray(tokens).reshape(height, width)
    no_colour = np.ones((height, width + 1), dtype=bool)  # a last column of stops, so that argmax finds one
    no_colour[:, :width] = (canvas < FIRST_COLOUR) | (canvas > COLOUR_TOKENS[-1])
    widths = np.minimum.accumulate(no_colour.argmax(axis=1))  # (height,) of a rectangle down to this row
    areas = widths * np.arange(1, height + 1)
    last_row = int(areas.argmax())  # the first of equals
    if areas[last_row] == 0:
        return Grid(())
    return Grid.of((canvas[: last_row + 1, : widths[last_row]] - FIRST_COLOUR).tolist())
