"""RunView: everything the runs table and the run page say about a run, for API and pages alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from pydantic import Field, computed_field

from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.identity import read_stored
from backend.domain.health import in_words
from backend.domain.hypothesis.view import HypothesisView
from backend.domain.trained_on import Shortage
from backend.kit.format import finite
from backend.kit.model import Model
from backend.kit.numbers import Number
from backend.metrics.recent import Recent
from backend.run_view.headline import headlines, held_out
from backend.runs.status import RunStatus
from backend.scores.measured import Measured


class ProgressView(Model):
    """How far a run is."""

    phase: str = Field(examples=["training"])
    done: int
    total: int
    share: float | None = Field(description="done / total, 0 to 1; null while the total is not known.")
    seconds_left: float | None


class ResultView(Measured):
    """One evaluation of one checkpoint, in short."""

    scored: int = Field(description="Test inputs scored so far.")
    seconds: float | None


class MetricView(Model):
    """A metric in three numbers. A last value that is no finite number is a text: "NaN", "Infinity" or
    "-Infinity"; the least and the greatest are of the finite values, null where there is none."""

    last: Number | None
    min: float | None
    max: float | None
    step: int = Field(description="Step of the last point.")


class DeliveryView(Model):
    """What became of an alarm on its way to the webhook. Times are seconds since the Unix epoch."""

    state: Literal["delivered", "waiting", "given_up", "not_sent"]
    attempts: int
    error: str = Field(description="Why the last try failed; empty where it did not.")
    delivered_at: float | None
    next_try_at: float | None
    words: str = Field(examples=["not delivered yet: the webhook answered 503; tried 3 times"])


class AlarmView(Model):
    """A diagnosis with its evidence."""

    name: str
    step: int
    value: float | None = Field(description="null where it was not a number.")
    threshold: float | None
    text: str
    delivery: DeliveryView | None = None

    @property
    def against(self) -> str:
        """Value and threshold in one unit."""
        value, threshold = (in_words(self.name, each) for each in (self.value, self.threshold))
        return f"{value} against a threshold of {threshold}"


class TrainedOnView(Model):
    """How many of the tasks that its config asks for a run was trained on."""

    tasks: int = Field(description="Trained on with every pair that may be asked.")
    asked: int = Field(description="That the config names, or their first n.")
    demonstrations: int = Field(description="Tasks trained on by their demonstrations alone.")
    left_out: dict[str, int] = Field(description="Why (overlap, canvas, pairs) -> how many.")
    unknown_start: str = Field(
        "",
        description="What it started from, where nobody knows what that was trained on; else empty.",
        examples=["run k3f8a2m9qx", "checkpoint file trm.pt"],
    )
    words: str = Field(examples=["trained on 398 of 400 tasks: 2 left out as overlapping the evaluation"])
    warns: bool = Field(description="More than 20 % are missing.")

    @classmethod
    def of(cls, found: Shortage) -> TrainedOnView:
        """As the API says it."""
        return cls(
            tasks=found.tasks,
            asked=found.asked,
            demonstrations=found.demonstrations,
            left_out=dict(found.left_out),
            unknown_start=found.unknown_start,
            words=found.words,
            warns=found.is_large,
        )

    @property
    def shortage(self) -> Shortage:
        """The same as the rules know it."""
        return Shortage(self.tasks, self.asked, self.demonstrations, self.left_out, self.unknown_start)


class HeartbeatView(Model):
    """What is heard of the script of an external run. Times are seconds since the Unix epoch, by the
    database's clock."""

    seconds: float = Field(description="It promised to log, or to send a heartbeat, at least this often.")
    last_at: float = Field(description="Its last sign of life: points count.")
    due_at: float = Field(description="By when it promised the next one.")
    silent_since: float | None = Field(description="Its last sign of life, once the next is overdue.")


class GroupName(Model):
    """The group that a run is part of."""

    id: str = Field(examples=["w7c2m4k1zz"])
    name: str = Field(examples=["quick · width · 3 seeds"])


