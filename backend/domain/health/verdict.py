"""The verdict on a run's encoder: a word for a table, sentences for a page, and the evidence.

Thresholds are those of the run's config, which its alarms were raised by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backend.domain.health import measures as alarms
from backend.domain.health.evidence import Evidence, Findings, Level, evidence
from backend.domain.metrics import names as of
from backend.kit.format import fine_percent, percent, points

# alarm -> the word of the verdict
WORDS = {
    alarms.STARVATION: "starving",
    alarms.COLLAPSE: "collapsed",
    alarms.EXPLOSION: "unstable",
    alarms.UNUSED_CONTEXT: "context unused",
    alarms.MEMORISATION: "memorising",
}
_FORGIVEN = (alarms.UNUSED_CONTEXT, alarms.MEMORISATION)  # their evidence says how things stand now


@dataclass(frozen=True)
class Health:
    """What can be said about a run's encoder now."""

    level: Level
    word: str
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    spread: float | None = None  # share of context variance between samples


def judge(found: Findings) -> Health:
    """The verdict: the first alarm that stays, or else the worst evidence."""
    pieces = tuple(evidence(found))
    level, word = _worst(found, pieces)
    if level == "good" and found.variant == "trm":
        said = "TRM learns one embedding per puzzle; there is no encoder to judge."
        return Health("quiet", "no encoder", said, pieces, found.last(of.SCALE_FREE))
    measured = found.variant == "trm" or of.SCALE_FREE in found.metrics or of.COVERAGE in found.metrics
    if not measured:
        nothing = _NOTHING_YET if found.variant else _NOT_LOGGED
        return Health("quiet", "no data yet", nothing)
    return Health(level, word, " ".join(_sentences(found, level, word)), pieces, found.last(of.SCALE_FREE))


_NOTHING_YET = "No point has been recorded yet. The first verdict comes with the first logging interval."
_NOT_LOGGED = (
    "This run logs no encoder measures. Log encoder/gradient_coverage and encoder/scale_free_variance."
)


def _worst(found: Findings, pieces: tuple[Evidence, ...]) -> tuple[Level, str]:
    staying = [alarm for alarm in found.alarms if alarm.name not in _FORGIVEN]
    if staying:
        return "bad", WORDS.get(staying[0].name, staying[0].name)
    worst = [each for level in ("bad", "warning") for each in pieces if each.level == level]
    return (worst[0].level, worst[0].word) if worst else ("good", "healthy")


def _sentences(found: Findings, level: Level, word: str) -> Iterator[str]:
    """First the verdict, then what the decoder does with the context, then what else is wrong."""
    opening = _opening("model" if found.variant == "trm" else "encoder", level, word)
    facts = _joined(list(_facts(found)))
    staying = [alarm for alarm in found.alarms if alarm.name not in _FORGIVEN]
    if staying:
        opening += f" (alarm at step {staying[0].step:,})."
        yield f"{opening} At the last point: {facts}." if facts else opening
    else:
        yield f"{opening}: {facts}." if facts else f"{opening}."
    cost = found.last(of.COST)
    if cost is not None:
        uses = "uses it" if cost >= found.config.least_reliance else "does not use it"
        yield f"The decoder {uses}: another task's context costs {points(cost)} of token accuracy."


def _opening(what: str, level: Level, word: str) -> str:
    """A verdict's word as the beginning of a sentence about the encoder, or about the whole model."""
    if level == "good":
        return f"The {what} is healthy"
    if word.endswith(" left out"):
        return f"Of the training tasks, {word.removesuffix(' left out')} are left out"
    idle = {
        "context unused": "idle: its context is not used",
        "context hardly used": "idle so far: its context is hardly used",
    }
    return f"The {what} is {idle.get(word, word)}"


def _facts(found: Findings) -> Iterator[str]:
    coverage, spread, nearest = (found.last(name) for name in (of.COVERAGE, of.SCALE_FREE, of.RETRIEVAL))
    if coverage is not None:
        yield f"{fine_percent(coverage, 0)} of its parameters receive a gradient"
    if spread is not None:
        yield f"{fine_percent(spread, 0)} of context variance is between tasks"
    if nearest is not None and found.variant != "trm":
        yield f"views of one task are nearest neighbours {percent(nearest, 0)} of the time"


def _joined(facts: list[str]) -> str:
    return ", ".join([*facts[:-2], " and ".join(facts[-2:])]) if facts else ""
