"""Does one task set give another away?"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.domain.arc.leaks import Leak, find_leaks, rule_of, shared_rules
from backend.domain.experiment import GENERATED_PREFIX


@dataclass(frozen=True)
class Rules:
    """Two generated sets by the rules that their tasks follow."""

    training: int  # different rules
    evaluated: int
    shared: tuple[str, ...]  # in the order of the training set


@dataclass(frozen=True)
class LeakReport:
    """What training on one set would tell of another."""

    training_set: str
    evaluated_set: str
    training_tasks: int
    evaluated_tasks: int
    leaks: tuple[Leak, ...]
    tasks: int  # evaluated tasks given away
    rules: Rules | None = None  # what two generated sets were compared by, instead of by pairs


def check(session: Session, training_set: str, evaluated_set: str) -> LeakReport:
    """Compare every pair of both sets in a form that no augmentation changes; NotFound names a missing set.

    Two generated sets are compared by the rules of their tasks instead, as in training: grids so small share
    pairs by chance, whatever their rules are. Takes about a second for two sets of 400 tasks.
    """
    training = datasets.tasks(session, training_set)
    evaluated = datasets.tasks(session, evaluated_set)
    sets = {training_set: training}, {evaluated_set: evaluated}
    if not all(name.startswith(GENERATED_PREFIX) for name in (training_set, evaluated_set)):
        leaks = find_leaks(*sets)
        given_away = len({leak.evaluated_task for leak in leaks})
        return LeakReport(training_set, evaluated_set, len(training), len(evaluated), leaks, given_away)
    leaks = tuple(shared_rules(*sets))
    trained_on = dict.fromkeys(rule_of(task.id) for task in training)
    asked = {rule_of(task.id) for task in evaluated}
    rules = Rules(len(trained_on), len(asked), tuple(rule for rule in trained_on if rule in asked))
    given_away = sum(rule_of(task.id) in trained_on for task in evaluated)
    return LeakReport(training_set, evaluated_set, len(training), len(evaluated), leaks, given_away, rules)
