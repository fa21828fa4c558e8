"""A play, as its event stream tells it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.kit.errors import NotFound
from backend.playground import service as plays
from backend.playground.views import PlayView
from backend.web import notify
from backend.web.live.packets import packet
from backend.web.live.source import First

WAITING_AGES = 2.0  # seconds: others that are answered move it forward, and tell their own pages


class PlaySource:
    """One play, when it changes; `end` once nothing more will come."""

    pause = 0.1
    has_more = False

    def __init__(self, play_id: str) -> None:
        self._id = play_id
        self.channel: str | None = notify.channel_of_play(play_id)
        self.ages: float | None = None
        self.over = False
        self._view: PlayView | None = None

    def look(self, session: Session) -> list[bytes]:
        """The play if it is not as it was."""
        before = self._view
        try:
            view = self._view = plays.get(session, self._id)
        except NotFound:
            self._view, self.over = None, True
            return [packet("end", {"deleted": True})] if before else []
        self.over = view.is_over
        self.ages = WAITING_AGES if view.status == "queued" else None
        return [] if before is None or before == view else self._events(view)

    def first(self, session: Session, start: None) -> First:
        """The play as it is; NotFound."""
        return First(self._events(self._view or plays.get(session, self._id)))

    def _events(self, view: PlayView) -> list[bytes]:
        end = [packet("end", {"status": view.status})] if self.over else []
        return [packet("play", view.model_dump(mode="json")), *end]
