"""Learning by task: what each checkpoint of a run made of each test input. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field
from sqlalchemy.orm import Session

from backend.domain.arc.votes import unpack_ballots
from backend.domain.measurement import Protocol
from backend.domain.statistics import pass_at, ranks_by_task
from backend.gallery import queries as rows
from backend.kit.errors import InvalidInput, NotFound
from backend.kit.model import Model
from backend.kit.problems import not_valid
from backend.lifecycle import service as runs
from backend.run_view.headline import over_checkpoints
from backend.run_view.views import ResultView
from backend.scores.measured import PassView, ProtocolView, passed, view_fields

State = Literal["lost", "wavering", "gained", "kept", "never"]
STATES: dict[State, str] = {
    "lost": "solved at an earlier checkpoint, not at the newest",
    "wavering": "solved at the newest, but not at every one since it was first solved",
    "gained": "solved at the newest and at every one since it was first solved, not from the start",
    "kept": "solved at every checkpoint",
    "never": "solved at none",
}


class CellView(Model):
    """What one checkpoint made of a test input."""

    rank: int | None = Field(description="Of the right answer among all candidates; null without a vote.")
    votes: int | None = Field(description="For the right answer; null where they were not kept.")
    views: int = Field(description="Votes cast.")
    solved: bool = Field(description="The rank is among the first k.")

    @property
    def share(self) -> float | None:
        """Of the votes, that the right answer got."""
        return None if self.votes is None or not self.views else self.votes / self.views


class CourseView(Model):
    """One test input over the checkpoints."""

    task_id: str
    test_index: int
    state: State
    since: int | None = Field(
        description="Step from which it is solved at every checkpoint; null if not at the newest."
    )
    last: int | None = Field(description="Newest step at which it is solved; null if at none.")
    cells: list[CellView | None] = Field(description="By checkpoint; null where it was not scored.")


class CheckpointView(Model):
    """An evaluated checkpoint: a column of the matrix."""

    evaluation: int
    step: int
    score: PassView = Field(description="pass@k of this evaluation.")


class LearningView(ProtocolView):
    """Test inputs by checkpoints of one run, all scored by one protocol."""

    run_id: str
    run_name: str
    k: int
    checkpoints: list[CheckpointView] = Field(description="By step, the newest last.")
    counts: dict[State, int] = Field(description="Test inputs in each state.")
    courses: list[CourseView] = Field(description="The lost ones first, then by state, task and test input.")


@dataclass(frozen=True)
class Learning:
    """The matrix, and the protocols by which a run was scored at two checkpoints or more."""

    protocols: Sequence[tuple[Protocol, int]]  # with the number of checkpoints; the default first
    view: LearningView | None  # None where no protocol scored two checkpoints


def learning(session: Session, run_id: str, k: int = 1, how: str = "") -> Learning:
    """What the checkpoints of a run made of each test input, by one protocol (`how` is its key; empty: the
    one that scored most checkpoints, on a held-out set if there is one). NotFound; InvalidInput."""
    run = runs.get(session, run_id)
    several = over_checkpoints(run.results)
    ordered = sorted(several, key=lambda of: (not several[of][0].held_out, -len(several[of])))
    protocols = [(of, len(several[of])) for of in ordered]
    chosen = _chosen(ordered, how)
    if chosen is None:
        return Learning(protocols, None)
    results = several[chosen]
    courses = _courses(session, results, k)
    view = LearningView(
        **view_fields(chosen),
        run_id=run_id,
        run_name=run.name,
        k=k,
        checkpoints=[_checkpoint(at, each, courses, k) for at, each in enumerate(results)],
        counts={state: sum(each.state == state for each in courses) for state in get_args(State)},
        courses=courses,
    )
    return Learning(protocols, view)


def required(made: Learning, run_id: str) -> LearningView:
    """The matrix; NotFound where there is none."""
    if made.view is None:
        raise NotFound(
            f"No two checkpoints of run {run_id} were scored by one protocol.", "Evaluate another checkpoint."
        )
    return made.view


def _chosen(ordered: Sequence[Protocol], how: str) -> Protocol | None:
    if not how:
        return next(iter(ordered), None)
    found = next((of for of in ordered if of.key == how), None)
    if found is None:
        known = [of.key for of in ordered]
        raise InvalidInput("Invalid query.", problems=[not_valid("how", how, known, "key of a protocol")])
    return found


def _checkpoint(at: int, result: ResultView, courses: Sequence[CourseView], k: int) -> CheckpointView:
    score = pass_at(
        ranks_by_task((each.task_id, cell.rank) for each in courses if (cell := each.cells[at])), k
    )
    return CheckpointView(evaluation=result.id, step=result.step, score=passed(k, score.solved, score.n))


def _courses(session: Session, results: Sequence[ResultView], k: int) -> list[CourseView]:
    """Every test input whose truth is known, over the evaluations in their order."""
    steps = [each.step for each in results]
    places = {each.id: at for at, each in enumerate(results)}
    table: dict[tuple[str, int], list[CellView | None]] = {}
    for outcome, votes in _with_votes(session, list(places)):
        cells = table.setdefault((outcome.task_id, outcome.test_index), [None] * len(results))
        solved = outcome.rank is not None and outcome.rank <= k
        at = places[outcome.evaluation_id]
        cells[at] = CellView(rank=outcome.rank, votes=votes, views=outcome.views, solved=solved)
    courses = [_course(task_id, index, cells, steps) for (task_id, index), cells in table.items()]
    order = list(STATES)
    return sorted(courses, key=lambda each: (order.index(each.state), each.task_id, each.test_index))


def _with_votes(session: Session, evaluation_ids: Sequence[int]) -> list[tuple[rows.Judged, int | None]]:
    """Every judged outcome with the votes for the truth, from its kept candidates or else its trace."""
    judged = rows.judged(session, evaluation_ids)
    deep = [each.id for each in judged if each.rank is not None and each.votes is None]
    traces = rows.packed(session, deep)
    found: list[tuple[rows.Judged, int | None]] = []
    for each in judged:
        votes = 0 if each.rank is None else each.votes
        if votes is None and each.id in traces:
            _, cast = unpack_ballots(traces[each.id])
            votes = sum(rank == each.rank for rank, _ in cast)
        found.append((each, votes))
    return found


def _course(task_id: str, test_index: int, cells: list[CellView | None], steps: Sequence[int]) -> CourseView:
    scored = [(step, cell.solved) for step, cell in zip(steps, cells, strict=True) if cell]
    solved = [step for step, is_solved in scored if is_solved]
    failed = [step for step, is_solved in scored if not is_solved]
    since = next((step for step in solved if not failed or step > failed[-1]), None)
    return CourseView(
        task_id=task_id,
        test_index=test_index,
        state=state_of([is_solved for _, is_solved in scored]),
        since=since,
        last=solved[-1] if solved else None,
        cells=cells,
    )


def state_of(solved: Sequence[bool]) -> State:
    """The state of a test input that was solved, or not, at these checkpoints in turn."""
    if not any(solved):
        return "never"
    if not solved[-1]:
        return "lost"
    if all(solved):
        return "kept"
    first = list(solved).index(True)
    return "gained" if all(solved[first:]) else "wavering"
