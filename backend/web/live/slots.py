"""How many streams may be open: in all, and for one person."""

from __future__ import annotations

from collections import Counter

from backend.kit.errors import TooManyRequests

RETRY_AFTER = 30  # seconds


class Slots:
    """Counts open streams and refuses those over a limit."""

    def __init__(self, in_all: int, per_person: int) -> None:
        self._in_all = in_all
        self._per_person = per_person
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many are open."""
        return self._taken.total()

    def take(self, owner: str) -> None:
        """TooManyRequests if this person or everybody together has as many as may be."""
        if self._taken[owner] >= self._per_person:
            raise TooManyRequests(
                f"Too many open pages: {owner} already has {self._per_person} live connections.",
                "Close pages that you do not need, or raise ETRM_STREAMS_PER_PERSON.",
                RETRY_AFTER,
            )
        if self._taken.total() >= self._in_all:
            raise TooManyRequests(
                f"Too many open pages: this server already has {self._in_all} live connections.",
                "Try again later, or raise ETRM_STREAMS.",
                RETRY_AFTER,
            )
        self._taken[owner] += 1

    def give_back(self, owner: str) -> None:
        """One stream of this person has ended."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
