"""Encoder health: a verdict in words with the evidence it rests on.

The thresholds are those of the alarms that a training raises (worker/training/diagnostics.py). An alarm
stays the verdict: a run that once starved is not made whole by a good last point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from backend.pages.words import percent, significant
from backend.services.run_view import AlarmView, RunView

Level = Literal["good", "warning", "bad", "quiet"]

COVERAGE, SAMPLES = "encoder/gradient_coverage", "encoder/sample_coverage"
SCALE_FREE, CROSS_SAMPLE = "encoder/scale_free_variance", "encoder/cross_sample_variance"
NORM, ENCODER_NORM = "gradient_norm/all", "gradient_norm/encoder"
TOKEN, EXACT, LOSS = "accuracy/token", "accuracy/exact", "loss"
METRICS = (COVERAGE, SAMPLES, SCALE_FREE, CROSS_SAMPLE, NORM, ENCODER_NORM, TOKEN, EXACT, LOSS)

STARVING = 0.5  # coverage below this
COLLAPSING = 1e-3  # scale-free variance below this
THIN = 0.02  # scale-free variance below this is worth a look
GAP = 0.2  # of exact accuracy above the upper end of the held-out interval

# alarm -> the word of the verdict
WORDS = {"starvation": "starving", "collapse": "collapsed", "gradient explosion": "unstable"}


@dataclass(frozen=True)
class Evidence:
    """One measure: what it is now, what it should be, what that means. `metric` is the curve it is read off.

    What a measure is, for whoever asks, stands in run/_encoder.html under its title.
    """

    metric: str
    title: str
    value: str
    expected: str
    level: Level
    word: str


@dataclass(frozen=True)
class Health:
    """The verdict: a word for a table, a sentence for a page, and the evidence."""

    level: Level
    word: str
    sentence: str
    evidence: tuple[Evidence, ...] = ()

    def short(self, run: RunView) -> str:
        """The number that goes with the word in a table."""
        found = run.metrics.get(SCALE_FREE)
        return significant(found.last, 2) if found and found.last is not None else ""


def health_of(run: RunView) -> Health:
    """What can be said about the run's encoder now."""
    if run.variant == "trm":
        return Health(
            "quiet", "no encoder", "TRM learns one embedding per puzzle; there is no encoder to judge."
        )
    if SCALE_FREE not in run.metrics and COVERAGE not in run.metrics:
        return Health("quiet", "no data yet", _NOTHING_YET if run.origin == "training" else _NOT_LOGGED)
    evidence = tuple(_evidence(run))
    level, word = _verdict(run, evidence)
    return Health(level, word, _sentence(run, level, word), evidence)


_NOTHING_YET = "No point has been recorded yet. The first verdict comes with the first logging interval."
_NOT_LOGGED = (
    "This run logs no encoder measures. Log encoder/gradient_coverage and encoder/scale_free_variance."
)


def _verdict(run: RunView, evidence: tuple[Evidence, ...]) -> tuple[Level, str]:
    if run.alarms:
        first = run.alarms[0]
        return "bad", WORDS.get(first.name, first.name)
    worst = [each for level in ("bad", "warning") for each in evidence if each.level == level]
    return (worst[0].level, worst[0].word) if worst else ("good", "healthy")


def _sentence(run: RunView, level: Level, word: str) -> str:
    coverage, spread = _last(run, COVERAGE), _last(run, SCALE_FREE)
    said = []
    if coverage is not None:
        said.append(f"{percent(coverage, 0)} of its parameters receive a gradient")
    if spread is not None:
        said.append(f"{percent(spread, 0)} of the context's energy differs between samples")
    opening = "The encoder is alive" if level == "good" else f"The encoder is {word}"
    facts = f": {' and '.join(said)}." if said else "."
    if run.alarms:
        return f"{opening} (alarm at step {run.alarms[0].step:,}). At the last point{facts}"
    return f"{opening}{facts}"


