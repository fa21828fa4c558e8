"""The tables of a comparison as a paper has them: k/n, interval, and the conditions as notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy.orm import Session

from backend.comparison import replicates
from backend.comparison import service as compare
from backend.comparison.board import Board
from backend.comparison.replicates import VariationPair
from backend.comparison.result_tables import SHOWN_K, ResultRow, results_table
from backend.comparison.result_tables import Cell as Score
from backend.domain.dashboards import At
from backend.domain.published import CAVEATS, PUBLISHED, PublishedResult
from backend.domain.statistics import Mean
from backend.kit.exports.typeset import Cell, Row, Typeset
from backend.kit.format import NO_VALUE, count, counted, p_value, percent, signed, significant, solved
from backend.run_view.views import ResultView
from backend.scores.measured import PassView

What = Literal["results", "significance"]
RESULT_HEAD = ("Model", *(f"pass@{k}" for k in SHOWN_K), "Train accuracy", "Cross-sample variance")


def paper_table(
    session: Session, board: Board, what: What, base: str, k: int, at: At, published: bool
) -> Typeset:
    """The table of results, with `published` ones below a rule, or the one of significance against `base`."""
    if what == "results":
        return results(board, at, published)
    return significance(session, board, base, k)


def results(board: Board, at: At, published: bool) -> Typeset:
    """pass@k of every line of the board; how it was measured stands in the notes."""
    rows = results_table(board, at)
    notes = {text: text for row in rows for text in (_conditions(row.result), row.left_out) if text}
    groups = [[_result(row, board.by == "seed") for row in rows]]
    if published:
        groups.append([_published(row) for row in PUBLISHED])
        notes |= {f"published {name}": f"Published: {text}" for name, text in CAVEATS.items()}
    over = (
        " Over several seeds: the mean of their shares, with its 95 % interval." if board.by == "seed" else ""
    )
    return Typeset(
        label="results",
        caption=f"Tasks solved with k attempts: k/n, share and 95 % Wilson interval.{over}",
        head=("Configuration" if board.by == "seed" else "Run", *RESULT_HEAD[1:]),
        groups=[rows for rows in groups if rows],
        notes=notes,
    )


def published_results() -> Typeset:
    """The results of others, with what has to be known about each."""
    return Typeset(
        label="published",
        caption="Published results, not measured here.",
        head=RESULT_HEAD,
        groups=[[_published(row) for row in PUBLISHED]],
        notes={f"published {name}": text for name, text in CAVEATS.items()},
    )


def significance(session: Session, board: Board, base: str, k: int) -> Typeset:
    """Every line of the board beside the baseline, on the same tasks."""
    code = compare.warning_of_code(session, [run.id for run in board.runs])
    name = board.styles[base].label
    if board.by == "seed":
        pairs = replicates.pairs(replicates.replicates(session, board.variations, k), base)
        return significance_over_seeds(pairs, name, k, code)
    rows, notes = _by_run(session, board, base, k)
    tests = "Interval by paired bootstrap over tasks, p of McNemar's exact test"
    return _against(name, k, tests, rows, notes, code)


def significance_over_seeds(pairs: Sequence[VariationPair], name: str, k: int, code: str = "") -> Typeset:
    """Every configuration beside the one called `name`; `code` warns where it differs."""
    rows, notes = _by_seed(pairs)
    return _against(name, k, "Interval and p over tasks and seeds", rows, notes, code)


def _against(name: str, k: int, tests: str, rows: list[Row], notes: dict[str, str], code: str) -> Typeset:
    return Typeset(
        label="significance",
        caption=f"pass@{k} against {name}, on the same tasks. {tests}, after Holm's correction.",
        head=("Variant", "n", f"pass@{k}, baseline", f"pass@{k}", "Difference, points", "p", "Verdict"),
        groups=[rows] if rows else [],
        notes=notes,
        remarks=[code] if code else [],
    )


def _by_run(session: Session, board: Board, base: str, k: int) -> tuple[list[Row], dict[str, str]]:
    rows: list[Row] = []
    notes: dict[str, str] = {}
    for pair in compare.pairs(session, board.runs, base, k):
        label, view = board.styles[pair.run_id].label, pair.view
        if view is None:
            rows.append(_left_out(label, pair.reason, notes))
            continue
        keys = _noted(notes, view.note)
        gained = _gained(view.difference.mean, view.difference.low, view.difference.high)
        scores = (_score(view.a.score), _score(view.b.score))
        rows.append((Cell(label, keys), f"{view.n}", *scores, gained, p_value(view.p_adjusted), view.said))
    return rows, notes


def _by_seed(pairs: Sequence[VariationPair]) -> tuple[list[Row], dict[str, str]]:
    rows: list[Row] = []
    notes: dict[str, str] = {}
    for pair in pairs:
        view = pair.view
        if view is None:
            rows.append(_left_out(pair.label, pair.reason, notes))
            continue
        keys = _noted(notes, view.note, *(side.left_out for side in (view.a, view.b)))
        scores = [
            f"{percent(side.mean)}{_between(side.low, side.high)}, {counted(side.seeds, 'seed')}"
            for side in (view.a, view.b)
        ]
        gained = _gained(view.difference.mean, view.difference.low, view.difference.high)
        rows.append(
            (Cell(pair.label, keys), f"{view.n}", *scores, gained, p_value(view.p_adjusted), view.said)
        )
    return rows, notes


def _left_out(label: str, reason: str, notes: dict[str, str]) -> Row:
    return (Cell(label, _noted(notes, reason)), *(NO_VALUE,) * 5, "not comparable")


def _noted(notes: dict[str, str], *texts: str) -> tuple[str, ...]:
    """Keys of the texts, which become notes."""
    told = [text for text in texts if text]
    notes.update({text: text for text in told})
    return tuple(told)


def _result(row: ResultRow, over_seeds: bool) -> Row:
    label = f"{row.label}, {counted(row.runs, 'seed')}" if over_seeds else row.label
    keys = (_conditions(row.result), *([row.left_out] if row.left_out else []))
    scores = (_score(cell.score) if cell.score else _mean_score(cell) for cell in row.cells)
    return (Cell(label, keys), *scores, _mean(row.train, share=True), _mean(row.variance, share=False))


def _conditions(result: ResultView) -> str:
    return f"{result.set} ({result.standing}), {result.measured_at}."


def _published(row: PublishedResult) -> Row:
    steps = f", step {count(row.steps)}" if row.steps else ""
    keys = tuple(f"published {name}" for name in row.caveats)
    train = NO_VALUE if row.train_accuracy is None else f"{row.train_accuracy:.2f}\u00a0%"
    scores = (row.pass_at.get(k, NO_VALUE) for k in SHOWN_K)
    variance = significant(row.cross_sample_variance)
    return (Cell(f"{row.model} ({row.parameters}{steps}), published", keys), *scores, train, variance)


def _score(view: PassView | None) -> str:
    """`12/32, 37.5 % [22.9–54.7]`."""
    if view is None or view.share is None:
        return NO_VALUE
    return f"{solved(view.solved)}/{view.n}, {percent(view.share)}{_between(view.low, view.high)}"


def _mean_score(cell: Score) -> str:
    if cell.mean is None:
        return NO_VALUE
    return f"{solved(cell.solved)}/{cell.asked}, {_mean(cell.mean, share=True)}"


def _mean(value: Mean | None, share: bool) -> str:
    if value is None:
        return NO_VALUE
    if share:
        return percent(value.mean) + (_between(value.low, value.high) if value.n > 1 else "")
    between = "" if value.low is None else f" [{significant(value.low)}–{significant(value.high)}]"
    return significant(value.mean) + between


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low * 100:.1f}–{high * 100:.1f}]"


def _gained(mean: float, low: float, high: float) -> str:
    """A difference a - b as what b gains."""
    return f"{signed(-100 * mean)} [{signed(-100 * high)} to {signed(-100 * low)}]"
