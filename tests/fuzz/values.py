"""Values that scripts send by mistake and attackers on purpose, drawn from a seeded source."""

from __future__ import annotations

import json
import random
from typing import Any

TEXTS = (
    "",
    " ",
    "loss",
    "accuracy/token",
    "a,b",
    "`x`",
    "=1+1",
    "<b>x</b>",
    "{{7*7}}",
    "../x",
    "x" * 300,
    "nan",
    "\u202eabc",
    "🙂",
    "\ud83d",
    "a\x00b",
    "\x1b[31m",
    "\u200b",
    "step",
    "status",
    "training.steps",
    "loss:max",
    "null",
    "__proto__",
    "é" * 130,
    "line\nline",
    "'; DROP TABLE run; --",
    "config",
    "evaluation",
    "model",
    "kind",
)
NUMBERS = (0, -1, 1, 3, 1e308, -1e308, 5e-324, 3.2e17, 2**31, 2**53, 2**63, 10**30, 0.1, -0.0, True, False)
NOT_FINITE = ("NaN", "Infinity", "-Infinity", None)
OURS = (
    "evaluation",
    "sets",
    "model",
    "kind",
    "training",
    "steps",
    "optimisation",
    "seed",
    "name",
    "data",
    "hypothesis",
    "training_sets",
    "views",
    "encoder",
    "layers",
    "batch_size",
    "precision",
    "variant",
)


def text(source: random.Random) -> str:
    """Any text, mostly short."""
    if source.random() < 0.7:
        return source.choice(TEXTS)
    return "".join(
        chr(source.choice((source.randrange(32, 127), source.randrange(1, 0x3000)))) for _ in range(6)
    )


def value(source: random.Random, depth: int = 4) -> Any:
    """Any JSON value."""
    kind = source.random()
    if depth == 0 or kind < 0.55:
        return source.choice((text(source), source.choice(NUMBERS), None, True))
    if kind < 0.75:
        return [value(source, depth - 1) for _ in range(source.randrange(4))]
    return mapping(source, depth - 1)


def mapping(source: random.Random, depth: int = 4) -> dict[str, Any]:
    """Any JSON object; its keys are often those of our own configs."""
    keys = [
        source.choice(OURS) if source.random() < 0.7 else text(source) for _ in range(source.randrange(5))
    ]
    return {key: value(source, depth) for key in keys}


def metrics(source: random.Random) -> dict[str, Any]:
    """A body of points: often good, with values from one end of a float to the other."""
    points = source.choice((0, 1, 1, 2, 3, 5, 40))
    steps = (
        sorted(source.sample(range(1000), points))
        if source.random() < 0.9
        else [source.choice(NUMBERS)] * points
    )
    names = [source.choice(("loss", "accuracy/token", text(source))) for _ in range(source.randint(1, 3))]
    constant = source.choice(NUMBERS)
    columns = {
        name: [
            constant if source.random() < 0.5 else source.choice((*NUMBERS, *NOT_FINITE, source.gauss(0, 1)))
            for _ in range(points)
        ]
        for name in names
    }
    body: dict[str, Any] = {"step": steps, "values": columns}
    if source.random() < 0.4:
        start = source.choice((0.0, 1.7e9, 4e9, 1.7e12, -1.0))
        body["wall_time"] = [start + source.choice((-3600, 0, 1, 3600)) * at for at in range(points)]
    if source.random() < 0.1:
        body[text(source)] = value(source)
    return body


def mutated(source: random.Random, content: bytes) -> bytes:
    """A file with some of its bytes changed, left out or doubled."""
    changed = bytearray(content)
    for _ in range(source.choice((0, 1, 1, 2, 8))):
        at = source.randrange(len(changed) + 1)
        match source.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del changed[at : at + source.randrange(1, 50)]
            case 2:
                changed[at:at] = changed[at : at + source.randrange(1, 50)]
            case _:
                changed[at:at] = source.choice(
                    (b"\x00", b"\xff", b"[", b"}", b'"', b"1e999", b"NaN", b"\\ud83d")
                )
    return bytes(changed)


def as_json(content: Any) -> bytes:
    """JSON in ASCII, so that halves of pairs are escapes."""
    return json.dumps(content).encode()
