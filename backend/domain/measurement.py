"""How a score was measured: the one rule for which scores may be compared, averaged or ranked together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from typing import Protocol as Structure

from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.adaptation import adaptation_key, adaptation_words, normalised_adaptation
from backend.domain.experiment.search import normalised_key, search_key, search_words
from backend.kit.format import counted

# What two scores must have in common to be compared, in words.
SAME = (
    "set and tasks, views and whether equal ones vote once, weights, ACT steps, adaptation, search, canvas, "
    "intervention"
)
EQUAL_ONCE = "equal views once"
LATER = ("distinct_views", "adaptation", "intervention")  # settings that protocols of before do not name


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an evaluation does with a checkpoint, whatever the tasks."""

    weights: str  # ema or raw
    views: int  # augmented forms of each test input that vote
    act_steps: int
    search: str = ""  # the search's config as JSON; empty without one
    canvas: str = ""  # "trimmed +N" to N cells around the visible grids; empty: square, as in training
    distinct_views: bool = False  # views that look alike vote once
    adaptation: str = ""  # the adaptation's config as JSON; empty without one
    intervention: str = ""  # what was taken from the model on purpose (`interventions`); empty: nothing

    def __post_init__(self) -> None:
        object.__setattr__(self, "search", normalised_key(self.search))
        object.__setattr__(self, "adaptation", normalised_adaptation(self.adaptation))

    @property
    def options(self) -> str:
        """What it does besides plain decoding, to follow the other settings: ` · learns all weights
        100 x 0.0001, … · gradient 100 x 0.1 · trimmed +2 · equal views once`; empty for nothing."""
        equal = EQUAL_ONCE if self.distinct_views else ""
        parts = (
            adaptation_words(self.adaptation),
            search_words(self.search),
            self.canvas,
            equal,
            self.intervention,
        )
        return "".join(f" · {part}" for part in parts if part)

    @property
    def settings(self) -> Settings:
        """The settings alone."""
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})


