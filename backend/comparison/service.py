"""Several runs side by side: curves, differing configs, verdicts on the same tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from backend.charts.lines import buckets_of, points_of
from backend.domain import seeds
from backend.domain.config.problems import flatten
from backend.domain.experiment.identity import is_shared
from backend.domain.measurement import paired_differences
from backend.domain.provenance import aspects, differences
from backend.domain.statistics import task_scores
from backend.evaluation import comparison
from backend.groups import service as groups
from backend.kit.errors import Conflict, NotFound
from backend.kit.expressions import Expression, looks_like_one
from backend.kit.format import counted, first_of
from backend.kit.problems import invalid_query
from backend.lifecycle import service as runs
from backend.metrics import expressions
from backend.metrics import service as series
from backend.metrics.pyramid.buckets import Buckets, of_points
from backend.metrics.service import Curve
from backend.run_view import queries as facts_rows
from backend.run_view.seeds import configuration_of
from backend.run_view.seeds import counted as counted_seeds
from backend.run_view.views import ResultView, RunView
from backend.runs import provenance
from backend.scores import queries as evaluation_rows
from backend.scores.paired import ComparisonView, together

MAX_RUNS = 200
LACKING = "No compared run has a metric"  # that an expression asks for
LARGE = 1e300  # differences and sums of larger values may be no numbers
NOT_COMPARED = ("name", "schema_version")  # fields of a config that nobody chose to differ
NAMED_CHANGES = 3  # that a variation's label says


@dataclass(frozen=True)
class Variation:
    """Runs that differ in their seed alone, one of each seed. `key` is the id of the first of them."""

    key: str
    label: str
    runs: tuple[RunView, ...]
    repeated: tuple[RunView, ...] = ()  # of seeds that others were run with, too: they do not count

    @property
    def variant(self) -> str:
        return self.runs[0].variant

    @property
    def members(self) -> tuple[RunView, ...]:
        """Those that count, and those that do not."""
        return (*self.runs, *self.repeated)

    @property
    def repeats(self) -> str:
        """`seed 0 twice; counted once`; empty where no seed was run again."""
        return seeds.repeats(run.seed for run in self.members)


@dataclass(frozen=True)
class Solved:
    """One task in the matrix: the share of its test inputs that each run solves; None: not evaluated."""

    task_id: str
    scores: Mapping[str, float | None]

    @property
    def solvers(self) -> int:
        """How many runs solve all of it."""
        return sum(score == 1 for score in self.scores.values())

    @property
    def differs(self) -> bool:
        """Whether some run solves what another does not."""
        return len({score for score in self.scores.values() if score is not None}) > 1


@dataclass(frozen=True)
class TaskMatrix:
    """Which run solves which task, each by its newest held-out evaluation (`results`)."""

    k: int
    results: Mapping[str, ResultView]
    tasks: Sequence[Solved]
    notes: Mapping[str, str] = field(default_factory=dict)  # line -> why it is not comparable with the first


@dataclass(frozen=True)
class Pair:
    """A run beside the baseline: the comparison, or why there is none."""

    run_id: str
    view: ComparisonView | None
    reason: str = ""


def checked_ids(run_ids: Sequence[str]) -> list[str]:
    """Each id once, in the given order; InvalidInput for none or too many."""
    ids = list(dict.fromkeys(each.strip() for each in run_ids if each.strip()))
    if not 1 <= len(ids) <= MAX_RUNS:
        said = "names no run." if not ids else f"names {len(ids)} runs; {MAX_RUNS} at most."
        raise invalid_query("runs", said, "Give ids of runs, separated by commas.")
    return ids


def asked(session: Session, run_ids: Sequence[str], group: str) -> list[RunView]:
    """The runs with these ids, or those of a group; InvalidInput for both, or for too many."""
    if not group:
        return chosen(session, run_ids)
    if any(each.strip() for each in run_ids):
        raise invalid_query("group", "names runs besides those of `runs`.", "Give runs or a group, not both.")
    return chosen(session, groups.run_ids(session, group))


def chosen(session: Session, run_ids: Sequence[str]) -> list[RunView]:
    """The runs, in the given order; NotFound for one that does not exist."""
    return runs.several(session, checked_ids(run_ids))


def baseline(found: Sequence[RunView], asked: str) -> str:
    """Id of the run that the others are held against: the one asked for, or the first."""
    if not asked:
        return found[0].id
    if all(run.id != asked for run in found):
        raise invalid_query("base", f"{asked} is not one of the compared runs.", "Name one of them.")
    return asked


def variation_of(found: Sequence[Variation], run_id: str) -> Variation:
    """The one that the run belongs to."""
    return next(each for each in found if any(run.id == run_id for run in each.members))


def curves(
    session: Session,
    run_ids: Sequence[str],
    names: Collection[str] | None,
    max_points: int | None,
    first: int | None = None,
    last: int | None = None,
) -> dict[str, dict[str, Curve]]:
    """Run id -> metric -> curve, each thinned so that every extreme survives. NotFound for an unknown run."""
    runs.check_exists(session, *run_ids)
    return series.of_runs(session, run_ids, names, max_points, first, last)


def sorted_out(
    session: Session, run_ids: Sequence[str], asked: Sequence[str] | None
) -> tuple[list[str] | None, dict[str, Expression]]:
    """What was asked for as names of metrics (None: all), and expressions by their text. InvalidInput for one
    that names a metric that none of the runs has."""
    if asked is None:
        return None, {}
    if not any(map(looks_like_one, asked)):
        return list(asked), {}
    return expressions.sorted_out(asked, facts_rows.metric_names(session, run_ids), LACKING)


def variations(found: Sequence[RunView]) -> list[Variation]:
    """The runs by everything but their seed, in the order of their first."""
    grouped: dict[str, list[RunView]] = {}
    for run in found:
        grouped.setdefault(configuration_of(run), []).append(run)
    made = []
    for members, label in zip(grouped.values(), _labels(list(grouped.values())), strict=True):
        once = counted_seeds(members)
        repeated = tuple(run for run in members if run not in once)
        made.append(Variation(once[0].id, label, tuple(once), repeated))
    return made


def _labels(groups: Sequence[Sequence[RunView]]) -> list[str]:
    """The variant alone, where it is the one of its kind; else the name that its runs share, where it tells
    them apart; else how it differs from the others of its variant."""
    labels = []
    for run, *_ in groups:
        alike = [members for members in groups if members[0].variant == run.variant]
        names = [_shared_name(members) for members in alike]
        if len(alike) > 1 and all(names) and len(set(names)) == len(names):
            labels.append(names[[members[0].id for members in alike].index(run.id)])
            continue
        firsts = [members[0] for members in alike]
        rows = [row for row in differing(firsts) if is_shared(row.path)] if len(alike) > 1 else []
        said = [field_words(row, run.id) for row in rows]
        name = run.variant or run.name
        labels.append(" · ".join([name, *said[:NAMED_CHANGES]]))
    return labels


def _shared_name(members: Sequence[RunView]) -> str:
    """What runs are called but for their seeds; empty where they have no such name in common."""
    names = {seeds.name_without_seed(run.name) for run in members}
    return names.pop() if len(names) == 1 else ""


def _short(value: Any) -> str:
    return "–" if value is None else str(value)[:24]


@dataclass(frozen=True)
class Differing:
    """A field of the configs that not all runs have alike. A run without it is left out of `values`."""

    path: str
    values: Mapping[str, Any]


def field_words(row: Differing, run_id: str) -> str:
    """`width 64`: the last part of the field's path, and what the run has there."""
    return f"{row.path.rpartition('.')[2].replace('_', ' ')} {_short(row.values.get(run_id))}"


