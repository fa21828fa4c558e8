"""The numbers of a dashboard's panels as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from backend.comparison.replicates import VariationPair
from backend.comparison.result_tables import EncoderRow, ResultRow
from backend.dashboards.panels import Shown
from backend.domain.dashboards import ProsePanel, ScatterPanel, TablePanel
from backend.domain.published import CAVEATS, PUBLISHED
from backend.kit.exports.table_files import csv_text


def as_csv(shown_panel: Shown) -> str:
    """The numbers of a panel that is not made of curves."""
    return csv_text(_csv_rows(shown_panel), "\n")


def _csv_rows(each: Shown) -> Sequence[Sequence[object]]:
    if each.bars:
        bars = ("variation", "value", "low", "high", "basis", "runs")
        return [bars, *((b.label, b.value, b.low, b.high, b.basis, " ".join(b.runs)) for b in each.bars)]
    if each.rows:
        return _result_csv(each.rows)
    if each.encoder[1]:
        titles = each.encoder[0]
        rows = [
            (row.key, row.label, row.learning_words, row.words, *(_value(row, title) for title in titles))
            for row in each.encoder[1]
        ]
        return [("run", "name", "learning", "encoder", *titles), *rows]
    if each.config:
        ids = list(dict.fromkeys(run for row in each.config for run in row.values))
        return [
            ("field", *ids),
            *((row.path, *(row.values.get(run, "") for run in ids)) for row in each.config),
        ]
    if each.pairs:
        return _significance_csv(each.pairs)
    if isinstance(each.panel, ScatterPanel) and each.points:
        names = list(dict.fromkeys(filter(None, (each.panel.x, each.panel.y, each.panel.colour))))
        made: list[Sequence[object]] = [("run", "name", "configuration", *names)]
        for point in each.points:
            made.append((point.id, point.name, point.configuration, *map(point.values.get, names)))
        return made
    if each.examples:
        return [
            ("task", "shown"),
            *((e.title, "; ".join(grid.caption for grid in e.grids)) for e in each.examples),
        ]
    if isinstance(each.panel, TablePanel) and each.panel.table == "published":
        return _published_csv()
    if isinstance(each.panel, ProsePanel):
        return [("text",), (each.panel.text,)]
    return [("nothing",), (each.problem or each.nothing,)]


SIGNIFICANCE_HEAD = (
    "a", "seeds a", "pass@1 a", "b", "seeds b", "pass@1 b", "a - b", "low", "high", "p", "p adjusted",
    "comparisons", "verdict", "reason",
)  # fmt: skip


def _significance_csv(pairs: Sequence[VariationPair]) -> list[Sequence[object]]:
    made: list[Sequence[object]] = [SIGNIFICANCE_HEAD]
    for pair in pairs:
        if v := pair.view:
            sides = (v.a.label, v.a.seeds, v.a.mean, v.b.label, v.b.seeds, v.b.mean)
            difference = (v.difference.mean, v.difference.low, v.difference.high)
            judged = (v.p_value, v.p_adjusted, v.comparisons, v.verdict)
            made.append((*sides, *difference, *judged, ""))
        else:
            made.append(("", "", "", pair.label, *[""] * 9, pair.reason))
    return made


def _value(row: EncoderRow, title: str) -> str:
    measure = row.measures.get(title)
    return measure.text if measure else ""


PUBLISHED_HEAD = (
    "model", "parameters", "steps", "pass@1", "pass@2", "pass@5", "train accuracy %", "variance", "caveats",
)  # fmt: skip
RESULT_HEAD = (
    "run", "label", "seeds", "set", "step", "weights", "views", "act steps", "search", "canvas",
    "equal views", "adaptation", "tasks", "k", "solved", "n", "share", "low", "high", "protocol", "left out",
)  # fmt: skip


def _published_csv() -> list[Sequence[object]]:
    made: list[Sequence[object]] = [PUBLISHED_HEAD]
    for row in PUBLISHED:
        shares = [row.pass_at.get(k, "") for k in (1, 2, 5)]
        caveats = " ".join(CAVEATS[name] for name in row.caveats)
        measured = (row.train_accuracy, row.cross_sample_variance)
        made.append((row.model, row.parameters, row.steps, *shares, *measured, caveats))
    return made


def _result_csv(rows: Sequence[ResultRow]) -> list[Sequence[object]]:
    made: list[Sequence[object]] = [RESULT_HEAD]
    for row in rows:
        found = row.result
        how = (
            found.set, found.step, found.weights, found.views, found.act_steps, found.search, found.canvas,
            "once" if found.distinct_views else "each", found.adaptation, found.n,
        )  # fmt: skip
        end = (found.protocol.key, row.left_out)
        for cell in row.cells:
            basis = (row.key, row.label, row.runs, *how, cell.k)
            if cell.score:
                score = cell.score
                made.append((*basis, score.solved, score.n, score.share, score.low, score.high, *end))
            elif cell.mean:
                mean = (cell.mean.mean, cell.mean.low, cell.mean.high)
                made.append((*basis, cell.solved, cell.asked, *mean, *end))
    return made
