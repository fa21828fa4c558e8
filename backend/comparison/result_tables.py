"""Tables of a comparison: results with what they were measured on, the encoders' measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from backend.comparison import service as compare
from backend.comparison.board import Board
from backend.comparison.service import Variation, computed_with
from backend.domain.config.messages import shown
from backend.domain.dashboards import At
from backend.domain.health import CROSS_SAMPLE, TOKEN, Health
from backend.domain.health.evidence import Evidence
from backend.domain.learning import Learning
from backend.domain.measurement import Protocol
from backend.domain.statistics import Mean, mean_of, mean_of_shares
from backend.run_view.health import of_run as health_of
from backend.run_view.learning import of_run as learning_of
from backend.run_view.views import ResultView, RunView
from backend.scores.measured import PassView, why_left_out

Judged = TypeVar("Judged", Health, Learning)
SHOWN_K = (1, 2, 5)
MAX_CONFIG_ROWS = 300  # on a page: a script's config may have as many fields as it likes
WORST = ("quiet", "good", "warning", "bad")  # levels, the worst last


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
    solved: float = 0.0  # of `asked`, summed over the seeds
    asked: int = 0


@dataclass(frozen=True)
class ResultRow:
    """One evaluation of a run, or those of all seeds of a variation by one protocol."""

    key: str  # run id, or the first of the variation
    label: str
    runs: int
    result: ResultView
    cells: tuple[Cell, ...]
    train: Mean | None  # last share of labelled tokens right
    variance: Mean | None  # last cross-sample variance
    left_out: str = ""  # what does not count: other seeds, evaluated on the set by another protocol; repeats


@dataclass(frozen=True)
class Reading:
    """A measure of a run, or its least and greatest over seeds, in words; the level is the worst of them."""

    text: str
    level: str
    word: str


@dataclass(frozen=True)
class EncoderRow:
    """Verdicts on the learning and the encoder of a run or of a variation's seeds, each with how many have
    it, and measures by title."""

    key: str
    label: str
    learning: Sequence[tuple[Learning, int]]
    verdicts: Sequence[tuple[Health, int]]
    measures: Mapping[str, Reading]

    @property
    def is_of_one(self) -> bool:
        """Whether it is about a single run."""
        return sum(count for _, count in self.verdicts) == 1

    @property
    def words(self) -> str:
        """`collapsed`; over seeds `4 healthy, 1 collapsed`."""
        if self.is_of_one:
            return self.verdicts[0][0].word
        return ", ".join(f"{count} {health.word}" for health, count in self.verdicts)

    @property
    def learning_words(self) -> str:
        """The same of the verdict on learning."""
        if self.is_of_one:
            return self.learning[0][0].word
        return ", ".join(f"{count} {learning.word}" for learning, count in self.learning)


def results_table(board: Board, at: At) -> list[ResultRow]:
    """The results of the board's lines."""
    return result_rows(board.runs, at) if board.by == "run" else variation_rows(board.variations, at)


def result_rows(found: Sequence[RunView], at: At = "all") -> list[ResultRow]:
    """Every finished evaluation, held-out sets first, the newest checkpoint of each run first."""
    rows = [_row(run.id, run.name, (run,), (result,)) for run in found for result in _finished(run)]
    return _arranged(rows, at)


def variation_rows(found: Sequence[Variation], at: At = "all") -> list[ResultRow]:
    """One row per variation, checkpoint and protocol, over its seeds."""
    rows = []
    for variation in found:
        by_protocol: dict[tuple[int, Protocol], list[tuple[RunView, ResultView]]] = {}
        for run in variation.runs:
            for result in _finished(run):
                by_protocol.setdefault((result.step, result.protocol), []).append((run, result))
        for (_, protocol), members in by_protocol.items():
            runs, results = [run for run, _ in members], [result for _, result in members]
            row = _row(variation.key, variation.label, runs, results)
            left_out = (why_left_out(protocol, _on_set(variation, protocol)), variation.repeats)
            rows.append(replace(row, left_out="; ".join(filter(None, left_out))))
    return _arranged(rows, at)


