"""The playground as a user meets it: ask, watch, cancel, keep. Nothing here commits or sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db import clock
from backend.domain.arc.task import choose_canvas
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig, TrmModel
from backend.domain.play import (
    AnyRequest,
    BetweenRequest,
    CheckpointAsked,
    Neighbours,
    PlayRequest,
    PlayResult,
    stored_request,
    unpack_result,
)
from backend.domain.way import canvas_of_both, set_and_task
from backend.keeping import service as keeping
from backend.kit.errors import Conflict, InvalidConfig, InvalidInput, NotFound, TooManyRequests
from backend.kit.format import counted
from backend.kit.problems import invalid
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.playground import claims
from backend.playground import queries as rows
from backend.playground.tables import Play
from backend.playground.views import (
    AnswerView,
    CheckpointView,
    NeighboursView,
    PlayView,
    answers_of,
    neighbours_view,
    way_view,
)
from backend.runs import queries as run_rows
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint, Run
from backend.web.visitor import who
from backend.workers import service as workers

_NOT_ASKED = "The checkpoint was not asked."
_invalid = partial(invalid, _NOT_ASKED)

MAX_WAITING, MAX_WAITING_OF_ONE = 100, 4
OFFERED = 100  # runs to choose from; any other is typed
SWEPT_AFTER = 24 * 3600.0  # seconds, of what nobody keeps
COMPARED_WITHIN = 3600.0  # seconds after the answer: what is not compared by then never will be
NOT_COMPARED = Neighbours((), 0, "Not compared: the process that answered has ended. Ask again to compare.")


def ask(session: Session, asked: PlayRequest) -> PlayView:
    """Let a worker answer a task with a checkpoint.

    InvalidTaskFile and InvalidInput say what is wrong with the task or the options; NotFound where there is
    no such run or checkpoint; Conflict for an external run, or where several have the name;
    TooManyRequests where too much waits.
    """
    _enter(session)
    asked = asked.as_read()
    task = asked.read_task()
    run, checkpoint = _checkpoint_of(session, asked)
    config = _config(run.config, asked)
    if choose_canvas(task, config.data.canvas_sizes) is None:
        raise _invalid(
            "task",
            f"needs a canvas of {task.visible_side}; the largest of this model has "
            f"{config.data.canvas_sizes[-1]}.",
            "Make its grids smaller, or choose another checkpoint.",
        )
    return _queued(session, asked, checkpoint)


def ask_between(session: Session, asked: BetweenRequest) -> PlayView:
    """Let a worker answer a test input under contexts on the way from its task's to another task's.

    NotFound where there is no such task, run or checkpoint; InvalidInput where no canvas of the run holds
    both tasks, or there is no such test input; Conflict and TooManyRequests as of `ask`.
    """
    _enter(session)
    first, second = (
        datasets.task(session, *set_and_task(field, name))
        for field, name in (("first", asked.first), ("second", asked.second))
    )
    run, checkpoint = _checkpoint_of(session, asked)
    canvas_of_both(first, second, asked.test - 1, _config(run.config, asked).data.canvas_sizes)
    return _queued(session, asked, checkpoint)


def _checkpoint_of(session: Session, asked: CheckpointAsked) -> tuple[Run, Checkpoint]:
    run = runs.called(session, asked.run, _NOT_ASKED)
    if run.origin == "external":
        raise Conflict(f"Run {run.id} is an external run: it has no checkpoint to ask.")
    return run, keeping.find(session, run.id, asked.step)


def _queued(session: Session, asked: AnyRequest, checkpoint: Checkpoint) -> PlayView:
    play = Play(
        id=runs.new_id(),
        request=asked.model_copy(update={"run": checkpoint.run_id, "step": checkpoint.step}).model_dump(
            mode="json"
        ),
        run_id=checkpoint.run_id,
        step=checkpoint.step,
        sha256=checkpoint.sha256,
        status=RunStatus.QUEUED,
        owner_id=who.get().person_id,
        created_at=clock.read(session),
    )
    rows.add(session, play)
    return get(session, play.id)


def get(session: Session, play_id: str) -> PlayView:
    """A play with its answer, if there is one; NotFound."""
    play = _row(session, play_id)
    run = run_rows.get(session, play.run_id)
    assert run is not None  # its plays go with it
    asked = stored_request(play.request)
    result = unpack_result(play.result) if play.result else None
    ahead = rows.ahead_of(session, play) if play.status == RunStatus.QUEUED else None
    owners = accounts.names(session) if play.owner_id is not None else {}
    return PlayView(
        id=play.id,
        status=play.status,
        status_cause=play.status_cause,
        ahead=ahead,
        waiting_for="" if ahead is None else _waiting_for(session, ahead),
        kept=play.kept,
        request=asked,
        checkpoint=_checkpoint(play, run),
        owner=owners.get(play.owner_id) if play.owner_id is not None else None,
        created_at=play.created_at,
        waited_seconds=_waited(play, result) if result else None,
        seconds=result.seconds if result else None,
        load_seconds=result.load_seconds if result else None,
        compute_seconds=result.seconds - result.load_seconds if result else None,
        device=result.device if result else "",
        answers=_answers(result, asked, run) if result and isinstance(asked, PlayRequest) else [],
        way=way_view(result.way) if result and result.way else None,
        neighbours=_neighbours(session, play, result) if result and isinstance(asked, PlayRequest) else None,
    )


def checkpoints(session: Session) -> list[tuple[str, str, str]]:
    """(id, name, words) of the newest runs that have a checkpoint."""
    return [
        (run_id, name, f"{name} · {variant} · step {step:,}")
        for run_id, name, variant, step in rows.with_checkpoints(session, OFFERED)
    ]


def cancel(session: Session, play_id: str) -> PlayView:
    """Nobody waits for the answer any more. One that is over stays as it is."""
    _row(session, play_id)
    claims.cancel(session, play_id)
    return get(session, play_id)


def keep(session: Session, play_id: str) -> PlayView:
    """Let it stay, because somebody links to it."""
    _row(session, play_id)
    rows.keep(session, play_id)
    return get(session, play_id)


def sweep(session: Session, count_lapsed: bool = True) -> list[str]:
    """Put back what lost its worker, and delete what nobody keeps; ids of what waits again."""
    rows.delete_before(session, SWEPT_AFTER)
    return claims.put_back_lost(session, count_lapsed=count_lapsed)


def _row(session: Session, play_id: str) -> Play:
    play = rows.get(session, play_id)
    if play is None:
        raise NotFound(
            f"Play {play_id!r} not found.",
            "Plays are deleted after a day unless a link to them was copied, and with their run.",
        )
    return play


def _enter(session: Session) -> None:
    """Let one request of a person in at a time, and none where too many wait."""
    accounts.hold(session, who.get())
    own = rows.waiting(session, who.get().person_id)
    if own >= MAX_WAITING_OF_ONE:
        raise TooManyRequests(
            f"{counted(own, 'task')} of yours already {'waits' if own == 1 else 'wait'} for an answer.",
            "Wait for one of them, or cancel it.",
            retry_after=2,
        )
    if rows.waiting(session, of_all=True) >= MAX_WAITING:
        raise TooManyRequests(
            f"{MAX_WAITING} tasks already wait for an answer.", "Try again in a minute.", retry_after=30
        )


def _config(config: Mapping[str, Any], asked: CheckpointAsked) -> ExperimentConfig:
    """The run's config with what is asked; InvalidConfig names the fields of the request."""
    section = asked.section(parse_experiment(config))
    try:
        return parse_experiment({**config, "evaluation": section})
    except InvalidConfig as error:
        problems = [
            replace(problem, field=problem.field.removeprefix("evaluation.")) for problem in error.problems
        ]
        raise InvalidInput(_NOT_ASKED, problems=problems) from None


