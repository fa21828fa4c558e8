"""One run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from backend.ablations.views import AblationLine
from backend.charts.panels import Panel
from backend.charts.view import ChartView
from backend.domain.health import Health
from backend.domain.learning import Learning
from backend.evaluation_page.failure_modes import ModeCourse
from backend.groups.views import GroupPlace
from backend.keeping.service import Kept
from backend.launch.forms import Group
from backend.run_page.own_metrics import OwnMetric
from backend.run_page.reproduce import Recipe, Start
from backend.run_view.views import RunView
from backend.runs.checkpoint_files import WeightsFile
from backend.runs.tables import LogLine, RunEvent
from backend.web.contexts import Context
from backend.web.drawn import Drawn
from backend.workers.service import WorkerState


@dataclass(frozen=True)
class HistogramFigure:
    """A heat map of the page, which the browser draws."""

    name: str
    title: str
    about: str
    last_step: int


TABS = {
    "curves": "Curves",
    "encoder": "Encoder health",
    "predictions": "Predictions",
    "evaluations": "Evaluations",
    "config": "Config",
    "reproduce": "Reproduce",
    "checkpoints": "Checkpoints",
    "log": "Log",
    "machine": "Machine",
}  # id -> title, in order


@dataclass(frozen=True)
class RunPage(Context):
    """Everything about one run that the first paint shows; curves and predictions come after it."""

    template = "run_page/page.html"
    nav = "runs"
    page = "run"
    sheets = ("evaluation_page",)

    run: RunView
    learning: Learning
    health: Health
    courses: Mapping[str, str]  # metric of the evidence -> its sparkline
    histograms: Sequence[HistogramFigure]
    panels: Sequence[Panel]
    refused: Mapping[str, str]  # expression -> why it has no chart
    metrics: Sequence[str]
    drawn: Mapping[str, Drawn]  # panel id -> its chart at first paint
    view: ChartView
    config: Sequence[Group]  # compared with the defaults; empty for an external run
    config_json: str
    parent: RunView | None
    of_parent: Mapping[str, str]  # path -> text in the parent's config
    starts: Sequence[Start]  # what it was computed with, oldest first; none of an older run
    recipe: Recipe | None  # how to compute it again
    kept: Sequence[Kept]  # its checkpoints, newest first
    best_by: str  # what the best of them are best at
    weights: Mapping[int, Sequence[WeightsFile]]  # step -> files to download; none where they are elsewhere
    log: Sequence[LogLine]
    events: Sequence[RunEvent]
    worker: WorkerState | None
    place: GroupPlace | None  # in its group
    sets: Sequence[str]  # names of the task sets
    courses_of_modes: Sequence[ModeCourse]
    ablations: Sequence[AblationLine]  # of its checkpoints, newest first
    meanings: Mapping[str, str]  # failure mode -> what it means
    version: int  # of the series; the event stream continues from here
    is_external: bool
    own_metrics: Sequence[OwnMetric]  # what the script of an external run logs; none of a training
    empty_tabs: Set[str]  # the sections that are hidden until they have something to show
    tabs: Mapping[str, str] = field(default_factory=lambda: TABS)

    @property
    def page_title(self) -> str:
        return self.run.name
