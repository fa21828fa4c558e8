"""A set of runs as pictures: a scatter, parallel coordinates, which fields go with a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from backend.explore.drawings import Legend, Scatter
from backend.explore.importance import RESAMPLES, SHUFFLINGS, Importance
from backend.explore.scales import Axis
from backend.explore.service import Explored, Point, Question
from backend.web.contexts import Context

TABLE_ROWS = 200  # of the table of runs
MOST_COMPARED = 50
MARKS = {"run": "each run", "line": "each run, seeds joined", "mean": "mean over the seeds"}


@dataclass(frozen=True)
class AxisAsked:
    """An axis of the parallel coordinates, and the values to which it narrows the runs, as written."""

    name: str
    low: str = ""  # of a choice: the value
    high: str = ""


@dataclass(frozen=True)
class Asked:
    """What is drawn, as the address says it."""

    filter: str
    runs: str = ""  # ids, separated by commas, instead of a filter
    x: str = ""
    y: str = ""
    colour: str = ""
    symbol: str = ""
    by: str = "run"
    log: frozenset[str] = frozenset()  # x, y
    axes: tuple[AxisAsked, ...] = ()

    @property
    def names(self) -> list[str]:
        """Everything that has to be known of each run."""
        wanted = (self.x, self.y, self.colour, self.symbol, *(axis.name for axis in self.axes))
        return [name for name in dict.fromkeys(wanted) if name]

    @property
    def of_importance(self) -> str:
        """The query of the part that comes later."""
        return urlencode({"filter": self.filter, "runs": self.runs, "of": self.y})


@dataclass(frozen=True)
class Pictures:
    """What is drawn of the runs, and the runs that the axes narrow them to."""

    scatter: Scatter
    legends: Sequence[Legend]
    parallel: str
    axes: Sequence[tuple[AxisAsked, Axis]]
    chosen: Sequence[Point]
    hidden: int  # runs without a place in the scatter

    @property
    def narrowed(self) -> bool:
        """Whether any axis narrows them."""
        return any(asked.low or asked.high for asked, _ in self.axes)


@dataclass(frozen=True)
class Row:
    """A run in the table, with the texts of the columns."""

    point: Point
    cells: Sequence[str]


@dataclass(frozen=True)
class ExplorePage(Context):
    """The runs that match a filter; what explains them comes later."""

    template = "explore/page.html"
    nav = "runs"
    page = "explore"
    sheets = ("explore",)

    asked: Asked
    problem: str  # why there is nothing to show
    explored: Explored | None
    fields: Sequence[str]  # of the configs, that vary
    known: Mapping[str, str]  # names to choose from -> title
    pictures: Pictures | None
    rows: Sequence[Row]  # of the table: as many of the chosen runs as it shows
    compare: str  # where the chosen runs are compared; empty where they are too many or too few
    marks: Mapping[str, str]
    most_compared: int = MOST_COMPARED

    @property
    def page_title(self) -> str:
        return "Explore"


@dataclass(frozen=True)
class ExploreImportance(Context):
    """Which fields go with a result, without the frame."""

    template = "explore/_importance.html"
    nav = "runs"
    page = "explore"

    question: Question | None
    problem: str
    of: str
    decided: Sequence[Importance]
    undecided: Sequence[Importance]
    without: Sequence[Importance]  # a number
    resamples: int = RESAMPLES
    shufflings: int = SHUFFLINGS

    @property
    def page_title(self) -> str:
        return f"What goes with {self.of}"
