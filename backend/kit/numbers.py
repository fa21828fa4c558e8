"""Numbers as JSON says them: it has no NaN and no infinity, so these are the texts `"NaN"`, `"Infinity"` and
`"-Infinity"`, going in and coming out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import PlainSerializer

from backend.kit.format import sayable

NotFinite = Literal["NaN", "Infinity", "-Infinity"]
Number = Annotated[
    float, PlainSerializer(sayable, return_type=float | NotFinite, when_used="json-unless-none")
]
