"""The control's report: what was asked, what came out, whether each bar holds; as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from worker.data.procedural.families import FAMILIES
from worker.experiments.control.bars import Bar, count, judged, step
from worker.experiments.control.chart import Line, draw
from worker.experiments.control.results import SearchResult, VariantResult
from worker.experiments.control.variants import TEST_SET, TRAINING_SET, TRM_TASKS

CURVES_FILE, SEARCH_FILE = "positive-control-curves.svg", "positive-control-search.svg"


@dataclass(frozen=True)
class Report:
    """Everything the control measured."""

    variants: Sequence[VariantResult]
    searches: Sequence[SearchResult]
    seconds: float  # of the command, from start to end
    machine: str
    seeds: Sequence[VariantResult] = ()  # the other seeds of some variants

    def bars(self) -> list[Bar]:
        """The claims that the variants there are can decide."""
        return judged(self.variants, self.seeds, self.searches)

    def curves(self) -> str:
        """Held-out pass@1 over training steps, of every variant."""
        lines = [
            Line(
                each.variant.label,
                [(step, score.solved / score.n, *score.interval) for step, score in each.held_out],
            )
            for each in self.variants
        ]
        return draw("Rules never trained on", "training steps", "held-out pass@1", lines)

    def search_chart(self) -> str:
        """pass@1 of the VAE over compute, with and without a signal."""
        labels = {"gradient": "gradient search", "random": "random search", "none": "ACT steps alone"}
        lines = []
        for signal, label in labels.items():
            chosen = sorted(
                (each for each in self.searches if each.signal == signal), key=lambda each: each.passes
            )
            points = [(e.passes, e.score.solved / e.score.n, *e.score.interval) for e in chosen]
            lines.append(Line(label, points, dashed=signal == "none"))
        return draw(
            "More steps with a signal and without",
            "grids passed through the core per test input",
            "held-out pass@1",
            lines,
            log_x=True,
        )

    def markdown(self) -> str:
        """For `docs/positive-control.md`, with the charts as files under `images/`."""
        parts = [
            "# Positive control",
            *self._introduction(),
            "## Bars\n" + _table(("", "claim", "found"), self._bar_rows()),
            "## Variants\n" + _table(_VARIANT_HEAD, self._variant_rows()),
            f"![Held-out pass@1 over training steps](images/{CURVES_FILE})",
        ]
        if self.seeds:
            parts.append("## Seeds\n" + _table(_SEED_HEAD, self._seed_rows()))
        if self.searches:
            parts += [
                "## Steps with a signal and without\n" + _table(_SEARCH_HEAD, self._search_rows()),
                f"![pass@1 over compute, with and without a signal](images/{SEARCH_FILE})",
            ]
        return "\n\n".join([*parts, self._footer()]) + "\n"

    def html(self) -> str:
        """A page of its own: no other file and no network."""
        body = [
            "<h1>Positive control</h1>",
            *(f"<p>{escape(each)}</p>" for each in self._introduction()),
            "<h2>Bars</h2>" + _html_table(("", "claim", "found"), self._bar_rows()),
            "<h2>Variants</h2>" + _html_table(_VARIANT_HEAD, self._variant_rows()),
            f"<figure>{self.curves()}</figure>",
        ]
        if self.seeds:
            body.append("<h2>Seeds</h2>" + _html_table(_SEED_HEAD, self._seed_rows()))
        if self.searches:
            body += [
                "<h2>Steps with a signal and without</h2>",
                f"<figure>{self.search_chart()}</figure>",
                _html_table(_SEARCH_HEAD, self._search_rows()),
            ]
        body.append(f"<p>{escape(self._footer())}</p>")
        return _PAGE.format(body="\n".join(body))

    def _introduction(self) -> list[str]:
        family = FAMILIES[TEST_SET.split("/")[1]]
        a = self.variants[0].variant.config
        return [
            f"Can these models infer a rule from demonstrations, and does the laboratory show it when they "
            f"cannot? {family.title} Every rule of {TEST_SET} is missing from {TRAINING_SET}; a task counts "
            f"as solved when its first attempt, from one view, is right in every cell.",
            f"All variants: width {a.model.core.width}, {a.training.steps:,} steps of "
            f"{a.training.batch_size} samples, {a.model.act.max_steps} ACT steps, EMA weights, one seed "
            f"but for those in the table of seeds. d trains on the first {TRM_TASKS} tasks, since an "
            "embedding must be met often to be learned.",
        ]

    def _bar_rows(self) -> list[tuple[str, ...]]:
        return [("met" if bar.holds else "not met", bar.claim, bar.found) for bar in self.bars()]

    def _variant_rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for each in self.variants:
            rows.append(
                (
                    each.variant.letter,
                    each.variant.title,
                    count(each.score),
                    f"{100 * each.fitted[-1][1]:.0f} %",
                    step(each),
                    f"{each.seconds:,.0f} s",
                )
            )
        return rows

    def _seed_rows(self) -> list[tuple[str, ...]]:
        """Each seed of the variants that have several."""
        letters = {each.variant.letter for each in self.seeds}
        several = [each for each in (*self.variants, *self.seeds) if each.variant.letter in letters]
        several.sort(key=lambda each: (each.variant.letter, each.variant.config.seed))
        return [
            (each.variant.letter, str(each.variant.config.seed), count(each.score), step(each))
            for each in several
        ]

    def _search_rows(self) -> list[tuple[str, ...]]:
        words = {"gradient": "gradient steps", "random": "random samples", "none": "ACT steps, no search"}
        return [
            (words[each.signal], str(each.amount), f"{each.passes:,.0f}", count(each.score))
            for each in self.searches
        ]

    def _footer(self) -> str:
        return (
            f"Made by etrm control in {self.seconds / 60:.0f} minutes on {self.machine}. Brackets are 95 % "
            "intervals: Wilson's for a share, of the paired bootstrap for a difference on the same tasks."
        )


_VARIANT_HEAD = (
    "",
    "variant",
    "held-out rules solved",
    "training grids right",
    "half solved at step",
    "training",
)
_SEED_HEAD = ("", "seed", "held-out rules solved", "half solved at step")
_SEARCH_HEAD = ("more of", "amount", "grids through the core per test input", "held-out rules solved")


def write(report: Report, folder: Path) -> Path:
    """All files of a report; the page's path."""
    page = folder / "report.html"
    page.write_text(report.html())
    (folder / "positive-control.md").write_text(report.markdown())
    (folder / CURVES_FILE).write_text(report.curves())
    if report.searches:
        (folder / SEARCH_FILE).write_text(report.search_chart())
    return page


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<div class="scroll"><table><thead>{row(head, "th")}</thead><tbody>{body}</tbody></table></div>'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Positive control</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .35rem .8rem .35rem 0; vertical-align: top; }}
tr {{ border-bottom: 1px solid #8886; }}
td:first-child {{ white-space: nowrap; }}
th {{ font-weight: 600; }}
figure {{ margin: 1.5rem 0; background: #fff; border-radius: 6px; }} svg {{ width: 100%; height: auto; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
