"""What people may call, write and ask of a run; InvalidInput names the field that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.domain.config.any_json import problem_with
from backend.domain.experiment import (
    FETCHED_SETS,
    BarHypothesis,
    BaselineHypothesis,
    CheckpointStart,
    ExperimentConfig,
    RunStart,
    StartConfig,
    augmentation_problems,
)
from backend.domain.hypothesis.measure import parse
from backend.kit.errors import FieldProblem, InvalidConfig, InvalidInput
from backend.kit.problems import invalid, nearest_ids, one_of
from backend.kit.text import fault, trimmed
from backend.lifecycle.start_files import START, outside
from backend.run_view import queries as run_facts
from backend.runs import journal_queries as journal
from backend.runs import queries as run_rows
from backend.settings import Settings

LISTED_BY = "List runs on the runs page or with `etrm runs`."  # the hint for an unknown id
_invalid = partial(invalid, "The run was not changed.")

MAX_NAME_LENGTH, MAX_TAG_LENGTH, MAX_TAGS, MAX_NOTES_LENGTH = 120, 60, 50, 100_000
MAX_PROJECT_LENGTH = MAX_TAG_LENGTH


def checked_name(name: str) -> str:
    """`name` without spaces around it."""
    name = trimmed(name)
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise _invalid("name", f"must be 1 to {MAX_NAME_LENGTH} characters long.")
    return name


def checked_tags(tags: Sequence[str]) -> list[str]:
    """Each tag once, without spaces around it."""
    kept = list(dict.fromkeys(map(trimmed, tags)))
    if "" in kept:
        raise _invalid("tags", "a tag has at least one character that can be seen.")
    if len(kept) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in kept):
        raise _invalid("tags", f"at most {MAX_TAGS} tags of at most {MAX_TAG_LENGTH} characters.")
    return kept


def checked_project(project: str, summary: str = "The run was not changed.") -> str:
    """`project` without spaces around it; empty: the run belongs to none."""
    name = trimmed(project)
    if project and not name:
        raise invalid(summary, "project", "must have a character that can be seen, or be empty.")
    if len(name) > MAX_PROJECT_LENGTH:
        raise invalid(summary, "project", f"must be at most {MAX_PROJECT_LENGTH} characters long.")
    if problem := fault(name):
        raise invalid(summary, "project", problem)
    return name


def checked_notes(notes: str) -> str:
    """`notes`, if they are not too long."""
    if len(notes) > MAX_NOTES_LENGTH:
        raise _invalid("notes", f"must be at most {MAX_NOTES_LENGTH} characters long.")
    return notes


def checked_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a run that a script logs here: any JSON object of bounded depth and size."""
    if problem := problem_with(config):
        raise InvalidInput("The run was not created.", problems=[problem])
    return dict(config)


def checked_hypothesis(hypothesis: BarHypothesis) -> dict[str, Any]:
    """The hypothesis of a run that a script logs here: a bar on what it logs, and no stop rule."""
    if any(term.k for term in parse(hypothesis.measure).terms):
        raise _invalid("hypothesis.measure", "must be a series that the script logs: nothing evaluates it.")
    if hypothesis.stop.kind != "none":
        raise _invalid("hypothesis.stop", "must be none: the script itself decides when it ends.")
    return hypothesis.model_dump(mode="json")


def check_names(session: Session, *configs: ExperimentConfig) -> None:
    """InvalidConfig where a field of any of the configs names a task set, run or checkpoint that does not
    exist, or augments generated tasks into those that are held out."""
    known = [each.name for each in datasets.available(session)]
    missing = [
        FieldProblem(field, f"unknown task set {name!r}.", one_of(name, known))
        for config in configs
        for field, name in _sets_of(config)
        if name not in known and not _may_be_missing(field, name)
    ]
    missing += [problem for config in configs for problem in augmentation_problems(config)]
    missing += _missing_baselines(session, configs)
    starts = dict.fromkeys(config.training.initialise_from for config in configs)
    missing += [problem for start in starts if (problem := _missing_start(session, start))]
    if missing:
        raise InvalidConfig("The config is not valid.", problems=tuple(dict.fromkeys(missing)))


def hold_starts(session: Session, *configs: ExperimentConfig) -> None:
    """Until the transaction ends, nobody lets go the checkpoints that these configs start from."""
    starts = [config.training.initialise_from for config in configs]
    for run_id in sorted({start.run for start in starts if isinstance(start, RunStart)}):
        run_rows.hold(session, run_id)


def _missing_baselines(session: Session, configs: Sequence[ExperimentConfig]) -> list[FieldProblem]:
    stated = [each.hypothesis for each in configs if isinstance(each.hypothesis, BaselineHypothesis)]
    named = {each.run_id for each in stated}
    return [
        FieldProblem("hypothesis.run_id", f"unknown run {run_id!r}.", _nearest_run(session, run_id))
        for run_id in sorted(named - set(run_rows.several(session, named)))
    ]


def _nearest_run(session: Session, run_id: str) -> str:
    return nearest_ids(run_id, run_facts.all_ids(session), LISTED_BY)


def _may_be_missing(field: str, name: str) -> bool:
    """Whether a run starts without this set, and says so: a training set that has to be fetched."""
    return name in FETCHED_SETS and field.startswith("data.training_sets")


def _sets_of(config: ExperimentConfig) -> Iterator[tuple[str, str]]:
    """(field, name) of every task set that a config names."""
    for at, name in enumerate(config.data.training_sets):
        yield f"data.training_sets.{at}", name
    for at, each in enumerate(config.evaluation.sets):
        yield f"evaluation.sets.{at}.name", each.name


def _missing_start(session: Session, start: StartConfig) -> FieldProblem | None:
    """What is wrong with the file, or the checkpoint of another run, that a config starts from."""
    if isinstance(start, CheckpointStart):
        return outside(start, Settings.load())
    if not isinstance(start, RunStart):
        return None
    if run_rows.get(session, start.run) is None:
        return FieldProblem(f"{START}.run", f"unknown run {start.run!r}.", _nearest_run(session, start.run))
    steps = [each.step for each in journal.checkpoints_of(session, start.run)]
    if start.step in steps:
        return None
    kept = ", ".join(map(str, steps[:8]))
    hint = f"It has {kept}." if steps else "It has none."
    return FieldProblem(f"{START}.step", f"run {start.run} has no checkpoint of step {start.step}.", hint)
