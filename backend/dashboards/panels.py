"""The panels of a dashboard, each with what it shows of the dashboard's runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from markupsafe import Markup
from sqlalchemy.orm import Session

from backend.charts.cache import Chart as KeptChart
from backend.charts.grid_svg import grid_svg
from backend.charts.panels import Panel as Chart
from backend.charts.view import ChartView
from backend.comparison import replicates
from backend.comparison.bars import Bar, bars_of, bars_svg, whiskers
from backend.comparison.board import Board, By, Column, columns_of
from backend.comparison.replicates import Replicates, VariationPair
from backend.comparison.result_tables import (
    MAX_CONFIG_ROWS,
    ConfigRow,
    EncoderRow,
    ResultRow,
    config_rows,
    encoder_table,
    results_table,
)
from backend.dashboards import service as dashboards
from backend.dashboards.prose import prose
from backend.domain.arc.grid import Grid
from backend.domain.dashboards import (
    AnyPanel,
    BarsPanel,
    Content,
    CurvesPanel,
    GridsPanel,
    ProsePanel,
    ScatterPanel,
    TablePanel,
)
from backend.domain.measurement import Protocol
from backend.domain.records import mode_words
from backend.explore import service as explore
from backend.explore.drawings import Legend, drawn_scatter
from backend.explore.service import Point, Runs
from backend.gallery import service as gallery
from backend.kit.boundary import Broken, shielded
from backend.kit.errors import InvalidInput, NotFound
from backend.kit.format import counted
from backend.run_view.views import RunView
from backend.web.drawn import NOT_YET, Drawn

LAST_RECORDED = "Last recorded on training samples."
MAX_GRIDS = 6  # variants side by side


@dataclass(frozen=True)
class ShownGrid:
    """A grid with what stands beneath it; `truth` is what it should be, where its errors are marked."""

    caption: str
    digits: str  # empty: there is none
    label: str = ""
    truth: str = ""

    @property
    def drawing(self) -> Markup:
        """As a page shows it."""
        return grid_svg(self.digits, self.label, self.truth) if self.digits else Markup()


@dataclass(frozen=True)
class Example:
    """One test input: the question, the truth, and what each variant made of it."""

    title: str
    grids: Sequence[ShownGrid]
    demonstrations: Sequence[ShownGrid] = ()  # input and output of each


@dataclass(frozen=True)
class Shown:
    """A panel and what it shows; `nothing` says why it shows nothing."""

    panel: AnyPanel
    nothing: str = ""
    problem: str = ""  # why it could not be shown
    basis: str = ""  # what its numbers were measured on, where they say it not by themselves
    chart: Chart | None = None
    drawn: Drawn = NOT_YET
    picture: Markup = Markup()  # noqa: RUF009  frozen, and the same for all
    html: Markup = Markup()  # noqa: RUF009
    rows: Sequence[ResultRow] = ()
    encoder: tuple[Mapping[str, str], Sequence[EncoderRow]] = ({}, ())  # measures by title; rows
    config: Sequence[ConfigRow] = ()
    columns: Sequence[Column] = ()  # of the table of configs
    base: str = ""  # what the variations of `pairs` are held against
    pairs: Sequence[VariationPair] = ()
    examples: Sequence[Example] = ()
    bars: Sequence[Bar] = field(default=(), repr=False)
    runs: Sequence[str] = ()  # whose predictions `examples` are
    legends: Sequence[Legend] = ()  # of a scatter
    points: Sequence[Point] = field(default=(), repr=False)

    @property
    def shown_config(self) -> Sequence[ConfigRow]:
        """As much of the configs as a page bears; the CSV has all."""
        return self.config[:MAX_CONFIG_ROWS]


class Panels:
    """The runs of a dashboard, and its panels filled from them."""

    def __init__(self, session: Session, found: Sequence[RunView]) -> None:
        self.session = session
        self.runs = found
        self._boards: dict[By, Board] = {}

    def board(self, by: By) -> Board:
        """The runs as lines: one each, or one per variation."""
        if by not in self._boards:
            self._boards[by] = Board(self.session, self.runs, by)
        return self._boards[by]

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Run id -> what it is called."""
        return {key: style.label for key, style in self.board("run").styles.items()}

    def shown(self, panel: AnyPanel, view: ChartView) -> Shown:
        """The panel with its contents, or with why it has none."""
        made = shielded(f"panel {panel.title or panel.id!r}", lambda: self._filled(panel, view))
        return Shown(panel, problem=made.text) if isinstance(made, Broken) else made

    def _filled(self, panel: AnyPanel, view: ChartView) -> Shown:
        if isinstance(panel, ProsePanel):
            return Shown(panel, html=prose(panel.text))
        if isinstance(panel, TablePanel) and panel.table == "published":
            return Shown(panel)
        if not self.runs:
            return Shown(panel, nothing="No runs match yet. Matching runs will appear here.")
        if isinstance(panel, CurvesPanel):
            return self._curves(panel, view)
        if isinstance(panel, BarsPanel):
            bars = bars_of(self.board("seed").variations, panel.measure)
            if not bars:
                return Shown(panel, nothing=f"No run has {panel.measure} yet.")
            basis = self._measured() if panel.measure.startswith("pass@") else LAST_RECORDED
            picture = bars_svg(bars, panel.title or panel.measure)
            basis += self._repeats() + whiskers(bars)
            return Shown(panel, basis=basis, bars=bars, picture=picture)
        if isinstance(panel, TablePanel):
            return self._table(panel)
        if isinstance(panel, ScatterPanel):
            return self._scatter(panel)
        return self._grids(panel)

    def _scatter(self, panel: ScatterPanel) -> Shown:
        names = list(dict.fromkeys(filter(None, (panel.x, panel.y, panel.colour))))
        found = explore.explore(self.session, Runs(ids=tuple(run.id for run in self.runs)), names)
        made, legends = drawn_scatter(found.points, panel.x, panel.y, panel.colour, panel.marks)
        if not made.shown:
            return Shown(panel, nothing=f"No run has both {panel.x} and {panel.y} yet.")
        basis = " ".join([f"{made.shown} of {counted(len(found.points), 'run')}.", *found.notes])
        return Shown(panel, picture=made.svg, legends=legends, points=found.points, basis=basis)

    def charts(self, wanted: Sequence[AnyPanel], view: ChartView) -> dict[str, KeptChart]:
        """Panel id -> its chart, of panels of curves; without those whose metric no run has recorded yet."""
        by_lines: dict[By, list[Chart]] = {}
        for panel in wanted:
            if not isinstance(panel, CurvesPanel):
                raise NotFound(f"Panel {panel.id!r} has no curves.")
            chart: Chart | None = None
            with suppress(InvalidInput):  # which the panel says itself
                chart = self.chart(panel)
            if chart is not None:
                by_lines.setdefault(panel.by, []).append(chart)
        made: dict[str, KeptChart] = {}
        for by, shown_charts in by_lines.items():
            made |= self.board(by).charts(shown_charts, view)
        return made

    def chart(self, panel: CurvesPanel) -> Chart | None:
        """The panel as a chart, under the panel's own id; None where no run has its metric."""
        try:
            found = self.board(panel.by).panel(panel.metric)
        except NotFound:
            return None
        return replace(found, id=panel.id, title=panel.title or found.title)

    def _curves(self, panel: CurvesPanel, view: ChartView) -> Shown:
        chart = self.chart(panel)
        if chart is None:
            return Shown(panel, nothing=f"No run has recorded {panel.metric} yet.")
        return Shown(panel, chart=chart, drawn=self.board(panel.by).charts([chart], view)[chart.id].drawn)

    def _table(self, panel: TablePanel) -> Shown:
        board = self.board(panel.by)
        if panel.table == "encoder":
            titles, rows = encoder_table(board)
            recorded = [row for row in rows if row.measures]
            nothing = "" if recorded else "No run has recorded encoder metrics yet."
            return Shown(panel, encoder=(titles, recorded), nothing=nothing)
        if panel.table == "significance":
            return self._significance(panel)
        if panel.table == "config":
            config = config_rows(board)
            nothing = "" if config else "The configs are identical."
            cut = f"{MAX_CONFIG_ROWS} of {len(config):,} fields that differ; the CSV has all."
            basis = cut if len(config) > MAX_CONFIG_ROWS else ""
            return Shown(panel, config=config, columns=columns_of(board), nothing=nothing, basis=basis)
        results = results_table(board, panel.at)
        return Shown(panel, rows=results, nothing="" if results else "No run has a finished evaluation yet.")

    def _significance(self, panel: TablePanel) -> Shown:
        """Every variation beside the best of those with an encoder, or of all where there is none; at a tie
        beside the first."""
        found = replicates.replicates(self.session, self.board("seed").variations, k=1)
        scored = [each for each in found if each.scores and not each.other_tasks]
        if len(scored) < 2:
            left_out = self._left_out(replicates.common_protocol(self.runs))
            needed = f"Significance needs two configurations evaluated by the same protocol.{left_out}"
            return Shown(panel, nothing=needed)
        encoders = [each for each in scored if each.variation.variant != "trm"] or scored
        best = max(encoders, key=_mean)
        shown = [each for each in found if each.scores or each.left_out]
        pairs = replicates.pairs(shown, best.variation.key)
        base = best.variation.label
        if sum(_mean(each) == _mean(best) for each in encoders) == 1:
            base += f", the best {'encoder' if encoders is not scored else 'one'} here"
        return Shown(panel, basis=self._measured(), base=base, pairs=pairs)

    def _measured(self) -> str:
        """The protocol of the held-out results that most runs share, and which runs it leaves out."""
        protocol = replicates.common_protocol(self.runs)
        if protocol is None:
            return ""
        return f"{protocol.label}. Newest such of each run.{self._left_out(protocol)}"

    def _left_out(self, protocol: Protocol | None) -> str:
        """` 1 of 2 runs not comparable: different tasks (8 and 8).`; empty without any."""
        left_out = replicates.left_out(self.runs, protocol)
        return f" {left_out}." if left_out else ""

    def _repeats(self) -> str:
        """` deterministic: seed 0 twice; counted once.`; empty where no seed was run again."""
        found = self.board("seed").variations
        return "".join(f" {each.label}: {each.repeats}." for each in found if each.repeats)

    def _grids(self, panel: GridsPanel) -> Shown:
        """The first run of each variation that has a result by the protocol that most runs share."""
        protocol = replicates.common_protocol(self.runs)
        if protocol is None:
            return Shown(panel, nothing="No run has predictions on a held-out set yet.")
        by_variation = [
            [(run, results[run.id]) for run in variation.runs if run.id in results]
            for variation in self.board("seed").variations
            if (results := replicates.results_of(variation, protocol))
        ]
        firsts = [found[0] for found in by_variation][:MAX_GRIDS]
        wanted = gallery.Filter(
            evaluations=tuple(result.id for _, result in firsts),
            set_name=protocol.set_name,
            task=panel.task,
            mode=panel.mode,
        )
        items = gallery.page(self.session, wanted, panel.most).items
        examples = [_example(item, [run.variant or run.name for run, _ in firsts]) for item in items]
        shown_runs = ", ".join(f"{run.name} at step {result.step:,}" for run, result in firsts)
        said = f"{protocol.label}, first attempts of one run of each configuration: {shown_runs}."
        basis = f"{said}{self._left_out(protocol)}" if examples else ""
        nothing = "" if examples else "No test inputs match."
        shown_ids = [run.id for run, _ in firsts]
        return Shown(panel, basis=basis, examples=examples, nothing=nothing, runs=shown_ids)


