"""What an evaluation is asked to do: the form, the API's body and the command line's options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from backend.domain.experiment import ExperimentConfig
from backend.domain.interventions import Intervention, setting_of
from backend.domain.retention import NAME
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.model import Model

MAX_WORKERS = 64


def _step_or_alias(step: Any) -> Any:
    if isinstance(step, str) and step.isascii() and step.isdecimal():
        step = int(step[:20])
    is_step = isinstance(step, int) and not isinstance(step, bool) and step >= 0
    if step is None or is_step or (isinstance(step, str) and NAME.fullmatch(step)):
        return step
    raise ValueError("must be the step of a checkpoint, from 0 on, or an alias such as best")


CheckpointRef = Annotated[int | str | None, BeforeValidator(_step_or_alias)]  # None: the newest


class EvaluationRequest(Model):
    """Score one checkpoint of a run on tasks of one set."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=False)  # a body: see web.inputs

    set: str = Field(
        "", max_length=200, description="A built-in or imported set; empty means the run's first."
    )
    first_tasks: int | None = Field(None, ge=1, description="The first n tasks in id order; null means all.")
    tasks: tuple[str, ...] = Field(
        (), max_length=10_000, description="Only these tasks, instead of the first n."
    )
    that_fit: bool = Field(False, description="Only use tasks that fit the run's largest canvas.")
    step: CheckpointRef = Field(
        None, description="Of the checkpoint, or an alias such as best; null means the newest."
    )
    weights: Literal["ema", "raw"] = Field("ema", description="Moving average (published) or raw.")
    views: int = Field(32, ge=1, le=10_000, description="Augmented forms of each test input that vote.")
    distinct_views: bool = Field(False, description="Only views that look different vote, each once.")
    act_steps: int | None = Field(None, ge=1, le=256, description="null means as in training.")
    trace_steps: bool = Field(
        False, description="Record the prediction of the original view after every ACT step."
    )
    batch_size: int = Field(64, ge=1, le=8192, description="Views per forward pass.")
    keep_candidates: int = Field(5, ge=2, le=100, description="Top candidates stored per test input.")
    trim: int | None = Field(
        None, ge=0, le=29, description="Trim canvases to so many cells around the visible grids; null: not."
    )
    workers: int = Field(1, ge=1, le=MAX_WORKERS, description="Maximum number of workers.")
    adaptation: dict[str, Any] | None = Field(
        None, description="Test-time training, as `evaluation.adaptation` of a config; null means none."
    )
    search: dict[str, Any] | None = Field(
        None, description="Guided refinement, as `evaluation.search` of a config; null means none."
    )
    intervention: Intervention = Field(
        Intervention.NONE,
        description="What is taken from the model on purpose. Such a score is never a result of its run.",
    )
    again: bool = Field(
        False, description="Compute it beside one that is there: to verify it. Never a result of its run."
    )

    @model_validator(mode="after")
    def _one_choice(self) -> EvaluationRequest:
        if self.tasks and self.first_tasks is not None:
            raise ValueError("tasks: give task ids or the first n, not both")
        return self

    @model_validator(mode="after")
    def _intervenes_alone(self) -> EvaluationRequest:
        if self.intervention and (self.search or self.adaptation):
            raise ValueError("intervention: cannot be combined with a search or an adaptation")
        if self.intervention == Intervention.SWAPPED and self.trim is not None:
            raise ValueError("intervention: a swapped context may not fit a trimmed canvas; leave out trim")
        return self

    @property
    def intervened(self) -> str:
        """The intervention as an evaluation stores it."""
        return setting_of(self.intervention, self.again)

    def section(self, config: ExperimentConfig) -> dict[str, Any]:
        """The evaluation section of the run's config, changed to what is asked here (but for the set)."""
        section = config.evaluation.model_dump(mode="json")
        section |= {
            "weights": self.weights,
            "views": self.views,
            "distinct_views": self.distinct_views,
            "act_steps": self.act_steps or config.model.act.max_steps,
            "trace_steps": self.trace_steps,
            "batch_size": self.batch_size,
            "keep_candidates": self.keep_candidates,
            "trim": self.trim,
        }
        for name, asked in (("adaptation", self.adaptation), ("search", self.search)):
            section.pop(name, None)
            section |= {} if asked is None else {name: asked}
        return section


def parse_request(raw: Any) -> EvaluationRequest:
    """InvalidInput with one problem for each wrong field."""
    try:
        return EvaluationRequest.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput("The evaluation was not started.", problems=field_problems(error)) from None


def field_problems(error: ValidationError) -> list[FieldProblem]:
    """One for each wrong field, in our words."""
    return [
        FieldProblem(".".join(map(str, each["loc"])), _said(each["type"], each["msg"]))
        for each in error.errors()
    ]


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown field."
    return f"{message.removeprefix('Value error, ')}."
