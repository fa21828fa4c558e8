"""A message as every channel gets it, and what came of sending it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Notice:
    """What a person is told. `payload` is what a webhook receives; it holds the texts as well."""

    title: str
    text: str  # plain, with the link where there is one
    url: str | None
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """What came of a try, in words."""

    arrived: bool
    answer: str
    is_gone: bool = False  # the receiver says that this address will never work again
