"""How grave a line of a run's log is."""

from __future__ import annotations

from typing import Literal, get_args

Level = Literal["info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)  # from the least to the gravest