def _arranged(rows: Sequence[ResultRow], at: At) -> list[ResultRow]:
    """Held-out sets first, line by line, newest checkpoint first; of these the ones asked for.

    Where no step is common to all lines of a protocol, the newest of each.
    """
    places = list(dict.fromkeys(row.key for row in rows))
    ordered = sorted(rows, key=lambda row: (not row.result.held_out, places.index(row.key), -row.result.step))
    if at == "all":
        return ordered
    steps: dict[Protocol, dict[str, set[int]]] = {}
    for row in rows:
        steps.setdefault(row.result.protocol, {}).setdefault(row.key, set()).add(row.result.step)
    shared = {of: max(set.intersection(*by_line.values()), default=None) for of, by_line in steps.items()}

    def wanted(row: ResultRow) -> int:
        protocol = row.result.protocol
        newest = max(steps[protocol][row.key])
        return newest if at == "newest" else shared[protocol] or newest

    return [row for row in ordered if row.result.step == wanted(row)]


def _on_set(variation: Variation, protocol: Protocol) -> list[list[ResultView]]:
    return [
        [result for result in _finished(run) if result.set == protocol.set_name] for run in variation.runs
    ]


def _finished(run: RunView) -> list[ResultView]:
    return [each for each in run.results if each.status == "finished"]


def _row(key: str, label: str, members: Sequence[RunView], results: Sequence[ResultView]) -> ResultRow:
    return ResultRow(
        key=key,
        label=label,
        runs=len(members),
        result=results[0],
        cells=tuple(_cell(k, results) for k in SHOWN_K),
        train=mean_of_shares(_last(members, TOKEN)),
        variance=mean_of(_last(members, CROSS_SAMPLE)),
    )


def _cell(k: int, results: Sequence[ResultView]) -> Cell:
    scores = [score for result in results if (score := result.pass_at(k)) and score.n]
    if not scores:
        return Cell(k, None)
    if len(scores) == 1:
        return Cell(k, scores[0])
    asked = sum(score.n for score in scores)
    mean = mean_of_shares([score.solved / score.n for score in scores], max(score.n for score in scores))
    return Cell(k, None, mean, sum(score.solved for score in scores), asked)


def _last(members: Sequence[RunView], metric: str) -> list[float]:
    return [view.last for run in members if (view := run.metrics.get(metric)) and view.last is not None]


def encoder_table(board: Board) -> tuple[dict[str, str], list[EncoderRow]]:
    """Titles and explanations of the measures that some run has, and every line's: of a run, or of a
    variation how many seeds have which verdict, with the measures in their range."""
    lines: list[tuple[str, str, Sequence[RunView]]] = (
        [(run.id, run.name, (run,)) for run in board.runs]
        if board.by == "run"
        else [(each.key, each.label, each.runs) for each in board.variations]
    )
    rows = []
    titles: dict[str, str] = {}
    for key, label, members in lines:
        judged = [health_of(run) for run in members]
        by_title: dict[str, list[Evidence]] = {}
        for each in judged:
            for measure in each.evidence:
                by_title.setdefault(measure.title, []).append(measure)
        measures = {title: _reading(those) for title, those in by_title.items()}
        learning = _counted([learning_of(run) for run in members])
        rows.append(EncoderRow(key, label, learning, _counted(judged), measures))
        titles |= {title: those[0].about for title, those in by_title.items()}
    return titles, rows


def _counted(judged: Sequence[Judged]) -> list[tuple[Judged, int]]:
    """One of each verdict, with how many have it, the most frequent first; green where all of them are."""
    counts = Counter(each.word for each in judged)
    ordered = sorted(judged, key=lambda each: each.level != "good")
    chosen = {each.word: each for each in ordered}
    return [(chosen[word], n) for word, n in counts.most_common()]


def _reading(those: Sequence[Evidence]) -> Reading:
    """The word of the worst, with how many seeds it is said of where others are better."""
    ordered = sorted(those, key=lambda each: (each.value is None, each.value or 0.0))
    texts = list(dict.fromkeys((ordered[0].text, ordered[-1].text)))
    worst = max(those, key=lambda each: WORST.index(each.level))
    alike = sum(each.word == worst.word for each in those)
    word = worst.word if alike == len(those) else f"{alike} of {len(those)} {worst.word}"
    return Reading(" to ".join(texts), worst.level, word)


def config_rows(board: Board) -> list[ConfigRow]:
    """What differs between the runs: code and machine, then fields of their configs; or between variations,
    by their keys, ignoring the seed."""
    over_seeds = board.by == "seed"
    found = [each.runs[0] for each in board.variations] if over_seeds else board.runs
    computed = [
        ConfigRow(aspect, values)
        for aspect, values in computed_with(board.session, [run.id for run in found]).items()
    ]
    return computed + [
        ConfigRow(row.path, {run: shown(value) for run, value in row.values.items()})
        for row in compare.differing(found)
        if not (over_seeds and row.path == "seed")
    ]