def _answers(result: PlayResult, asked: PlayRequest, run: Run) -> list[AnswerView]:
    """With a note where not all demonstrations were seen: who changes one of the others would take it for one
    that does not matter."""
    task, config = asked.read_task(), parse_experiment(run.config)
    most, number = config.data.max_demonstrations, len(task.demonstrations)
    searches = asked.search is not None and asked.search.get("kind") != "none"
    reader = "encoder" if not isinstance(config.model, TrmModel) else "search" if searches else ""
    note = f"the {reader} sees the first {most} of {number} demonstrations"
    return answers_of(result, task, note if reader and number > most else "")


def _checkpoint(play: Play, run: Run) -> CheckpointView:
    return CheckpointView(
        run=run.id, run_name=run.name, variant=run.variant, step=play.step, sha256=play.sha256
    )


def _waited(play: Play, result: PlayResult) -> float:
    """Seconds that it took besides the work on it: two clocks measure them, so not below 0."""
    assert play.finished_at is not None
    return max(0.0, play.finished_at - play.created_at - result.seconds)


def _neighbours(session: Session, play: Play, result: PlayResult) -> NeighboursView | None:
    """None while they may still come."""
    if result.neighbours is not None:
        return neighbours_view(result.neighbours)
    assert play.finished_at is not None
    is_late = clock.read(session) - play.finished_at > COMPARED_WITHIN
    return neighbours_view(NOT_COMPARED) if is_late else None


def _waiting_for(session: Session, ahead: int) -> str:
    online = [each for each in workers.listed(session) if each.alive]
    if not online:
        return "no worker is online: start one with etrm worker"
    if all(each.is_out for each in online):
        return f"no worker takes work: {online[0].out_cause}"
    return f"{counted(ahead, 'task')} ahead" if ahead else "next in line"
