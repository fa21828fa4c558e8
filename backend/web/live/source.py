"""What a topic asks of whatever it follows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

Start = TypeVar("Start", bound=Hashable, contravariant=True)


@dataclass(frozen=True)
class First:
    """What a new reader gets before it follows; with `rest`, it first asks for more from there."""

    packets: Sequence[bytes] = ()
    rest: Hashable | None = None


class Source(Protocol[Start]):
    """One thing that readers follow. It remembers what it has told; a single thread calls it.

    EtrmError from `first` refuses the reader.
    """

    @property
    def pause(self) -> float:
        """Seconds between two looks, however fast the notifications come."""
        ...

    @property
    def ages(self) -> float | None:
        """Seconds after which it looks even though nothing was written: clocks change it, too."""
        ...

    @property
    def over(self) -> bool:
        """Whether everything was sent and nothing more will come."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether the last look left something for the next one."""
        ...

    @property
    def channel(self) -> str | None:
        """The notifications that mean it; None until that is known."""
        ...

    def look(self, session: Session) -> Sequence[bytes]:
        """What is new since the last look, for those who follow; the first look only takes it in."""
        ...

    def first(self, session: Session, start: Start) -> First:
        """What brings a reader from `start` to the last look; the session has the same snapshot."""
        ...
