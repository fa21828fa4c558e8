"""One group of runs."""

from __future__ import annotations

from dataclasses import dataclass

from backend.pages.contexts.base import Context
from backend.services.group_view import GroupView


@dataclass(frozen=True)
class GroupPage(Context):
    """A group of runs: each variation with its results over seeds."""

    template = "group/page.html"
    nav = "runs"
    page = "group"

    group: GroupView

    @property
    def page_title(self) -> str:
        return self.group.name
