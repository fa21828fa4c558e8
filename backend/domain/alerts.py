"""What a person can be told of, and by which channels."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """Something that happens to a run and that people may want to hear of."""

    FINISHED = "finished"
    FAILED = "failed"
    LOST = "lost"
    JUDGED = "judged"
    ALARM = "alarm"
    EVALUATION = "evaluation"

    @property
    def words(self) -> str:
        """When it happens."""
        return _WORDS[self]


class Channel(StrEnum):
    """How a message reaches a person."""

    WEBHOOK = "webhook"
    APPRISE = "apprise"
    PUSH = "push"


_WORDS = {
    Event.FINISHED: "a run finished",
    Event.FAILED: "a run failed",
    Event.LOST: "a script fell silent, or a worker went offline during a run",
    Event.JUDGED: "a hypothesis got its verdict",
    Event.ALARM: "an alarm was raised",
    Event.EVALUATION: "an evaluation finished or failed",
}
