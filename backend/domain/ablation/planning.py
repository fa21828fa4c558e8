"""Which evaluations an ablation is made of: the right context first, then one change to it at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from backend.domain.evaluation_request import MAX_WORKERS, EvaluationRequest, parse_request
from backend.domain.experiment import EvaluationSet, ExperimentConfig, TrmModel, augmentation_problems
from backend.domain.interventions import OF_CONTEXT, OF_DEMONSTRATIONS, Intervention, meaning_of
from backend.kit.format import counted
from backend.kit.model import Model

BASELINE = "right context"
FEW_VIEWS = (1, 32)
ACT_STEPS = (1, 2, 4, 8, 16)
MAX_CHANGES = 16  # of views, and of ACT steps


class Part(StrEnum):
    """A group of rows of the card, in the words of its page."""

    CONTEXT = "context"
    DEMONSTRATIONS = "demonstrations"
    WEIGHTS = "weights"
    VIEWS = "views"
    ACT_STEPS = "ACT steps"
    SEARCH = "search"
    ADAPTATION = "test-time training"


ABOUT = {
    Part.CONTEXT: "blank, random, and that of another task",
    Part.DEMONSTRATIONS: "one left out, one twice, two swapped, other colours; not of TRM, which reads none",
    Part.WEIGHTS: "the raw ones in place of the moving average, or the other way round",
    Part.VIEWS: "how many augmented forms vote",
    Part.ACT_STEPS: "passes through the core before it answers",
    Part.SEARCH: "each context is moved until it explains the demonstrations: slow",
    Part.ADAPTATION: "a copy of the model learns each task's demonstrations first: slow",
}


class AblationRequest(Model):
    """Ablate one checkpoint of a run on tasks of one set."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=False)  # a body: see web.inputs

    set: str = Field("", max_length=200, description="A set; empty means the run's first.")
    first_tasks: int | None = Field(
        None,
        ge=1,
        description="The first n tasks in id order; null means those that the config evaluates, and of a set "
        "that it does not evaluate all.",
    )
    step: int | str | None = Field(
        None, description="Of the checkpoint, or an alias such as best; null means the newest."
    )
    parts: tuple[Part, ...] = Field(tuple(Part), description="What is changed.")
    views: tuple[int, ...] | None = Field(
        None,
        max_length=MAX_CHANGES,
        description="Numbers of views to compare; null means 1, 32 and as many as the training had forms.",
    )
    act_steps: tuple[int, ...] = Field(
        ACT_STEPS, max_length=MAX_CHANGES, description="Numbers of ACT steps to compare."
    )
    search: dict[str, Any] = Field(
        default={"kind": "gradient"}, description="The search, as `evaluation.search` of a config."
    )
    adaptation: dict[str, Any] | None = Field(
        None,
        description="The test-time training, as `evaluation.adaptation` of a config; null means the puzzle "
        "embedding of TRM, and the encoder of ETRM.",
    )
    batch_size: int = Field(64, ge=1, le=8192, description="Views per forward pass.")
    workers: int = Field(1, ge=1, le=MAX_WORKERS, description="Maximum number of workers of an evaluation.")

    @field_validator("parts")
    @classmethod
    def _each_part_once(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(part for part in Part if part in parts)


@dataclass(frozen=True)
class Planned:
    """A row of the card, and the evaluation that measures it."""

    name: str
    part: Part
    about: str  # what is changed, in words; of the baseline what it is
    asked: EvaluationRequest


@dataclass(frozen=True)
class Skipped:
    """A row that this checkpoint cannot have."""

    name: str
    why: str


@dataclass(frozen=True)
class Ablation:
    """All rows of a card, the baseline first."""

    rows: list[Planned] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def plan(asked: AblationRequest, config: ExperimentConfig, is_again: bool = False) -> Ablation:
    """The rows of an ablation of a checkpoint of this config; InvalidInput names what cannot be asked.

    The baseline is measured as the config says, but without search and adaptation and on square canvases: a
    swapped context may not fit a trimmed one. With `is_again` everything is computed beside what is there.
    """
    common = _common(asked, config, is_again)
    about = meaning_of(Intervention.NONE, isinstance(config.model, TrmModel))
    ablation = Ablation([Planned(BASELINE, Part.CONTEXT, about, parse_request(common))])
    for part in asked.parts:
        for row in _ROWS[part](asked, config):
            if isinstance(row, Skipped):
                ablation.skipped.append(row)
            else:
                name, about, changes = row
                ablation.rows.append(Planned(name, part, about, parse_request(common | changes)))
    return ablation


Asked = tuple[str, str, dict[str, Any]] | Skipped


def _common(asked: AblationRequest, config: ExperimentConfig, is_again: bool) -> dict[str, Any]:
    evaluation = config.evaluation
    name = asked.set or next((part.name for part in evaluation.sets), "")
    own = next((part for part in evaluation.sets if part.name == name), None)
    return {
        "set": name,
        "first_tasks": asked.first_tasks or (own.first_tasks if own else None),
        "that_fit": own is not None and own.that_fit,
        "step": asked.step,
        "weights": evaluation.weights,
        "views": evaluation.views,
        "distinct_views": evaluation.distinct_views,
        "act_steps": evaluation.act_steps or config.model.act.max_steps,
        "batch_size": asked.batch_size,
        "workers": asked.workers,
        "again": is_again,
    }


def _context(asked: AblationRequest, config: ExperimentConfig) -> Iterator[Asked]:
    for kind in OF_CONTEXT:
        if kind == Intervention.SWAPPED and _common(asked, config, is_again=False)["first_tasks"] == 1:
            yield Skipped(kind.value, "a single task has no other to swap with")
        else:
            yield kind.value, meaning_of(kind, isinstance(config.model, TrmModel)), {"intervention": kind}


def _demonstrations(asked: AblationRequest, config: ExperimentConfig) -> Iterator[Asked]:
    for kind in OF_DEMONSTRATIONS:
        if isinstance(config.model, TrmModel):
            yield Skipped(kind.value, "TRM reads no demonstrations")
        else:
            yield kind.value, meaning_of(kind, is_trm=False), {"intervention": kind}


def _weights(asked: AblationRequest, config: ExperimentConfig) -> Iterator[Asked]:
    other: Literal["ema", "raw"] = "raw" if config.evaluation.weights == "ema" else "ema"
    name = "raw weights" if other == "raw" else "EMA weights"
    yield name, "as the last step left them" if other == "raw" else "the moving average", {"weights": other}


def _views(asked: AblationRequest, config: ExperimentConfig) -> Iterator[Asked]:
    own, forms = config.evaluation.views, 1 + config.data.augmentations
    for number in sorted({*FEW_VIEWS, forms} if asked.views is None else set(asked.views)):
        name = counted(number, "view")
        if number == own:
            continue
        if _asks_for_other_rules(asked, config, number):
            yield Skipped(name, "a view in other colours would ask for another rule of this generated set")
        elif number > forms and isinstance(config.model, TrmModel):
            yield Skipped(name, f"TRM learned {counted(forms, 'form')} of each puzzle")
        else:
            about = "every form that was trained on votes" if number == forms else "that many forms vote"
            yield name, about, {"views": number}


def _asks_for_other_rules(asked: AblationRequest, config: ExperimentConfig, views: int) -> bool:
    sets = (EvaluationSet(name=asked.set),) if asked.set else config.evaluation.sets[:1]
    evaluation = config.evaluation.model_copy(update={"views": views, "sets": sets})
    return any(augmentation_problems(config.model_copy(update={"evaluation": evaluation})))


def _act_steps(asked: AblationRequest, config: ExperimentConfig) -> Iterator[Asked]:
    own = config.evaluation.act_steps or config.model.act.max_steps
    for number in sorted(set(asked.act_steps) - {own}):
        yield counted(number, "ACT step"), "passes through the core before it answers", {"act_steps": number}


def _search(asked: AblationRequest, config: ExperimentConfig) -> Iterator[Asked]:
    yield (
        "with search",
        "each context is moved until it explains the demonstrations",
        {"search": asked.search},
    )


def _adaptation(asked: AblationRequest, config: ExperimentConfig) -> Iterator[Asked]:
    kind = "embedding" if isinstance(config.model, TrmModel) else "encoder"
    usual = {"kind": kind, "augmentations": config.evaluation.views - 1}
    about = "a copy of the model learns each task's demonstrations before it answers"
    yield "with test-time training", about, {"adaptation": asked.adaptation or usual}


_ROWS = {
    Part.CONTEXT: _context,
    Part.DEMONSTRATIONS: _demonstrations,
    Part.WEIGHTS: _weights,
    Part.VIEWS: _views,
    Part.ACT_STEPS: _act_steps,
    Part.SEARCH: _search,
    Part.ADAPTATION: _adaptation,
}
