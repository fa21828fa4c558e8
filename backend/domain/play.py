"""One play: a task that somebody asks a checkpoint, and what came of it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from backend.domain.arc.files import parse_tasks
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import MAX_ID_LENGTH, Task
from backend.domain.arc.votes import pack_trace, unpack_trace
from backend.domain.evaluation_request import CheckpointRef, field_problems
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import FailureMode, Prediction, TestOutcome
from backend.domain.way import MAX_POINTS, QUICK_POINTS, Way, WayPoint
from backend.kit.errors import InvalidInput, InvalidTaskFile
from backend.kit.model import Model

MAX_DEMONSTRATIONS, MAX_TESTS = 12, 4
MAX_VIEWS = 200
MAX_RUN_NAME = 120  # characters, as ExperimentConfig.name has it
QUICK_VIEWS = 8
KEPT_CANDIDATES = 8
SET_NAME = "playground"  # of the key under which a play is computed; no set has this name


class CheckpointAsked(Model):
    """A checkpoint and its weights: what every play asks."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=False)  # a body: see web.inputs

    run: str = Field(
        max_length=MAX_RUN_NAME, description="Id of the run whose checkpoint answers, or its name."
    )
    step: CheckpointRef = Field(
        None, description="Of the checkpoint, or an alias such as best; null means the newest."
    )
    weights: Literal["ema", "raw"] = Field("ema", description="Moving average (published) or raw.")
    act_steps: int | None = Field(None, ge=1, le=64, description="null means as in training.")

    def section(self, config: ExperimentConfig) -> dict[str, Any]:
        """The evaluation section of a run's config, changed to what is asked here."""
        off = {"kind": "none"}
        return config.evaluation.model_dump(mode="json") | {
            "weights": self.weights,
            "act_steps": self.act_steps or config.model.act.max_steps,
            "trim": None,
            "search": off,
            "adaptation": off,
        }


class BetweenRequest(CheckpointAsked):
    """A test input of one task, answered under contexts on the straight line to another task's."""

    kind: Literal["between"] = "between"  # what a stored request is told from a `PlayRequest` by
    first: str = Field(
        max_length=2 * MAX_ID_LENGTH,
        description="SET/TASK whose test input is asked, and whose context the way begins with.",
        examples=["arc-agi-1/training/007bbfb7"],
    )
    second: str = Field(
        max_length=2 * MAX_ID_LENGTH,
        description="SET/TASK whose context the way ends with.",
        examples=["arc-agi-1/training/00d62c1b"],
    )
    test: int = Field(1, ge=1, description="Number of the test input.")
    points: int = Field(
        QUICK_POINTS, ge=2, le=MAX_POINTS, description="Contexts on the way, both ends included."
    )


class PlayRequest(CheckpointAsked):
    """A task, a checkpoint, and how it is to be asked."""

    task: dict[str, Any] = Field(
        description="One task in ARC's JSON. A test input may lack its output.",
        examples=[{"train": [{"input": [[1, 0]], "output": [[0, 1]]}], "test": [{"input": [[2, 0]]}]}],
    )
    name: str = Field(
        "drawn",
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="Id of the task. TRM looks up its puzzle embedding by it.",
    )
    views: int = Field(QUICK_VIEWS, ge=1, le=MAX_VIEWS, description="Augmented forms that vote.")
    search: dict[str, Any] | None = Field(
        None, description="Guided refinement, as `evaluation.search` of a config; null means none."
    )
    adaptation: dict[str, Any] | None = Field(
        None, description="Test-time training, as `evaluation.adaptation` of a config; null means none."
    )

    def read_task(self) -> Task:
        """The task; InvalidTaskFile says what is wrong with it."""
        tasks = parse_tasks(json.dumps(self.task).encode(), self.name)
        if len(tasks) > 1 or tasks[0].pool:
            raise InvalidTaskFile("The playground takes one task with few pairs.", "Choose one of them.")
        task = replace(tasks[0], id=self.name)
        for what, most, number in (
            ("demonstrations", MAX_DEMONSTRATIONS, len(task.demonstrations)),
            ("test inputs", MAX_TESTS, len(task.tests)),
        ):
            if number > most:
                raise InvalidTaskFile(
                    f"The task has {number} {what}; the playground takes {most}.", "Leave some out."
                )
        return task

    def as_read(self) -> PlayRequest:
        """The same with the task in ARC's plain JSON, whatever form it came in: what a page opens. Beside it
        stay the demonstrations that a page has left out. InvalidTaskFile as of `read_task`."""
        left_out = _left_out(self.task.get("left_out"))
        task = json_of(self.read_task()) | ({"left_out": left_out} if left_out else {})
        return self.model_copy(update={"task": task})

    def section(self, config: ExperimentConfig) -> dict[str, Any]:
        """The same with views, search and adaptation."""
        section = super().section(config)
        return section | {
            "views": self.views,
            "distinct_views": False,
            "trace_steps": True,
            "keep_candidates": KEPT_CANDIDATES,
            "search": self.search or section["search"],
            "adaptation": self.adaptation or section["adaptation"],
        }


AnyRequest = PlayRequest | BetweenRequest


def stored_request(raw: dict[str, Any]) -> AnyRequest:
    """What a play's row asks."""
    if raw.get("kind") == "between":
        return BetweenRequest.model_validate(raw)
    return PlayRequest.model_validate(raw)


