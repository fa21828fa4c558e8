"""Messages between the objects of the demonstrations."""

from __future__ import annotations

from typing import ClassVar, Literal

from backend.domain.experiment.encoders import shared
from backend.domain.experiment.encoders.base import Encoder
from backend.domain.experiment.fields import field


class GraphEncoder(Encoder):
    """Objects in place of cells: connected cells of one colour become nodes that know their colour, size,
    place and shape; messages pass along edges within a grid, from input to output and between
    demonstrations; learned queries look at the nodes. Unexplored for this field, blind to what lies beyond
    the largest objects, and indifferent to where grids lie on the canvas. 17.0 M weights at the published
    width. Costs a thirtieth of deterministic on the 30×30 canvas, less than half on 10×10.
    """

    kind: Literal["graph"] = "graph"
    title = "object graph"
    reads = "a graph over the demonstrations' objects"
    small: ClassVar = {"layers": 2}
    layers: int = field(3, "Graph layers", "Rounds of message passing, each with its weights.", ge=1, le=16)
    connectivity: Literal["sides", "corners"] = field(
        "corners",
        "Connectivity",
        "Cells of one colour are one object where they share a side (4 neighbours) or also a corner (8).",
    )
    objects: int = field(
        24, "Objects per grid", "The largest so many objects of each grid are nodes.", ge=1, le=128
    )
    set_layers: int = shared.set_layers("nodes")