def differing(found: Sequence[RunView]) -> list[Differing]:
    """Fields that differ between the runs, in the order of the config; their names, and the versions that the
    configs are written in, are left out."""
    flat = {run.id: {k: v for k, v in flatten(run.config).items() if k not in NOT_COMPARED} for run in found}
    paths = list(dict.fromkeys(path for fields in flat.values() for path in fields))
    rows = [Differing(p, {r: fields[p] for r, fields in flat.items() if p in fields}) for p in paths]
    return [
        row for row in rows if len(row.values) < len(found) or len({repr(v) for v in row.values.values()}) > 1
    ]


def computed_with(session: Session, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """What may move numbers besides the config and is known to differ between the runs' last starts, `code`
    first: aspect -> run id -> its value in words. A run without a record is left out."""
    records = provenance.newest_of(session, run_ids)
    differing = differences(list(records.values()))
    words = {run_id: aspects(record) for run_id, record in records.items()}
    found = {aspect: {run: values[aspect] for run, values in words.items()} for aspect in differing}
    if "code" in found and len(set(found["code"].values())) < len({each.code for each in records.values()}):
        found["code"] = {run: f"{text} ({records[run].code[:6]})" for run, text in found["code"].items()}
    return found


def warning_of_code(session: Session, run_ids: Sequence[str]) -> str:
    """What a reader of scores has to know where the runs were computed with different code; else empty."""
    differing = computed_with(session, run_ids)
    if "code" not in differing:
        return ""
    versions = Counter(differing["code"].values())
    listed = first_of([f"{text} ({counted(number, 'run')})" for text, number in versions.most_common()], 4)
    return f"Code differs: {listed}. A difference may come from it instead of from the configs."


def matrix(session: Session, found: Sequence[RunView], k: int) -> TaskMatrix:
    """Task by task who solves what with k attempts; most solved first."""
    results = {run.id: run.held_out for run in found}
    by_run: dict[str, dict[str, float]] = {}
    for run_id, result in results.items():
        if result:
            by_run[run_id] = task_scores(evaluation_rows.truth_ranks(session, result.id), k)
    tasks = sorted({task for scores in by_run.values() for task in scores})
    rows = [Solved(task, {run.id: by_run.get(run.id, {}).get(task) for run in found}) for task in tasks]
    rows.sort(key=lambda row: (-row.solvers, row.task_id))
    shown = {run_id: result for run_id, result in results.items() if result}
    return TaskMatrix(k, shown, rows, _notes(shown, by_run))


def _notes(results: Mapping[str, ResultView], tasks: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Run -> why its tasks cannot be compared with those of the first run, where they cannot."""
    notes = {}
    first, *others = results or ("",)
    for run_id in others:
        one, other = results[first].protocol, results[run_id].protocol
        if reasons := paired_differences(one, tasks[first], other, tasks[run_id]):
            notes[run_id] = f"not comparable with the first: {'; '.join(reasons)}"
    return notes


def pairs(session: Session, found: Sequence[RunView], base: str, k: int) -> list[Pair]:
    """Every other run beside the run `base`, on the same tasks; a refusal gives its reason.

    Those that can be compared are judged together: their p-values are adjusted for how many they are.
    """
    made = []
    for run in found:
        if run.id == base:
            continue
        try:
            made.append(Pair(run.id, comparison.compare(session, base, run.id, k)))
        except (Conflict, NotFound) as error:
            made.append(Pair(run.id, None, error.message))
    adjusted = iter(together([pair.view for pair in made if pair.view]))
    return [replace(pair, view=next(adjusted)) if pair.view else pair for pair in made]


@dataclass(frozen=True)
class SeedBand:
    """Several seeds as one curve: mean, least and greatest at each step, and of how many seeds, (n,)."""

    mean: Curve
    low: Curve
    high: Curve
    numbers: NDArray[np.int64]


def over_seeds(members: Sequence[Curve], starts: Sequence[float]) -> SeedBand:
    """Mean and range over the seeds at every step that one of them has, of a long curve at every bucket.

    Between its own steps a curve is read off its line; before its first and after its last step it does not
    count. The moments are those of the first seed's clock. What is undefined is counted of all seeds.
    """
    parts = [_finite(buckets_of(each)) for each in members]
    steps = np.unique(np.concatenate([part.first_steps for part in parts]))
    scale = 1 / 16 if any((np.abs(each.values) > LARGE).any() for each in members) else 1.0
    table = np.full((3, len(members), len(steps)), np.nan)  # means, least and greatest
    moments = np.full_like(table[0], np.nan)
    for row, (curve, part, start) in enumerate(zip(members, parts, starts, strict=True)):
        if not len(part):
            continue
        own = part.first_steps
        of_row = (steps >= own[0]) & (steps <= own[-1])
        for side, values in zip(table, (part.means, part.least.values, part.greatest.values), strict=True):
            side[row, of_row] = np.interp(steps[of_row], own, values * scale)
        moments[row, of_row] = np.interp(steps[of_row], curve.steps, curve.wall_times) - start
    some = np.isfinite(table[0]).any(axis=0)
    steps, table, moments = steps[some], table[:, :, some], moments[:, some]
    undefined = sum(each.undefined for each in members)
    if not len(steps):
        nothing = Curve(steps, np.zeros(0), np.zeros(0), 0)
        return SeedBand(replace(nothing, undefined=undefined), nothing, nothing, np.zeros(0, np.int64))
    times = np.nanmean(moments, axis=0) + starts[0]
    least, greatest = np.nanmin(table[1], axis=0), np.nanmax(table[2], axis=0)
    numbers = np.isfinite(table[0]).sum(axis=0)
    share = table[0] / numbers  # divided before it is added up: a sum may overflow
    middle = np.nansum(share, axis=0).clip(least, greatest)
    mean, low, high = (
        Curve(steps, times, values / scale, len(steps)) for values in (middle, least, greatest)
    )
    if any(each.buckets is not None for each in members):
        mean = _counting(mean, parts)
    return SeedBand(replace(mean, undefined=undefined), low, high, numbers)


def _finite(buckets: Buckets) -> Buckets:
    """The buckets that have a finite value."""
    there = buckets.finite > 0
    least, greatest = buckets.least[there], buckets.greatest[there]
    return replace(
        buckets,
        numbers=buckets.numbers[there],
        counts=buckets.counts[there],
        finite=buckets.finite[there],
        first_steps=buckets.first_steps[there],
        means=buckets.means[there].clip(least.values, greatest.values),
        least=least,
        greatest=greatest,
    )


def _counting(curve: Curve, parts: Sequence[Buckets]) -> Curve:
    """The curve with how many points of its longest part lie between one of its points and the next."""
    before = [
        np.interp(curve.steps, part.first_steps, np.cumsum(part.finite) - part.finite)
        for part in parts
        if len(part)
    ]
    last = max(int(part.finite[-1]) for part in parts if len(part))
    counts = np.diff(np.max(before, axis=0), append=np.max(before) + last)
    buckets = of_points(points_of(curve), 0)
    counts = np.maximum(counts.round().astype(np.int64), 1)
    return replace(curve, buckets=replace(buckets, counts=counts, finite=counts), total=int(counts.sum()))
