"""One group of runs."""

from __future__ import annotations

from dataclasses import dataclass

from backend.groups.views import GroupView
from backend.parameter_search.chart import BestSoFar
from backend.parameter_search.views import ParameterSearchView
from backend.web.contexts import Context


@dataclass(frozen=True)
class GroupPage(Context):
    """A group of runs: each variation with its results over seeds."""

    template = "groups/page.html"
    nav = "runs"
    page = "group"

    group: GroupView
    search: ParameterSearchView | None  # where a parameter search chose the configurations
    progress: BestSoFar | None  # its chart, once a trial has a value
    comparison: str  # where its configurations stand side by side, over seeds; empty for fewer than two

    @property
    def page_title(self) -> str:
        return self.group.name
