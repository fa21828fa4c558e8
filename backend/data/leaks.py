"""Does one task set give another away?"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.domain.arc.leaks import (
    Leak,
    SharedRules,
    compare_rules,
    find_leaks,
    shared_rules,
)
from backend.domain.experiment import GENERATED_PREFIX


@dataclass(frozen=True)
class LeakReport:
    """What training on one set would tell of another."""

    training_set: str
    evaluated_set: str
    training_tasks: int
    evaluated_tasks: int
    leaks: tuple[Leak, ...]
    tasks: int  # evaluated tasks given away
    rules: SharedRules | None = None  # what two generated sets were compared by, instead of by pairs


def check(session: Session, training_set: str, evaluated_set: str, *, augmented: bool = False) -> LeakReport:
    """Compare every pair of both sets in a form that no augmentation changes; NotFound names a missing set.

    Two generated sets are compared by the rules of their tasks instead, as in training: grids so small share
    pairs by chance, whatever their rules are. `leaks` are of rules shared without augmentation, or with it if
    `augmented`; `rules` says how many augmentation would bring. Two sets of 400 tasks take about a second.
    """
    training = datasets.tasks(session, training_set)
    evaluated = datasets.tasks(session, evaluated_set)
    sets = {training_set: training}, {evaluated_set: evaluated}
    if not all(name.startswith(GENERATED_PREFIX) for name in (training_set, evaluated_set)):
        leaks = find_leaks(*sets)
        given_away = len({leak.evaluated_task for leak in leaks})
        return LeakReport(training_set, evaluated_set, len(training), len(evaluated), leaks, given_away)
    leaks = tuple(shared_rules(*sets, augmented))
    rules = compare_rules(training, evaluated)
    given_away = len({leak.evaluated_task for leak in leaks})
    return LeakReport(training_set, evaluated_set, len(training), len(evaluated), leaks, given_away, rules)
