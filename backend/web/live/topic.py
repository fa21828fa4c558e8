"""One thing that streams follow: it looks when something may have changed, and tells all its readers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.kit.errors import EtrmError
from backend.web.live.reader import Reader
from backend.web.live.snapshots import Marker, Snapshots
from backend.web.live.source import First, Source

log = logging.getLogger(__name__)


@dataclass
class Joining:
    """A reader who wants to follow from `start`; `joined` is set once it does, or may not."""

    reader: Reader
    start: Hashable
    joined: asyncio.Future[None] | None = None

    def accept(self) -> None:
        if self.joined is not None and not self.joined.done():
            self.joined.set_result(None)

    def refuse(self, error: Exception) -> None:
        if self.joined is not None and not self.joined.done():
            self.joined.set_exception(error)
        self.reader.close()


@dataclass(frozen=True)
class Look:
    """What one snapshot gave: for those who follow, and for those who join."""

    news: bytes
    first: Mapping[Hashable, First | EtrmError]
    is_over: bool


class Topic:
    """The readers of one source. All but `_look` belongs to the event loop's thread."""

    def __init__(self, source: Source[Any], snapshots: Snapshots) -> None:
        self.source = source
        self.members: set[Reader] = set()  # all who are here
        self.readers: set[Reader] = set()  # those of them who have all that was told so far
        self.looked_at = 0.0  # by the monotonic clock
        self._snapshots = snapshots
        self._joining: list[Joining] = []
        self._bell = asyncio.Event()
        self._hurry = asyncio.Event()
        self._marker: Marker | None = None

    def ring(self) -> None:
        """Something may have changed. Many rings in a row make one look."""
        self._bell.set()

    def ring_if_older(self, marker: Marker) -> bool:
        """Look if what was told is of another state of the database, or old; whether it will."""
        ages = self.source.ages
        if ages is not None and time.monotonic() - self.looked_at >= ages:
            self._marker = None
        if self._marker != marker:
            self.ring()
        return self._marker != marker

    def join(self, joining: Joining) -> None:
        """Let a reader follow; it does not wait for the pause between two looks."""
        self.members.add(joining.reader)
        self._joining.append(joining)
        self._hurry.set()
        self._bell.set()

    def leave(self, reader: Reader) -> None:
        """The reader is gone."""
        self.members.discard(reader)
        self.readers.discard(reader)
        self._joining = [each for each in self._joining if each.reader is not reader]

    async def live(self) -> None:
        """Look and tell, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            self._hurry.clear()
            joining, self._joining = self._joining, []
            self.looked_at = time.monotonic()
            try:
                starts = {each.start for each in joining}
                self._tell(await self._snapshots.run(partial(self._look, starts)), joining)
            except EtrmError as error:
                log.warning("Event streams ended: %s", error)
                self._fail(error, joining)
            except Exception as error:
                log.exception("event streams ended")
                self._fail(error, joining)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self.source.pause)

    def _look(self, starts: set[Hashable]) -> Look:
        """In the thread of the snapshots: one query if nothing was written since the last look."""
        with self._snapshots.reading() as (session, marker):
            news: Sequence[bytes] = ()
            if marker != self._marker or self.source.has_more:
                self._marker = None  # stays so if this fails half-way
                news = self.source.look(session)
            first = {start: self._first(session, start) for start in starts}
        self._marker = marker
        return Look(b"".join(news), first, self.source.over)

    def _first(self, session: Any, start: Hashable) -> First | EtrmError:
        try:
            return self.source.first(session, start)
        except EtrmError as error:
            return error

    def _tell(self, look: Look, joining: Sequence[Joining]) -> None:
        for reader in self.readers:
            reader.put(look.news)
            if look.is_over:
                reader.close()
        if look.is_over:
            self.readers.clear()
        for each in joining:
            self._let_in(each, look.first[each.start], look.is_over)
        if self.source.has_more:
            self.ring()

    def _let_in(self, joining: Joining, first: First | EtrmError, is_over: bool) -> None:
        reader = joining.reader
        if reader not in self.members:  # left meanwhile
            return
        if isinstance(first, EtrmError):
            joining.refuse(first)
            return
        reader.put(b"".join(first.packets))
        joining.accept()
        if first.rest is not None:
            reader.drained = partial(self.join, Joining(reader, first.rest))
        elif is_over:
            reader.close()
        else:
            self.readers.add(reader)

    def _fail(self, error: Exception, joining: Sequence[Joining]) -> None:
        """Streams end rather than tell half of it; browsers connect again and get it whole."""
        for each in joining:
            each.refuse(error)
        for reader in self.readers:
            reader.close()
        self.readers.clear()