def _evidence(run: RunView) -> Iterator[Evidence]:
    yield from _finite_loss(run)
    yield from _coverage(run, COVERAGE, "Gradient coverage, parameters")
    yield from _coverage(run, SAMPLES, "Gradient coverage, samples")
    yield from _encoder_share(run)
    yield from _stability(run)
    yield from _scale_free(run)
    yield from _cross_sample(run)
    yield from _memorisation(run)


def _finite_loss(run: RunView) -> Iterator[Evidence]:
    loss = run.metrics.get(LOSS)
    if loss is not None and loss.last is None:
        yield Evidence(LOSS, "Loss", "NaN", "a number", "bad", "diverged")


def _coverage(run: RunView, metric: str, title: str) -> Iterator[Evidence]:
    found, alarm = run.metrics.get(metric), _alarm(run, "starvation")
    if found is None or found.last is None:
        return
    level: Level = "good"
    word = "reached"
    if found.last < STARVING:
        level, word = "bad", "starving"
    elif alarm and (found.min or 0.0) < STARVING:
        level, word = "bad", f"starved at step {alarm.step:,}"
    yield Evidence(metric, title, percent(found.last, 0), f"≥ {percent(STARVING, 0)}", level, word)


def _encoder_share(run: RunView) -> Iterator[Evidence]:
    norm, encoder = _last(run, NORM), _last(run, ENCODER_NORM)
    if norm and encoder is not None:
        share = percent(encoder / norm, 0)
        yield Evidence(
            ENCODER_NORM, "Encoder's share of the gradient norm", share, "–", "quiet", "its course counts"
        )


def _stability(run: RunView) -> Iterator[Evidence]:
    norm, alarm = run.metrics.get(NORM), _alarm(run, "gradient explosion")
    if norm is None or norm.max is None:
        return
    title, value = "Largest gradient norm", significant(norm.max)
    if alarm:
        limit = f"≤ {significant(alarm.threshold)}"
        yield Evidence(NORM, title, value, limit, "bad", f"exploded at step {alarm.step:,}")
    else:
        yield Evidence(NORM, title, value, "≤ 100 × recent median", "good", "stable")


def _scale_free(run: RunView) -> Iterator[Evidence]:
    spread, alarm = _last(run, SCALE_FREE), _alarm(run, "collapse")
    if spread is None:
        return
    level: Level = "good"
    word = "contexts differ"
    if alarm:
        level, word = "bad", f"collapsed at step {alarm.step:,}"
    elif spread < COLLAPSING:
        level, word = "bad", "collapsed"
    elif spread < THIN:
        level, word = "warning", "nearly one context for all"
    expected = f"> {percent(THIN, 0)}"
    yield Evidence(SCALE_FREE, "Context variance, scale-free", percent(spread), expected, level, word)


def _cross_sample(run: RunView) -> Iterator[Evidence]:
    found = _last(run, CROSS_SAMPLE)
    if found is not None:
        title = "Context variance, cross-sample"
        yield Evidence(CROSS_SAMPLE, title, significant(found), "–", "quiet", "within one encoder only")


def _memorisation(run: RunView) -> Iterator[Evidence]:
    """What training shows beside what held-out tasks show."""
    exact, held_out = _last(run, EXACT), run.held_out
    score = held_out.pass_at(1) if held_out else None
    if exact is None or score is None:
        return
    remembers = exact - score.high > GAP
    level: Level = "warning" if remembers else "good"
    value = f"{percent(exact)} against {score.solved:g}/{score.n}"
    word = "memorising" if remembers else "no gap seen"
    yield Evidence(EXACT, "Train exact against held-out pass@1", value, "gap ≤ 20 points", level, word)


def _alarm(run: RunView, name: str) -> AlarmView | None:
    return next((alarm for alarm in run.alarms if alarm.name == name), None)


def _last(run: RunView, metric: str) -> float | None:
    found = run.metrics.get(metric)
    return found.last if found else None