def parse_play(raw: Any) -> PlayRequest:
    """InvalidInput with one problem for each wrong field."""
    try:
        return PlayRequest.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput("The checkpoint was not asked.", problems=field_problems(error)) from None


def json_of(task: Task) -> dict[str, Any]:
    """A task in ARC's JSON; a test output that is not known is left out."""
    return {
        "train": [
            {"input": pair.input.as_lists(), "output": pair.output.as_lists()} for pair in task.demonstrations
        ],
        "test": [
            {"input": test.input.as_lists()} | ({"output": test.output.as_lists()} if test.output else {})
            for test in task.tests
        ],
    }


def _left_out(raw: object) -> list[dict[str, Any]]:
    """Demonstrations that a page has left out, each with its place among all; none where they have another
    form: to everybody else this is a key beside those of a task."""
    if not isinstance(raw, list) or not raw:
        return []
    places = [each.get("at") if isinstance(each, dict) else None for each in raw]
    if any(type(place) is not int or place < 0 for place in places):
        return []
    try:
        (task,) = parse_tasks(json.dumps({"train": raw, "test": raw[:1]}).encode(), "left_out")
    except InvalidTaskFile:
        return []
    return [{"at": place, **pair} for place, pair in zip(places, json_of(task)["train"], strict=True)]


@dataclass(frozen=True)
class Neighbour:
    """A training task whose context lies near that of the played one."""

    set_name: str
    task_id: str
    distance: float  # 1: as far as two training tasks lie from each other in the mean


@dataclass(frozen=True)
class Neighbours:
    """The training tasks whose contexts lie nearest, nearest first."""

    nearest: tuple[Neighbour, ...]
    compared: int  # training tasks that were compared
    why_none: str = ""  # why there are none


@dataclass(frozen=True)
class PlayResult:
    """What a checkpoint made of a task: one outcome for each test input, in order; or of a way."""

    outcomes: tuple[TestOutcome, ...]
    device: str  # in words
    seconds: float  # from request to answer, in the worker
    load_seconds: float  # of that, until the checkpoint was in memory; 0 where it was there already
    neighbours: Neighbours | None = None  # None: not compared yet
    way: Way | None = None  # of a `BetweenRequest` alone


def pack_result(result: PlayResult) -> bytes:
    """Exactly what `unpack_result` gives back."""
    content = {
        "outcomes": [_outcome_content(each) for each in result.outcomes],
        "device": result.device,
        "seconds": result.seconds,
        "load_seconds": result.load_seconds,
        "neighbours": _neighbours_content(result.neighbours),
        "way": _way_content(result.way),
    }
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def unpack_result(packed: bytes) -> PlayResult:
    """What `pack_result` was given."""
    content = json.loads(zlib.decompress(packed))
    found = content["neighbours"]
    return PlayResult(
        tuple(map(_outcome_from, content["outcomes"])),
        content["device"],
        content["seconds"],
        content["load_seconds"],
        None
        if found is None
        else Neighbours(
            tuple(Neighbour(*each) for each in found["nearest"]), found["compared"], found["why"]
        ),
        _way_from(content.get("way")),  # older answers have none
    )


def _neighbours_content(found: Neighbours | None) -> dict[str, Any] | None:
    if found is None:
        return None
    nearest = [[each.set_name, each.task_id, each.distance] for each in found.nearest]
    return {"nearest": nearest, "compared": found.compared, "why": found.why_none}


def _way_content(way: Way | None) -> dict[str, Any] | None:
    if way is None:
        return None
    points = [
        [each.share, each.grid.digits, each.cell_accuracy, each.halting_probability] for each in way.points
    ]
    return {"asked": way.asked.digits, "truth": way.truth and way.truth.digits, "points": points}


def _way_from(content: dict[str, Any] | None) -> Way | None:
    if content is None:
        return None
    truth = content["truth"]
    return Way(
        Grid.from_digits(content["asked"]),
        None if truth is None else Grid.from_digits(truth),
        tuple(
            WayPoint(share, Grid.from_digits(digits), cells, halting)
            for share, digits, cells, halting in content["points"]
        ),
    )


def _outcome_content(outcome: TestOutcome) -> dict[str, Any]:
    trace = None if outcome.trace is None else base64.b64encode(pack_trace(outcome.trace)).decode()
    return {
        "task": outcome.task_id,
        "test": outcome.test_index,
        "views": outcome.views,
        "truth_rank": outcome.truth_rank,
        "note": outcome.note,
        "candidates": [_candidate_content(each) for each in outcome.candidates],
        "trace": trace,
    }


def _candidate_content(candidate: Prediction) -> Sequence[Any]:
    return (
        candidate.rank,
        candidate.grid.digits,
        candidate.votes,
        candidate.confidence,
        candidate.correct,
        candidate.cell_accuracy,
        candidate.failure_mode,
    )


def _outcome_from(content: dict[str, Any]) -> TestOutcome:
    trace = content["trace"]
    return TestOutcome(
        content["task"],
        content["test"],
        content["views"],
        content["truth_rank"],
        tuple(
            Prediction(
                rank, Grid.from_digits(digits), votes, sure, right, cells, FailureMode(mode) if mode else None
            )
            for rank, digits, votes, sure, right, cells, mode in content["candidates"]
        ),
        content["note"],
        None if trace is None else unpack_trace(base64.b64decode(trace)),
    )
