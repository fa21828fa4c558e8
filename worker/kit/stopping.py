"""Ending early: what is asked whether to, and what ends work that is only of use when it is whole."""

from __future__ import annotations

from typing import Protocol


class Stop(Protocol):
    """Asked between batches, and between the steps of an adaptation or a search, whether to end early."""

    @property
    def requested(self) -> bool: ...


class Stopped(Exception):
    """A stop was asked for in the middle of an adaptation or a search: a batch has no answer."""


def go_on(stop: Stop | None) -> None:
    """Stopped where a stop is asked for. Asks no device."""
    if stop is not None and stop.requested:
        raise Stopped
