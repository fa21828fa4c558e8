"""Tables of a comparison: results with what they were measured on, the encoders' measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.domain.health import CROSS_SAMPLE, TOKEN, Health
from backend.domain.health.evidence import Evidence
from backend.domain.statistics import Mean, mean_of
from backend.pages.health import health_of
from backend.services.compare import Variation
from backend.services.run_view import PassView, ResultView, RunView

SHOWN_K = (1, 2, 5)


@dataclass(frozen=True)
class ConfigRow:
    """A field that differs, and its value in each run as text; a run without it is left out."""

    path: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """pass@k: of one evaluation, or over seeds with the mean of their shares."""

    k: int
    score: PassView | None
    mean: Mean | None = None


@dataclass(frozen=True)
class ResultRow:
    """One evaluation of a run, or those of all seeds of a variation that were measured alike."""

    key: str  # run id, or the first of the variation
    label: str
    runs: int
    result: ResultView
    cells: tuple[Cell, ...]
    train: Mean | None  # last share of labelled tokens right
    variance: Mean | None  # last cross-sample variance


@dataclass(frozen=True)
class EncoderRow:
    """A run's verdict and its measures by title."""

    run: RunView
    health: Health
    measures: Mapping[str, Evidence]


def result_rows(found: Sequence[RunView]) -> list[ResultRow]:
    """Every finished evaluation, held-out sets first."""
    rows = [_row(run.id, run.name, (run,), (result,)) for run in found for result in _finished(run)]
    return sorted(rows, key=lambda row: not row.result.held_out)


def variation_rows(found: Sequence[Variation]) -> list[ResultRow]:
    """One row per variation and way of measuring, over its seeds."""
    rows = []
    for variation in found:
        alike: dict[tuple[object, ...], list[tuple[RunView, ResultView]]] = {}
        for run in variation.runs:
            for result in _finished(run):
                how = (result.set, result.step, result.weights, result.views, result.act_steps, result.n)
                alike.setdefault(how, []).append((run, result))
        for members in alike.values():
            rows.append(
                _row(
                    variation.key,
                    variation.label,
                    tuple(run for run, _ in members),
                    tuple(result for _, result in members),
                )
            )
    return sorted(rows, key=lambda row: not row.result.held_out)


def _finished(run: RunView) -> list[ResultView]:
    return [each for each in run.results if each.status == "finished"]


def _row(key: str, label: str, members: Sequence[RunView], results: Sequence[ResultView]) -> ResultRow:
    return ResultRow(
        key=key,
        label=label,
        runs=len(members),
        result=results[0],
        cells=tuple(_cell(k, results) for k in SHOWN_K),
        train=_last(members, TOKEN),
        variance=_last(members, CROSS_SAMPLE),
    )


def _cell(k: int, results: Sequence[ResultView]) -> Cell:
    scores = [score for result in results if (score := result.pass_at(k)) and score.n]
    if not scores:
        return Cell(k, None)
    if len(scores) == 1:
        return Cell(k, scores[0])
    return Cell(k, None, mean_of([score.solved / score.n for score in scores]))


def _last(members: Sequence[RunView], metric: str) -> Mean | None:
    values = [view.last for run in members if (view := run.metrics.get(metric)) and view.last is not None]
    return mean_of(values)


def encoder_table(found: Sequence[RunView]) -> tuple[list[str], list[EncoderRow]]:
    """Titles of the measures that some run has, and every run's."""
    rows = []
    titles: dict[str, None] = {}
    for run in found:
        judged = health_of(run)
        rows.append(EncoderRow(run, judged, {each.title: each for each in judged.evidence}))
        titles |= {each.title: None for each in judged.evidence}
    return list(titles), rows
