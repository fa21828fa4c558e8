"""One piece of evidence per measure: what it is now, what it should be, what that means.

An alarm stays in the evidence, however good the last point is; only a decoder that has learned to use its
context is forgiven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from backend.domain.experiment import HealthConfig
from backend.domain.health import measures as alarms
from backend.domain.metrics import metric
from backend.domain.metrics import names as of
from backend.domain.trained_on import MOST_LEFT_OUT, Shortage
from backend.kit.format import NBSP, counted, fine_percent, finite, percent, points, significant, solved

Level = Literal["good", "warning", "bad", "quiet"]
Topic = Literal["loss", "starvation", "collapse", "instability", "memorisation", "decoder reliance", "leak"]


class Measured(Protocol):
    """A metric in three numbers: the last may be NaN or infinite; None where there is no value."""

    @property
    def last(self) -> float | None: ...
    @property
    def min(self) -> float | None: ...
    @property
    def max(self) -> float | None: ...


class Raised(Protocol):
    """An alarm that was raised."""

    @property
    def name(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def threshold(self) -> float | None: ...


@dataclass(frozen=True)
class HeldOut:
    """pass@1 on tasks that were not trained on, with the upper end of its 95 % interval."""

    set_name: str
    solved: float
    n: int
    upper: float


@dataclass(frozen=True)
class Findings:
    """Everything about a run that its verdict rests on."""

    variant: str  # trm, the kind of the encoder, or empty for an external run
    config: HealthConfig
    metrics: Mapping[str, Measured]
    alarms: Sequence[Raised]
    held_out: HeldOut | None = None
    trained_on: Shortage | None = None  # None where the run did not record it
    exact: float | None = None  # exact training accuracy, a mean over its last points

    def last(self, metric: str) -> float | None:
        """The newest value of a metric, if it is a finite number."""
        found = self.metrics.get(metric)
        return finite(found.last) if found else None

    def alarm(self, name: str) -> Raised | None:
        return next((alarm for alarm in self.alarms if alarm.name == name), None)


@dataclass(frozen=True)
class Evidence:
    """A measure of a topic. `metric` is the curve it is read off; texts say value and threshold in words."""

    topic: Topic
    metric: str
    title: str
    value: float | None
    text: str
    threshold: float | None  # None where the measure is not judged
    expected: str
    level: Level
    word: str
    about: str  # what the measure is, and how to read it


def evidence(found: Findings) -> Iterator[Evidence]:
    """All evidence there is, topic by topic."""
    yield from _finite_loss(found)
    yield from _coverage(found, of.COVERAGE)
    yield from _coverage(found, of.SAMPLES)
    yield from _gradient_share(found)
    yield from _stability(found)
    yield from _scale_free(found)
    yield from _probed(found)
    for name, word in _SHAPE:
        if (value := found.last(name)) is not None:
            shown = fine_percent(value, 0) if metric(name).unit == "share" else significant(value)
            yield _of_metric("collapse", name, value, shown, None, _expected(found, name), "quiet", word)
    yield from _reliance(found)
    yield from _left_out(found)  # before what may follow from it
    yield from _memorisation(found)


# Measures of collapse that have no threshold: their course counts.
_SHAPE = (
    (of.CROSS_SAMPLE, "comparable within one encoder only"),
    (of.RANK, "directions that contexts differ in"),
    (of.COSINE, "of different tasks"),
    (of.RATIO, "1 is chance"),
    (of.RETRIEVAL, "nearest is the same task"),
)


def _of_metric(
    topic: Topic,
    name: str,
    value: float | None,
    text: str,
    threshold: float | None,
    expected: str,
    level: Level,
    word: str,
) -> Evidence:
    """Evidence that a metric gives as it is recorded, under its own title and explanation."""
    known = metric(name)
    return Evidence(topic, name, known.title, value, text, threshold, expected, level, word, known.about)


def _finite_loss(found: Findings) -> Iterator[Evidence]:
    loss = found.metrics.get(of.LOSS)
    if loss is not None and found.last(of.LOSS) is None:
        about = (
            "A loss that is NaN or infinite teaches nothing: every later weight is NaN. Look at the gradient "
            "norms just before it, lower the learning rate, or clip the gradient."
        )
        yield Evidence(
            "loss", of.LOSS, "Loss", None, significant(loss.last), None, "a number", "bad", "diverged", about
        )


def _coverage(found: Findings, name: str) -> Iterator[Evidence]:
    last, alarm = found.last(name), found.alarm(alarms.STARVATION)
    if last is None:
        return
    least = found.config.least_coverage
    level: Level = "good"
    word = "reached"
    if last < least:
        level, word = "bad", "starving"
    elif alarm and (found.metrics[name].min or 0.0) < least:
        level, word = "bad", f"starved at step {alarm.step:,}"
    shown, expected = fine_percent(last, 0), f"≥ {fine_percent(least, 0)}"
    yield _of_metric("starvation", name, last, shown, least, expected, level, word)


def _gradient_share(found: Findings) -> Iterator[Evidence]:
    share = found.last(of.SHARE)
    if share is not None:
        shown, word = fine_percent(share, 0), "watch the trend"
        yield _of_metric("starvation", of.SHARE, share, shown, None, "–", "quiet", word)


def _stability(found: Findings) -> Iterator[Evidence]:
    norm, alarm = found.metrics.get(of.NORM), found.alarm(alarms.EXPLOSION)
    if norm is None or norm.max is None:
        return
    level: Level = "bad" if alarm else "good"
    threshold = alarm.threshold if alarm else None
    if alarm:
        expected, word = f"≤ {significant(threshold)}", f"exploded at step {alarm.step:,}"
    else:
        expected, word = f"≤ {found.config.largest_jump:g} × recent median", "stable"
    title, shown = "Largest gradient norm", significant(norm.max)
    about = (
        "L2 norm of all gradients before clipping. Over 100 times the median of the recent ones raises an "
        "alarm. Without clipping, published runs collapsed near step 1,900."
    )
    yield Evidence("instability", of.NORM, title, norm.max, shown, threshold, expected, level, word, about)


def of_spread(spread: float, config: HealthConfig) -> tuple[Level, str]:
    """What a scale-free variance says of contexts, whenever they were measured."""
    if spread < config.least_variance:
        return "bad", "collapsed"
    if spread < config.thin_variance:
        return "warning", "near collapse"
    return "good", "contexts differ"


def _scale_free(found: Findings) -> Iterator[Evidence]:
    spread, alarm = found.last(of.SCALE_FREE), found.alarm(alarms.COLLAPSE)
    if spread is None:
        return
    level, word = of_spread(spread, found.config)
    if alarm:
        level, word = "bad", f"collapsed at step {alarm.step:,}"
    threshold = found.config.least_variance if level == "bad" else found.config.thin_variance
    shown, expected = fine_percent(spread), f"≥ {fine_percent(threshold, 0).replace(NBSP, ' ')}"
    yield _of_metric("collapse", of.SCALE_FREE, spread, shown, threshold, expected, level, word)


def _probed(found: Findings) -> Iterator[Evidence]:
    """How many tasks the probes ask: what they can tell depends on it."""
    if (tasks := found.last(of.PROBED)) is None:
        return
    asked, shown = found.config.probe_tasks, counted(int(tasks), "task")
    expected = f"≥ {alarms.FEWEST_PROBED} tasks"
    if tasks < alarms.FEWEST_PROBED:  # in place of what probes would tell of the decoder
        word = "too few to probe: no rank, retrieval or reliance"
        yield _of_metric("decoder reliance", of.PROBED, tasks, shown, None, expected, "quiet", word)
    else:
        word = f"fewer than the {asked} asked for" if tasks < asked else "as asked for"
        yield _of_metric("collapse", of.PROBED, tasks, shown, None, expected, "quiet", word)


def _expected(found: Findings, name: str) -> str:
    """What the tasks of this run's probes give by chance, or at most."""
    tasks = int(found.last(of.PROBED) or 0)
    if tasks < alarms.FEWEST_PROBED:
        return "–"
    if name == of.RETRIEVAL:
        return f"chance {fine_percent(alarms.chance_of_retrieval(tasks), 0)}"
    return f"at most {alarms.PROBE_VIEWS * tasks - 1}" if name == of.RANK else "–"