class RunView(Model):
    """One run. Times are seconds since the Unix epoch."""

    id: str
    name: str
    origin: str = Field(description="`training` by this lab, or `external`: logged here by a script.")
    variant: str = Field(description="`trm`, the kind of the encoder, or empty for an external run.")
    seed: int | None
    status: RunStatus
    status_cause: str = Field(description="Why it failed, was cancelled or waits again; else empty.")
    waiting_reasons: list[str] = Field(
        [],
        description="All that keeps a queued run from running, the most decisive first; else empty.",
        examples=[["1 worker busy with quick-seed0", "2 ahead in queue"]],
    )
    progress: ProgressView
    step: int = Field(description="Last step recorded.")
    config: dict[str, Any]
    owner: str | None = Field(
        None, description="Who launched it; null: the lab's owner, a removed person, or nobody knows."
    )
    project: str = Field("", description="What it belongs to; empty: nothing.", examples=["arc-2"])
    tags: list[str]
    notes: str
    archived: bool = Field(False, description="Put away: lists leave it out.")
    variation: str = Field("", description="The same for runs that differ in name and seed alone.")
    parent_id: str | None
    group: GroupName | None = Field(None, description="null for a run that no sweep made.")
    created_at: float
    started_at: float | None
    finished_at: float | None
    duration: float | None = Field(
        description="Seconds from start to end, or until now; of a lost run, until it was last heard."
    )
    trained_on: TrainedOnView | None = Field(
        None, description="null until it has started, and for a run older than these records."
    )
    results: list[ResultView]
    metrics: dict[str, MetricView]
    alarms: list[AlarmView]
    hypothesis: HypothesisView | None = Field(None, description="null where the config states none.")
    heartbeat: HeartbeatView | None = Field(
        None, description="Of an external run that has not ended; null for others."
    )
    checkpoint_step: int | None = Field(description="Step of the newest checkpoint.")
    worker_id: str | None
    traceback: str = Field(description="Of the crash, when the run failed with one; empty in lists.")
    problem: str = Field("", description="Why most of this is missing: what is stored cannot be read.")

    @computed_field(  # type: ignore[prop-decorator]  # pydantic's own way
        description="`waiting_reasons` in one line."
    )
    @property
    def waiting_reason(self) -> str:
        """All reasons in one line, for tables and commands."""
        return "; ".join(self.waiting_reasons)

    @property
    def state(self) -> str:
        """A digest of all that is shown of it; the same as long as nothing changes but the clock."""
        return sha256(self.model_dump_json(exclude={"duration"}).encode()).hexdigest()[:16]

    @cached_property
    def experiment(self) -> ExperimentConfig | None:
        """The config as our schema has it: whoever asks for a field of it asks here.

        None for an external run, whose config is any JSON and means nothing to us, and for one that today's
        code cannot read.
        """
        return read_stored(self.config) if self.origin == "training" else None

    @cached_property
    def recent(self) -> Mapping[str, Recent]:
        """Metric -> its mean over the last points, which verdicts rest on; `Facts` reads it for those that
        need it. Of a view that it did not make, what its last points say."""
        last = {name: finite(found.last) for name, found in self.metrics.items()}
        return {name: Recent(value, 1) for name, value in last.items() if value is not None}

    @property
    def evaluated_sets(self) -> list[str]:
        """Names of the sets that its config evaluates, in order; none where it is not our schema."""
        return [each.name for each in self.experiment.evaluation.sets] if self.experiment else []

    @cached_property
    def headlines(self) -> dict[str, ResultView]:
        """Set -> the result that stands for the run: the config's own evaluation, where there is one."""
        return headlines(self.experiment, self.results) if self.results else {}

    @cached_property
    def held_out(self) -> ResultView | None:
        """The result that `pass1` in a filter and a table means, or None."""
        return held_out(self.experiment, self.results)

    @property
    def surely_held_out(self) -> ResultView | None:
        """The same, but for one of which nobody knows whether it is held out: what a verdict may rest on."""
        return self.held_out if self.held_out and self.held_out.held_out else None

    @computed_field(  # type: ignore[prop-decorator]  # pydantic's own way
        description="Id of the held-out evaluation whose score is the run's in tables and filters: its "
        "config's own, where that is finished; null without any."
    )
    @property
    def headline(self) -> int | None:
        """The same by its id, for the API."""
        return self.held_out.id if self.held_out else None

    @property
    def beside_headline(self) -> list[ResultView]:
        """The newest finished result on the headline's set by every other protocol, the newest first."""
        first, found = self.held_out, {}
        for result in sorted(self.results, key=lambda each: (each.step, each.id)):
            score = result.pass_at(1)
            if first and result.status == "finished" and result.set == first.set and score and score.n:
                found[result.protocol] = result
        return [
            result for protocol, result in reversed(found.items()) if first and protocol != first.protocol
        ]


def until_now(dumped: dict[str, Any]) -> dict[str, Any]:
    """A run as `model_dump` gave it a while ago, with the duration that it has by now."""
    ticks = dumped["finished_at"] is None and dumped["status"] != RunStatus.LOST
    if dumped["started_at"] is None or not ticks:
        return dumped
    return {**dumped, "duration": max(0.0, time.time() - dumped["started_at"])}