def panels_of(session: Session, content: Content) -> Panels:
    """What panels of the runs of a dashboard show."""
    return Panels(session, dashboards.runs_of(session, content.source))


def _mean(side: Replicates) -> float:
    found = side.share(side.tasks) if side.tasks else None
    return found.mean if found else 0.0


def _example(item: gallery.Item, names: Sequence[str]) -> Example:
    truth = _digits(item.truth)
    grids = [ShownGrid("input", _digits(item.test_input), "test input")]
    if truth:
        grids.append(ShownGrid("truth", truth, "truth"))
    for name, answer in zip(names, item.answers, strict=True):
        best = answer.outcome.candidates[0] if answer and answer.outcome.candidates else None
        if best is None:
            grids.append(ShownGrid(f"{name}: no answer", ""))
            continue
        said = "right" if best.correct else mode_words(best.failure_mode or "wrong")
        grids.append(ShownGrid(f"{name}: {said}", best.grid.digits, f"{name}, {said}", truth))
    demonstrations = [
        ShownGrid(f"demo {number} {side}", grid.digits)
        for number, pair in enumerate(item.task.demonstrations if item.task else (), 1)
        for side, grid in (("input", pair.input), ("output", pair.output))
    ]
    return Example(f"{item.task_id} #{item.test_index + 1}", grids, demonstrations)


def _digits(grid: Grid | None) -> str:
    return grid.digits if grid else ""
