"""Encoder health: a verdict in words with the evidence it rests on.

The thresholds are those of the alarms that a training raises (worker/training/diagnostics.py); an alarm
stays the verdict, because a run that once starved is not made whole by a good last point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backend.pages.words import percent, significant
from backend.services.run_view import AlarmView, MetricView, RunView

Level = Literal["good", "warning", "bad", "quiet"]

COVERAGE, SAMPLES = "encoder/gradient_coverage", "encoder/sample_coverage"
SCALE_FREE, CROSS_SAMPLE = "encoder/scale_free_variance", "encoder/cross_sample_variance"
NORM, ENCODER_NORM = "gradient_norm/all", "gradient_norm/encoder"
METRICS = (
    COVERAGE,
    SAMPLES,
    SCALE_FREE,
    CROSS_SAMPLE,
    NORM,
    ENCODER_NORM,
    "accuracy/token",
    "accuracy/exact",
)

STARVING = 0.5  # coverage below this
COLLAPSING = 1e-3  # scale-free variance below this
THIN = 0.02  # scale-free variance below this is worth a look

# alarm -> the word of the verdict
WORDS = {
    "starvation": "starving",
    "collapse": "collapsed",
    "gradient explosion": "unstable",
    "nan": "diverged",
}


@dataclass(frozen=True)
class Evidence:
    """One measure: what it is now, what it should be, what that means."""

    title: str
    value: str
    expected: str
    level: Level
    word: str
    about: str


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
    evidence = tuple(each for each in (*_gradients(run), *_spread(run), *_outcome(run)) if each is not None)
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
    worst = next((each for level in ("bad", "warning") for each in evidence if each.level == level), None)
    return (worst.level, worst.word) if worst else ("good", "healthy")


def _sentence(run: RunView, level: Level, word: str) -> str:
    coverage, spread = _last(run, COVERAGE), _last(run, SCALE_FREE)
    said = []
    if coverage is not None:
        said.append(f"{percent(coverage, 0)} of the encoder's parameters receive a gradient")
    if spread is not None:
        said.append(f"{percent(spread)} of the context's energy differs between samples")
    opening = {
        "good": "The encoder is alive",
        "warning": f"The encoder is {word}, which deserves a look",
        "bad": f"The encoder is {word}",
        "quiet": "Nothing to judge",
    }[level]
    return f"{opening}: {' and '.join(said)}." if said else f"{opening}."


def _gradients(run: RunView) -> list[Evidence | None]:
    share = None
    norm, encoder = _last(run, NORM), _last(run, ENCODER_NORM)
    if norm and encoder is not None:
        share = encoder / norm
    return [
        _measured(
            run,
            COVERAGE,
            "Gradient coverage, parameters",
            STARVING,
            "Share of the encoder's numbers that received a gradient other than zero in the last interval. "
            "An encoder that is cut off from the loss shows 0 % from the first step on. Whatever receives no "
            "gradient stays as it was drawn at the start.",
        ),
        _measured(
            run,
            SAMPLES,
            "Gradient coverage, samples",
            STARVING,
            "Share of samples whose context was encoded in this step and received a gradient. A cached "
            "context (re-encode off) reaches the encoder only at a sample's first ACT step. The published "
            "first version had about 2 % and stalled.",
        ),
        (
            share
            and Evidence(
                "Encoder's share of the gradient norm",
                percent(share, 0),
                "no fixed limit",
                "quiet",
                "for comparison",
                "L2 norm of the encoder's gradient over that of all weights. It is small where the decoder "
                "can do without the context. Watch its course rather than its height.",
            )
        )
        or None,
        _stability(run),
    ]


def _stability(run: RunView) -> Evidence | None:
    norm = run.metrics.get(NORM)
    if norm is None or norm.max is None:
        return None
    alarm = _alarm(run, "gradient explosion")
    return Evidence(
        "Largest gradient norm",
        significant(norm.max),
        f"≤ {significant(alarm.threshold)}" if alarm else "≤ 100 × recent median",
        "bad" if alarm else "good",
        f"exploded at step {alarm.step:,}" if alarm else "stable",
        "L2 norm of all gradients before clipping, largest so far. Over 100 times the median of the recent "
        "ones raises an alarm. Without clipping, published runs collapsed near step 1,900.",
    )


def _spread(run: RunView) -> list[Evidence | None]:
    spread = _last(run, SCALE_FREE)
    cross = run.metrics.get(CROSS_SAMPLE)
    alarm = _alarm(run, "collapse")
    level: Level = "bad" if alarm else "good"
    word = f"collapsed at step {alarm.step:,}" if alarm else "contexts differ"
    if spread is not None and not alarm and spread < THIN:
        level, word = ("bad", "collapsed") if spread < COLLAPSING else ("warning", "thin")
    scale_free = spread is not None and Evidence(
        "Context variance, scale-free",
        percent(spread),
        "> 2 %, alarm below 0.1 %",
        level,
        word,
        "Cross-sample variance divided by the context's mean square: the share of its energy that differs "
        "between samples, from 0 to 100 %. Near 0 every task gets the same context, and the decoder cannot "
        "tell tasks apart. It compares across encoders.",
    )
    plain = cross is not None and Evidence(
        "Context variance, cross-sample",
        significant(cross.last),
        "within one encoder only",
        "quiet",
        "for comparison",
        "Mean over samples, tokens and features of (context − batch mean)². It grows with the context's "
        "scale, so that 3.33 of one encoder may mean less than 0.36 of another. Published: "
        "deterministic 0.357, variational 3.33, iterative 0.146.",
    )
    return [scale_free or None, plain or None]


def _outcome(run: RunView) -> list[Evidence | None]:
    """Memorisation: what training shows beside what held-out tasks show."""
    exact, held_out = _last(run, "accuracy/exact"), run.held_out
    score = held_out.pass_at(1) if held_out else None
    if exact is None or score is None or held_out is None:
        return []
    gap = exact - score.high
    level: Level = "warning" if gap > 0.2 else "good"
    return [
        Evidence(
            "Train against held-out",
            f"{percent(exact)} exact · {score.solved:g}/{score.n} held-out",
            "train ≤ held-out interval + 20 points",
            level,
            "memorising" if level == "warning" else "no gap seen",
            "Whole grids right in training (augmented, exact accuracy) beside pass@1 on tasks never trained "
            f"on ({held_out.set}, {held_out.weights} weights). A wide gap means that the rule is remembered, "
            "not inferred.",
        )
    ]


def _measured(run: RunView, metric: str, title: str, threshold: float, about: str) -> Evidence | None:
    found = run.metrics.get(metric)
    if found is None or found.last is None:
        return None
    alarm = _alarm(run, "starvation")
    low = found.last < threshold
    starved_before = not low and alarm is not None and (found.min or 0.0) < threshold
    word = "starving" if low else f"starved at step {alarm.step:,}" if starved_before and alarm else "reached"
    return Evidence(
        title,
        percent(found.last, 0),
        f"≥ {percent(threshold, 0)}",
        "bad" if low or starved_before else "good",
        word,
        about,
    )


def _alarm(run: RunView, name: str) -> AlarmView | None:
    return next((alarm for alarm in run.alarms if alarm.name == name), None)


def _last(run: RunView, metric: str) -> float | None:
    found: MetricView | None = run.metrics.get(metric)
    return found.last if found else None