def _reliance(found: Findings) -> Iterator[Evidence]:
    cost, alarm = found.last(of.COST), found.alarm(alarms.UNUSED_CONTEXT)
    if cost is None:
        return
    least = found.config.least_reliance
    level: Level = "good"
    word = "the context is used"
    if cost < least:
        level, word = ("bad", "context unused") if alarm else ("warning", "context hardly used")
    elif alarm:
        word = f"used since; unused at step {alarm.step:,}"
    shown, expected = points(cost), f"≥ {points(least)}"
    yield _of_metric("decoder reliance", of.COST, cost, shown, least, expected, level, word)


def _memorisation(found: Findings) -> Iterator[Evidence]:
    """What training shows beside what held-out tasks show."""
    exact, held_out, alarm = found.exact, found.held_out, found.alarm(alarms.MEMORISATION)
    if exact is None or held_out is None or not held_out.n:
        return
    largest, gap = found.config.largest_gap, alarms.gap(exact, held_out.upper)
    level: Level = "warning" if gap > largest else "good"
    word = "memorising" if gap > largest else "no gap"
    if alarm and gap <= largest:
        level, word = "warning", f"memorised at step {alarm.step:,}"
    title = "Train exact vs held-out pass@1"
    shown = f"{percent(exact)} against {solved(held_out.solved)}/{held_out.n}"
    expected = f"gap ≤ {points(largest)}"
    about = (
        "Whole grids right in training beside tasks solved that were never trained on. A gap of more than "
        f"{100 * largest:g} points over the held-out interval means that rules are remembered, not inferred."
    )
    yield Evidence("memorisation", of.EXACT, title, gap, shown, largest, expected, level, word, about)


def _left_out(found: Findings) -> Iterator[Evidence]:
    """How many of the tasks asked for are trained on; of an older run only how many overlapped."""
    trained, overlapping = found.trained_on, found.last(of.LEFT_OUT)
    if trained is None:
        if overlapping is not None:
            word = f"{overlapping:.0f} left out" if overlapping else "none in training"
            yield _of_metric("leak", of.LEFT_OUT, 0.0, "0 tasks", 0.0, "0 tasks", "good", word)
        return
    word = f"{trained.missing:,} of {trained.asked:,} left out" if trained.missing else "all trained on"
    about = (
        "Tasks that the config asks for and the training cannot use: those that share a pair with an "
        "evaluated task in any augmentation, that fit no canvas, or that have too few pairs. With more than "
        "20 % missing, the run is no longer what its config says."
    )
    share = trained.missing / trained.asked if trained.asked else 0.0
    level: Level = "warning" if trained.is_large else "good"
    expected = f"≤ {percent(MOST_LEFT_OUT, 0)} left out"
    title, shown, most = "Training tasks", trained.count, MOST_LEFT_OUT
    yield Evidence("leak", of.LEFT_OUT, title, share, shown, most, expected, level, word, about)
