"""`/compare?runs=…`: any set of runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query
from fastapi.responses import HTMLResponse, Response

from backend.charts.cache import as_json
from backend.charts.view import Expressions, PanelIds, View
from backend.comparison import ensemble, replicates
from backend.comparison import service as compare
from backend.comparison.board import Board, By, columns_of
from backend.comparison.contexts import (
    CompareChoice,
    CompareEnsemble,
    ComparePage,
    CompareSignificance,
    CompareTasks,
    CompareVariations,
    CompareVerdicts,
)
from backend.comparison.replicates import Replicates
from backend.comparison.result_tables import (
    MAX_CONFIG_ROWS,
    ConfigRow,
    EncoderRow,
    config_rows,
    encoder_table,
    results_table,
)
from backend.db.session import reading_scope
from backend.domain.dashboards import At
from backend.domain.published import CAVEATS, PUBLISHED
from backend.kit.boundary import Broken, or_else, shielded
from backend.runs_table import search as run_search
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

Part = TypeVar("Part")
CHOICE = 100  # runs to choose from


class Question:
    """What is compared, as the address says it."""

    def __init__(
        self,
        runs: Annotated[list[str] | None, Query()] = None,
        by: By = "run",
        base: str = "",
        k: Annotated[int, Query(ge=1, le=100)] = 1,
        at: At = "newest",
        hide: Annotated[str, Query(max_length=4000)] = "",
        expr: Expressions = None,
    ) -> None:
        self.ids = [each for given in runs or [] for each in given.split(",") if each]
        self.by: By = by
        self.base, self.k = base, k
        self.at: At = at
        self.hidden = frozenset(filter(None, hide.split(",")))
        self.expressions = expr or []

    @property
    def query(self) -> str:
        """All of it but what is hidden, as a query."""
        return urlencode(
            {"runs": ",".join(self.ids), "by": self.by, "base": self.base, "k": self.k, "at": self.at}
        )


Asked = Annotated[Question, Depends()]


@router.get("/compare")
def compare_page(engine: Database, asked: Asked, view: View) -> HTMLResponse:
    """Curves, encoder health, results and configs of the runs; without runs, a list to choose from."""
    with reading_scope(engine) as session:
        if not asked.ids:
            page = run_search.find(session, limit=CHOICE, metrics=())
            return render(CompareChoice(page.runs))
        found = compare.chosen(session, asked.ids)
        board = Board(session, found, asked.by, asked.expressions)
        problems: dict[str, str] = {}
        no_encoders: tuple[dict[str, str], list[EncoderRow]] = ({}, [])

        def section(what: str, make: Callable[[], Part], otherwise: Part) -> Part:
            made = shielded(what, make)
            if isinstance(made, Broken):
                problems[what] = made.text
            return or_else(made, otherwise)

        no_configs: list[ConfigRow] = []
        config = section("the configs", lambda: config_rows(board), no_configs)
        context = ComparePage(
            runs=found,
            columns=columns_of(board),
            by=asked.by,
            base=_base(board, asked),
            k=asked.k,
            at=asked.at,
            view=view,
            panels=board.panels,
            refused=board.refused,
            metrics=board.metrics,
            drawn=board.first_paint(view),
            legend=board.legend(asked.hidden),
            encoder=section("encoder health", lambda: encoder_table(board), no_encoders),
            results=section("the results", lambda: results_table(board, asked.at), []),
            published=PUBLISHED,
            caveats=CAVEATS,
            config=config[:MAX_CONFIG_ROWS],
            config_fields=len(config),
            problems=problems,
            query=asked.query,
            repeats={
                each.label: each.repeats for each in board.variations if each.repeats and asked.by == "seed"
            },
        )
    return render(context)


def _base(board: Board, asked: Question) -> str:
    """Key of the line that the others are held against: a run, or the variation that it belongs to."""
    run_id = compare.baseline(board.runs, asked.base)
    return compare.variation_of(board.variations, run_id).key if board.by == "seed" else run_id


@router.get("/compare/figures")
def figures(panel_ids: PanelIds, engine: Database, asked: Asked, view: View) -> Response:
    """Metrics of all runs as Plotly figures."""
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, asked.ids), asked.by, asked.expressions)
        made = board.charts([board.panel(metric) for metric in panel_ids], view)
    return Response(as_json(made), media_type="application/json")


@router.get("/compare/tasks")
def tasks(engine: Database, asked: Asked) -> HTMLResponse:
    """Which run, or how many seeds of which variation, solve which task."""
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, asked.ids), asked.by)
        over_seeds = asked.by == "seed"
        found = replicates.replicates(session, board.variations, asked.k) if over_seeds else []
        made = (
            replicates.matrix(found, asked.k) if over_seeds else compare.matrix(session, board.runs, asked.k)
        )
    context = CompareTasks(
        columns=[each for each in columns_of(board) if each.key in made.results],
        matrix=made,
        replicates={each.variation.key: each for each in found},
        seeds={row.task_id: _seeds(found, row.task_id) for row in made.tasks},
    )
    return render(context)


def _seeds(found: Sequence[Replicates], task: str) -> str:
    """How many seeds of all variations solve all of the task, of those of variations that were asked it."""
    asked = [each for each in found if each.mean(task) is not None]
    return f"{sum(each.solved_by(task) for each in asked)}/{sum(len(each.scores) for each in asked)}"


@router.get("/compare/ensemble")
def ensemble_of_runs(
    engine: Database,
    asked: Asked,
    member: Annotated[list[str] | None, Query(description="Ids of evaluations; none: the newest.")] = None,
    how: Annotated[str, Query(max_length=40, description="Key of the protocol.")] = "",
) -> HTMLResponse:
    """Evaluations of the runs that can vote together, and what those chosen say as one."""
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, asked.ids))
        columns = {each.key: each for each in columns_of(board)}
        choice = ensemble.choice(session, board.runs, member or [], how, asked.k)
    kept = {"runs": ",".join(asked.ids), "by": asked.by, "base": asked.base, "at": asked.at}
    kept["k"] = str(asked.k)
    return render(
        CompareEnsemble(columns, choice, asked.k, {name: text for name, text in kept.items() if text})
    )


@router.get("/compare/significance")
def significance(engine: Database, asked: Asked) -> HTMLResponse:
    """Every run, or variation over its seeds, beside the baseline on the same tasks."""
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, asked.ids), asked.by)
        base, columns = _base(board, asked), {each.key: each for each in columns_of(board)}
        code = compare.warning_of_code(session, [run.id for run in board.runs])
        if asked.by == "run":
            pairs = compare.pairs(session, board.runs, base, asked.k)
            return render(CompareSignificance(columns, base, asked.k, pairs, code, asked.query))
        found = replicates.replicates(session, board.variations, asked.k)
        over_seeds = replicates.pairs(found, base)
        protocol = replicates.common_protocol(board.runs)
        left_out = replicates.left_out(board.runs, protocol)
    return render(
        CompareVariations(columns, base, asked.k, over_seeds, protocol, left_out, code, asked.query)
    )


@router.get("/compare/verdicts")
def verdicts(engine: Database, asked: Asked) -> HTMLResponse:
    """Every variation over its seeds beside the baseline, in short: for the page of a group."""
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, asked.ids), "seed")
        base, columns = _base(board, asked), {each.key: each for each in columns_of(board)}
        over_seeds = replicates.pairs(replicates.replicates(session, board.variations, asked.k), base)
    return render(CompareVerdicts(columns, base, asked.k, over_seeds, asked.query))
