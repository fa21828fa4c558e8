"""Dashboards: all of them, one, shared, exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from backend.charts.view import ChartView
from backend.dashboards.panels import Shown
from backend.dashboards.service import DashboardView, ShareView
from backend.domain.dashboards import MEASURES
from backend.domain.published import Caveat, PublishedResult
from backend.run_view.views import RunView
from backend.web.contexts import Context


@dataclass(frozen=True)
class DashboardsPage(Context):
    """Every dashboard."""

    template = "dashboards/list.html"
    nav = "dashboards"
    page = "dashboards"
    sheets = ("comparison", "dashboards")

    dashboards: Sequence[DashboardView]


@dataclass(frozen=True, kw_only=True)
class FilledDashboard(Context):
    """Base of every page that shows a dashboard's panels."""

    dashboard: DashboardView
    panels: Sequence[Shown]
    runs: Sequence[RunView]
    labels: Mapping[str, str]
    published: Sequence[PublishedResult]
    caveats: Mapping[Caveat, str]
    by: str = "seed"

    @property
    def page_title(self) -> str:
        return self.dashboard.name


@dataclass(frozen=True, kw_only=True)
class DashboardPage(FilledDashboard):
    """A dashboard with its panels filled."""

    template = "dashboards/page.html"
    nav = "dashboards"
    page = "dashboard"
    sheets = ("comparison", "dashboards", "explore")

    view: ChartView
    shares: Sequence[ShareView]
    only_here: bool  # nobody elsewhere opens a link
    metrics: Sequence[str]  # that a panel of curves can be of
    measures: Sequence[str] = MEASURES  # that bars can be of
    content_json: str
    edited: bool  # opened to be changed: nothing moves once its script runs


@dataclass(frozen=True, kw_only=True)
class SharedDashboard(FilledDashboard):
    """What a share link shows: the panels, and no way into the lab."""

    template = "dashboards/shared.html"
    page = "shared"
    sheets = ("comparison", "dashboards", "explore")

    view: ChartView
    address: str


@dataclass(frozen=True, kw_only=True)
class ExportedDashboard(FilledDashboard):
    """A dashboard as one file that needs nothing else; `head` has its style sheets."""

    template = "dashboards/export.html"
    page = ""

    head: Markup
    made_at: float
