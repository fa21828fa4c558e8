"""What each template is given: one typed context per page, and nothing besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from markupsafe import Markup

from backend.api.auth import who
from backend.db.tables import Checkpoint, LogLine, RunEvent
from backend.domain.errors import EtrmError, FieldProblem
from backend.domain.people import Identity
from backend.domain.presets import Preset
from backend.domain.published import Caveat, PublishedResult
from backend.domain.sweeps import SweepableField
from backend.domain.task import Task
from backend.pages.chart_view import ChartView, Drawn
from backend.pages.compare_board import LegendLine
from backend.pages.compare_tables import ConfigRow, EncoderRow, ResultRow
from backend.pages.dashboard_panels import Shown
from backend.pages.forms import Group, Part
from backend.pages.health import Health
from backend.pages.panels import Panel
from backend.pages.pass_curve import PassCurve
from backend.pages.runs_state import RICH, TableState
from backend.pages.runs_table import NAME_COLUMN, RICH_TITLES, Cell, Column, Delta, VariationRow
from backend.pages.sweep_form import SweepForm
from backend.services.accounts import PersonView, TokenView
from backend.services.checkpoint_files import WeightsFile
from backend.services.compare import Pair, TaskMatrix, Variation
from backend.services.dashboards import DashboardView, LiveShare, ShareView
from backend.services.datasets import SetSummary
from backend.services.estimates import EstimateView
from backend.services.evaluation_view import EvaluationView, TestInputView
from backend.services.gallery import Answer
from backend.services.gallery import Choices as GalleryChoices
from backend.services.gallery import Filter as GalleryFilter
from backend.services.gallery import Item as GalleryItem
from backend.services.gallery import Source as GallerySource
from backend.services.group_view import GroupPlace, GroupSummary, GroupView
from backend.services.leaks import LeakReport
from backend.services.predictions import PredictionItem
from backend.services.queue_board import Board
from backend.services.queue_wait import WaitView
from backend.services.run_view import RunView
from backend.services.saved_views import SavedViewView
from backend.services.storage import Storage
from backend.services.traces import SearchView, StepsView, VotesView
from backend.services.webhook import Deliveries
from backend.services.workers import WorkerState


@dataclass(frozen=True)
class Context:
    """Base: the template, the title of the page and its place in the rail."""

    template: ClassVar[str]
    nav: ClassVar[str] = ""
    page: ClassVar[str] = ""  # which module of ours drives it
    sheets: ClassVar[Sequence[str]] = ()  # style sheets besides those of every page

    @property
    def page_title(self) -> str:
        raise NotImplementedError

    def shared(self) -> dict[str, Any]:
        """What base.html needs of every page."""
        return {
            "page_title": self.page_title,
            "nav": self.nav,
            "page": self.page,
            "sheets": list(self.sheets),
            "role": who.get().role,
        }


@dataclass(frozen=True)
class RunRow:
    """A run in the table, with its sparkline as points of an SVG polyline (0..100, 0..24)."""

    run: RunView
    health: Health
    sparkline: str
    cells: Mapping[str, Cell]  # by column
    pass_delta: Delta | None  # pass@1 against the baseline


@dataclass(frozen=True)
class RunsPage(Context):
    """The table of runs. `problem` says what is wrong with the address; the rows then are of a plain one."""

    template = "runs/page.html"
    nav = "runs"
    page = "runs"

    rows: Sequence[RunRow]
    variations: Sequence[VariationRow]  # instead of rows where runs are grouped
    pinned: RunRow | None  # the baseline, above the rows
    baseline: RunView | None
    columns: Sequence[Column]
    state: TableState
    problem: FieldProblem | None
    next_cursor: str | None
    any_runs: bool
    group: GroupSummary | None  # of which these are the runs
    views: Sequence[SavedViewView]
    name_column: Column = NAME_COLUMN
    rich: Mapping[str, str] = field(default_factory=lambda: RICH_TITLES)
    default_columns: Sequence[str] = RICH

    @property
    def page_title(self) -> str:
        return "Runs"


@dataclass(frozen=True)
class LaunchPage(Context):
    """The launch form; `config_json` stands in its JSON tab."""

    template = "launch/page.html"
    nav = "launch"
    page = "launch"

    presets: Mapping[str, Sequence[Preset]]  # by heading
    chosen: Preset | None  # what the form started from, or else the parent
    parent: RunView | None
    sections: Sequence[Group]
    changes: Sequence[Part]  # what differs from the preset or parent
    config_json: str
    mode: str  # form, json
    problems: Sequence[FieldProblem]
    unplaced: Sequence[FieldProblem]
    sets: Sequence[str]
    series: Sequence[str]  # what a training records
    baselines: Sequence[RunView]  # the newest runs, to be beaten
    wait: WaitView
    sweep: SweepForm
    sweepable: Sequence[SweepableField]
    estimate: EstimateView | None  # None while the config is not valid

    @property
    def page_title(self) -> str:
        return f"Clone of {self.parent.name}" if self.parent else "New run"


@dataclass(frozen=True)
class SweepPreview(Context):
    """Which runs the launch form makes as it stands, and what is wrong with its sweep; without the frame."""

    template = "launch/_sweep_preview.html"
    page = "launch"

    sweep: SweepForm

    @property
    def page_title(self) -> str:
        return "Runs of the sweep"


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


@dataclass(frozen=True)
class RunPage(Context):
    """Everything about one run that the first paint shows; curves and predictions come after it."""

    template = "run/page.html"
    nav = "runs"
    page = "run"
    sheets = ("evaluation",)

    run: RunView
    health: Health
    courses: Mapping[str, str]  # metric of the evidence -> its sparkline
    panels: Sequence[Panel]
    drawn: Mapping[str, Drawn]  # panel id -> its chart at first paint
    view: ChartView
    config: Sequence[Group]  # compared with the defaults; empty for an external run
    config_json: str
    parent: RunView | None
    of_parent: Mapping[str, str]  # path -> text in the parent's config
    checkpoints: Sequence[Checkpoint]
    weights: Mapping[int, Sequence[WeightsFile]]  # step -> files to download; none where they are elsewhere
    log: Sequence[LogLine]
    events: Sequence[RunEvent]
    worker: WorkerState | None
    place: GroupPlace | None  # in its group
    sets: Sequence[str]  # names of the task sets
    version: int  # of the series; the event stream goes on from here

    @property
    def page_title(self) -> str:
        return self.run.name


@dataclass(frozen=True)
class EvaluationPage(Context):
    """One evaluation: what it measured, how, and what it cost. `inputs` are those scored so far."""

    template = "evaluation/page.html"
    nav = "runs"
    page = "evaluation"
    sheets = ("evaluation",)

    evaluation: EvaluationView
    curve: PassCurve | None
    inputs: Sequence[TestInputView]
    meanings: Mapping[str, str]  # failure mode -> what it means

    @property
    def page_title(self) -> str:
        return f"Evaluation {self.evaluation.id} of {self.evaluation.run_name}"


@dataclass(frozen=True)
class CompareChoice(Context):
    """Runs to choose from, where none is compared yet."""

    template = "compare/choice.html"
    nav = "compare"
    page = "compare"
    sheets = ("compare",)

    runs: Sequence[RunView]

    @property
    def page_title(self) -> str:
        return "Compare"


@dataclass(frozen=True)
class ComparePage(Context):
    """Runs side by side; the sections on tasks and significance come when they are opened."""

    template = "compare/page.html"
    nav = "compare"
    page = "compare"
    sheets = ("compare",)

    runs: Sequence[RunView]
    by: str  # run, or seed: one line per variation
    base: str
    k: int
    view: ChartView
    panels: Sequence[Panel]
    drawn: Mapping[str, Drawn]
    legend: Sequence[LegendLine]
    variations: Sequence[Variation]
    styles: Mapping[str, Markup]  # run id -> its mark
    labels: Mapping[str, str]
    encoder: tuple[Sequence[str], Sequence[EncoderRow]]
    results: Sequence[ResultRow]
    published: Sequence[PublishedResult]
    caveats: Mapping[Caveat, str]
    config: Sequence[ConfigRow]

    @property
    def page_title(self) -> str:
        return f"Compare {len(self.runs)} {'run' if len(self.runs) == 1 else 'runs'}"


@dataclass(frozen=True)
class CompareTasks(Context):
    """Which run solves which task, without the frame."""

    template = "compare/_tasks.html"
    page = "compare"

    runs: Sequence[RunView]
    labels: Mapping[str, str]
    styles: Mapping[str, Markup]
    matrix: TaskMatrix

    @property
    def page_title(self) -> str:
        return "Tasks of the compared runs"


@dataclass(frozen=True)
class CompareSignificance(Context):
    """Every run beside the baseline, without the frame."""

    template = "compare/_significance.html"
    page = "compare"

    labels: Mapping[str, str]
    styles: Mapping[str, Markup]
    base: str
    k: int
    pairs: Sequence[Pair]

    @property
    def page_title(self) -> str:
        return "Significance"


@dataclass(frozen=True)
class DashboardsPage(Context):
    """Every dashboard."""

    template = "dashboard/list.html"
    nav = "dashboards"
    page = "dashboards"
    sheets = ("compare", "dashboards")

    dashboards: Sequence[DashboardView]

    @property
    def page_title(self) -> str:
        return "Dashboards"


@dataclass(frozen=True)
class DashboardPage(Context):
    """A dashboard with its panels filled."""

    template = "dashboard/page.html"
    nav = "dashboards"
    page = "dashboard"
    sheets = ("compare", "dashboards")

    dashboard: DashboardView
    view: ChartView
    panels: Sequence[Shown]
    runs: Sequence[RunView]
    labels: Mapping[str, str]
    published: Sequence[PublishedResult]
    caveats: Mapping[Caveat, str]
    shares: Sequence[ShareView]
    metrics: Sequence[str]  # that some run has
    content_json: str
    by: str = "seed"

    @property
    def page_title(self) -> str:
        return self.dashboard.name


@dataclass(frozen=True)
class SharedDashboard(Context):
    """What a share link shows: the panels, and no way into the lab."""

    template = "dashboard/shared.html"
    page = "shared"
    sheets = ("compare", "dashboards")

    dashboard: DashboardView
    view: ChartView
    panels: Sequence[Shown]
    runs: Sequence[RunView]
    labels: Mapping[str, str]
    published: Sequence[PublishedResult]
    caveats: Mapping[Caveat, str]
    address: str
    by: str = "seed"

    @property
    def page_title(self) -> str:
        return self.dashboard.name


@dataclass(frozen=True)
class ExportedDashboard(Context):
    """A dashboard as one file that needs nothing else; `head` has its style sheets."""

    template = "dashboard/export.html"
    page = ""

    dashboard: DashboardView
    panels: Sequence[Shown]
    runs: Sequence[RunView]
    labels: Mapping[str, str]
    published: Sequence[PublishedResult]
    caveats: Mapping[Caveat, str]
    head: Markup
    made_at: float
    by: str = "seed"

    @property
    def page_title(self) -> str:
        return self.dashboard.name


@dataclass(frozen=True)
class PredictionCard:
    """One test input: what was shown, what was asked, what was answered. Grids as digits, "" for none."""

    item: PredictionItem
    demonstrations: Sequence[tuple[str, str]]
    test_input: str
    truth: str
    cells: int  # of the truth
    solved_at: int | None  # rank of the right candidate among those kept
    meanings: Mapping[str, str]  # failure mode -> what it means


@dataclass(frozen=True)
class PredictionsPart(Context):
    """Cards in a run page, without the frame around them."""

    template = "run/_predictions.html"
    page = "run"

    run: RunView
    cards: Sequence[PredictionCard]
    failure_mode: str
    next_address: str | None

    @property
    def page_title(self) -> str:
        return f"Predictions of {self.run.name}"


@dataclass(frozen=True)
class GalleryPage(Context):
    """Test inputs and what evaluations made of them, one by one or several evaluations side by side."""

    template = "gallery/page.html"
    nav = "gallery"
    page = "gallery"
    sheets = ("gallery",)

    asked: GalleryFilter
    items: Sequence[GalleryItem]
    columns: Sequence[GallerySource]  # side by side, A and B first
    earlier: Sequence[GallerySource]  # of A's run, on the same set
    modes: Mapping[str, int]  # first attempts, whatever mode is filtered for
    choices: GalleryChoices
    meanings: Mapping[str, str]  # failure mode -> what it means
    changes: Mapping[str, str]
    view: str  # grid, table
    next_address: str | None
    query: str  # of this page, without view and cursor
    problem: str

    @property
    def page_title(self) -> str:
        return "Gallery"


@dataclass(frozen=True)
class TaskTile:
    """A task in the browser; how many test inputs first attempts solved, of those asked, over all
    evaluations."""

    task: Task
    solved: int
    asked: int


@dataclass(frozen=True)
class TasksPage(Context):
    """The tasks of a set as thumbnails."""

    template = "tasks/browse.html"
    nav = "tasks"
    page = "tasks"
    sheets = ("gallery", "tasks")

    sets: Sequence[SetSummary]
    set_name: str
    text: str
    size: str
    tiles: Sequence[TaskTile]
    next_address: str | None

    @property
    def page_title(self) -> str:
        return "Tasks"


@dataclass(frozen=True)
class RunOnTask:
    """What a run made of a test input: its newest answer, and its answer at every evaluated checkpoint."""

    newest: Answer
    by_step: Sequence[Answer]


@dataclass(frozen=True)
class TaskPage(Context):
    """One puzzle, what every run made of one of its test inputs, and the votes behind one answer."""

    template = "tasks/page.html"
    nav = "tasks"
    page = "task"
    sheets = ("gallery", "tasks")

    set_name: str
    task: Task
    test_index: int
    runs: Sequence[RunOnTask]
    chosen: Answer | None
    votes: VotesView | None  # who voted for what in the chosen answer, where it was kept
    steps: StepsView | None  # its ACT steps, where they were recorded
    search: SearchView | None  # how its latent was searched, where it was
    flips: Sequence[tuple[int, bool]]  # (step, whether the answer is right from there on)
    before: str | None
    behind: str | None
    meanings: Mapping[str, str]

    @property
    def page_title(self) -> str:
        return self.task.id


@dataclass(frozen=True)
class QueuePage(Context):
    """What runs, what waits and why, what ended badly, and who works."""

    template = "queue/page.html"
    nav = "queue"
    page = "queue"
    sheets = ("queue",)

    board: Board
    by_id: Mapping[str, RunView]  # the running ones
    priorities: Sequence[str]

    @property
    def page_title(self) -> str:
        return "Queue"


@dataclass(frozen=True)
class SetCard:
    """A task set with its first tasks."""

    summary: SetSummary
    tasks: Sequence[Task]


@dataclass(frozen=True)
class DataPage(Context):
    """The task sets, the import form as it was sent, and a leak check if two sets are named."""

    template = "data/page.html"
    nav = "data"
    page = "data"
    sheets = ("gallery", "data")

    sets: Sequence[SetCard]
    training: str
    evaluated: str
    report: LeakReport | None
    leak_problem: str
    imported: str  # name of the set that was just imported
    import_problem: str
    name: str

    @property
    def page_title(self) -> str:
        return "Data"


@dataclass(frozen=True)
class SettingsPage(Context):
    """People, tokens, share links and storage; the first two are empty for who is no admin."""

    template = "settings/page.html"
    nav = "settings"
    page = "settings"
    sheets = ("data", "settings")

    me: Identity
    is_admin: bool
    people: Sequence[PersonView]
    tokens: Sequence[TokenView]
    storage: Storage
    webhook: str  # the host that alarms are sent to; "" for none
    deliveries: Deliveries
    roles: Sequence[str]
    shares: Sequence[LiveShare]
    can_revoke: bool  # share links

    @property
    def page_title(self) -> str:
        return "Settings"


@dataclass(frozen=True)
class LoginPage(Context):
    """Where a browser without a session lands."""

    template = "login/page.html"
    page = "login"

    problem: str
    hint: str

    @property
    def page_title(self) -> str:
        return "Log in"


@dataclass(frozen=True)
class ErrorPage(Context):
    """Any error as a page: what happened, why, what to do."""

    template = "errors/page.html"

    error: EtrmError

    @property
    def page_title(self) -> str:
        return self.error.status.phrase.capitalize()