@dataclass(frozen=True, kw_only=True)
class Protocol(Settings):
    """All that decides whether two scores may be compared: everything but the checkpoint."""

    set_name: str
    tasks_digest: str  # `digest_of` the tasks evaluated
    n: int  # how many they are

    @property
    def key(self) -> str:
        """A short text that is equal for equal protocols, for files and databases."""
        return hashlib.sha256(json.dumps(as_json(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def conditions(self) -> str:
        """`EMA weights · 8 views · 16 ACT steps · gradient 100 x 0.1 · 32 tasks`."""
        views, steps, tasks = (
            counted(number, noun)
            for number, noun in (
                (self.views, "view"),
                (self.act_steps, "ACT step"),
                (self.n, "task"),
            )
        )
        return f"{weights_name(self.weights)} weights · {views} · {steps}{self.options} · {tasks}"

    @property
    def label(self) -> str:
        """The same after the name of the set."""
        return f"{self.set_name} · {self.conditions}"

    def differences(self, other: Protocol, common: int | None = None) -> list[str]:
        """Why scores by this and by the other protocol cannot be compared, in words; empty if they can.

        `common` is the number of tasks that both evaluated, where the caller knows it.
        """
        found = []
        if self.set_name != other.set_name:
            found.append(f"different task sets ({self.set_name} and {other.set_name})")
        elif self.tasks_digest != other.tasks_digest:
            shared = "" if common is None else f", {common or 'none'} in common"
            found.append(f"different tasks ({self.n:,} and {other.n:,}{shared})")
        pairs = (
            ("views", f"{self.views:,}", f"{other.views:,}"),
            ("weights", weights_name(self.weights), weights_name(other.weights)),
            ("ACT steps", f"{self.act_steps:,}", f"{other.act_steps:,}"),
            (
                "adaptations",
                adaptation_words(self.adaptation) or "none",
                adaptation_words(other.adaptation) or "none",
            ),
            ("searches", search_words(self.search) or "none", search_words(other.search) or "none"),
            ("canvases", self.canvas or "square", other.canvas or "square"),
            ("votes of equal views", *("once" if each.distinct_views else "each" for each in (self, other))),
            ("interventions", self.intervention or "none", other.intervention or "none"),
        )
        return found + [
            f"different {name} ({left} and {right})" for name, left, right in pairs if left != right
        ]

    def unlike(self, other: Protocol) -> str:
        """`gradient 100 x 0.1 · 12 tasks`: what this protocol says where the other says something else."""
        parts = (
            (self.set_name, self.set_name != other.set_name),
            (f"{weights_name(self.weights)} weights", self.weights != other.weights),
            (counted(self.views, "view"), self.views != other.views),
            (counted(self.act_steps, "ACT step"), self.act_steps != other.act_steps),
            (adaptation_words(self.adaptation) or "no adaptation", self.adaptation != other.adaptation),
            (search_words(self.search) or "no search", self.search != other.search),
            (
                EQUAL_ONCE if self.distinct_views else "equal views each",
                self.distinct_views != other.distinct_views,
            ),
            (self.canvas or "square canvas", self.canvas != other.canvas),
            (self.intervention or "no intervention", self.intervention != other.intervention),
            (counted(self.n, "task"), self.n != other.n),
        )
        said = " · ".join(words for words, differs in parts if differs)
        if said or self == other:
            return said
        return "other tasks" if self.tasks_digest != other.tasks_digest else "other settings"

    def on(self, task_ids: Iterable[str]) -> Protocol:
        """The same on these tasks of the set alone."""
        ids = list(task_ids)
        return replace(self, tasks_digest=digest_of(ids), n=len(ids))


class Stored(Structure):
    """What has a protocol in attributes of its own, called as in `COLUMNS`: an evaluation's row or key."""

    @property
    def task_ids(self) -> Sequence[str]: ...
    @property
    def apart(self) -> Sequence[str]: ...  # of them, those that the score does not count


COLUMNS = tuple(field.name for field in fields(Protocol) if field.name != "n")  # of an evaluation's row


def protocol_of(row: Stored) -> Protocol:
    """The protocol of a stored evaluation: of the tasks that its score counts."""
    protocol = Protocol(n=len(row.task_ids), **{name: getattr(row, name) for name in COLUMNS})
    return protocol.on(scored_tasks(row)) if row.apart else protocol


def scored_tasks(row: Stored) -> list[str]:
    """The tasks of a stored evaluation that its score counts."""
    apart = frozenset(row.apart)
    return [task_id for task_id in row.task_ids if task_id not in apart]


def settings_of(config: ExperimentConfig) -> Settings:
    """The settings that the evaluation section of a config asks for."""
    evaluation = config.evaluation
    return Settings(
        weights=evaluation.weights,
        views=evaluation.views,
        act_steps=evaluation.act_steps or config.model.act.max_steps,
        search=search_key(evaluation.search),
        canvas="" if evaluation.trim is None else f"trimmed +{evaluation.trim}",
        distinct_views=evaluation.distinct_views,
        adaptation=adaptation_key(evaluation.adaptation),
    )


def digest_of(task_ids: Iterable[str]) -> str:
    """The same for the same tasks, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(task_ids)).encode()).hexdigest()[:16]


def as_json(protocol: Protocol) -> dict[str, Any]:
    """For a JSON column; `from_json` reads it. A later setting is left out where it is as it was before."""
    return {name: value for name, value in asdict(protocol).items() if name not in LATER or value}


def from_json(stored: dict[str, Any] | None) -> Protocol | None:
    """The protocol that `as_json` gave; None for None."""
    return None if stored is None else Protocol(**stored)


def paired_differences(
    a: Protocol, a_tasks: Collection[str], b: Protocol, b_tasks: Collection[str]
) -> list[str]:
    """Why two evaluations cannot be compared task by task, on the tasks that both have; empty if they can."""
    common = set(a_tasks) & set(b_tasks)
    if common:
        a, b = a.on(common), b.on(common)
    return a.differences(b, common=len(common))


def weights_name(weights: str) -> str:
    """`EMA`; raw as it is."""
    return "EMA" if weights == "ema" else weights
