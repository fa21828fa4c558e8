"""Runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.charts.panels import Panel
from backend.charts.view import ChartView
from backend.comparison.board import Column, LegendLine
from backend.comparison.ensemble import Choice
from backend.comparison.replicates import Replicates, VariationPair
from backend.comparison.result_tables import ConfigRow, EncoderRow, ResultRow
from backend.comparison.service import Pair, TaskMatrix
from backend.domain.measurement import SAME, Protocol
from backend.domain.published import Caveat, PublishedResult
from backend.kit.format import counted
from backend.run_view.views import RunView
from backend.web.contexts import Context
from backend.web.drawn import Drawn

TABS = {
    "curves": "Curves",
    "results": "Results",
    "encoder": "Encoder health",
    "significance": "Significance",
    "tasks": "Tasks",
    "ensemble": "Ensemble",
    "config": "Config",
}  # id -> title, in order


@dataclass(frozen=True)
class CompareChoice(Context):
    """Runs to choose from, where none is compared yet."""

    template = "comparison/choice.html"
    nav = "compare"
    page = "compare"
    sheets = ("comparison",)

    runs: Sequence[RunView]


@dataclass(frozen=True)
class ComparePage(Context):
    """Runs side by side; the sections on tasks and significance come when they are opened."""

    template = "comparison/page.html"
    nav = "compare"
    page = "compare"
    sheets = ("comparison",)

    runs: Sequence[RunView]
    columns: Sequence[Column]
    by: str  # run, or seed: one line per variation
    base: str  # key of a column
    k: int
    at: str  # which checkpoints' results
    view: ChartView
    panels: Sequence[Panel]
    refused: Mapping[str, str]  # expression -> why it has no chart
    metrics: Sequence[str]
    drawn: Mapping[str, Drawn]
    legend: Sequence[LegendLine]
    encoder: tuple[Mapping[str, str], Sequence[EncoderRow]]  # measures by title; rows
    results: Sequence[ResultRow]
    published: Sequence[PublishedResult]
    caveats: Mapping[Caveat, str]
    config: Sequence[ConfigRow]
    config_fields: int  # that differ; `config` has the first of them
    problems: Mapping[str, str]  # section -> why it could not be shown
    query: str  # of the address, for the tables of a paper
    repeats: Mapping[str, str]  # over seeds: label -> which of its seeds were run again
    tabs: Mapping[str, str] = field(default_factory=lambda: TABS)

    @property
    def page_title(self) -> str:
        return f"Compare {counted(len(self.runs), 'run')}"


@dataclass(frozen=True)
class CompareTasks(Context):
    """Which run solves which task, without the frame.

    Over seeds also `replicates` by key and, by task, how many seeds of all lines solve it, of how many.
    """

    template = "comparison/_tasks.html"
    page = "compare"

    columns: Sequence[Column]  # those that were asked tasks
    matrix: TaskMatrix
    replicates: Mapping[str, Replicates] = field(default_factory=dict)
    seeds: Mapping[str, str] = field(default_factory=dict)

    @property
    def page_title(self) -> str:
        return "Tasks of the compared runs"


@dataclass(frozen=True)
class CompareEnsemble(Context):
    """The votes of several evaluations of the runs as one ranking, without the frame."""

    template = "comparison/_ensemble.html"
    page = "compare"

    columns: Mapping[str, Column]  # by id of the run
    choice: Choice
    k: int
    kept: Mapping[str, str]  # what else the address says, for the form to keep
    same_settings: str = SAME  # what members must have in common

    @property
    def page_title(self) -> str:
        return "Ensemble"


@dataclass(frozen=True)
class CompareSignificance(Context):
    """Every run beside the baseline, without the frame."""

    template = "comparison/_significance.html"
    page = "compare"

    columns: Mapping[str, Column]
    base: str
    k: int
    pairs: Sequence[Pair]
    code: str  # that it differs; else empty
    query: str  # of the address, for the table of a paper

    @property
    def page_title(self) -> str:
        return "Significance"


@dataclass(frozen=True)
class CompareVariations(Context):
    """Every variation beside the baseline, over seeds, without the frame."""

    template = "comparison/_variations.html"
    page = "compare"

    columns: Mapping[str, Column]
    base: str
    k: int
    pairs: Sequence[VariationPair]
    protocol: Protocol | None  # that most runs share
    left_out: str  # which runs lack it; else empty
    code: str  # that it differs; else empty
    query: str  # of the address, for the table of a paper

    @property
    def page_title(self) -> str:
        return "Significance over seeds"


@dataclass(frozen=True)
class CompareVerdicts(Context):
    """Every variation beside the baseline, over seeds and in short, without the frame."""

    template = "comparison/_verdicts.html"
    page = "group"

    columns: Mapping[str, Column]
    base: str
    k: int
    pairs: Sequence[VariationPair]
    query: str  # of the address, for the whole comparison

    @property
    def page_title(self) -> str:
        return "Verdicts over seeds"
