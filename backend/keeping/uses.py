"""What needs a checkpoint, in words: an alias, a fork, an evaluation, a dashboard.

An ensemble pools stored votes and keeps nothing of its own: its members are evaluations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy.orm import Session

from backend.keeping import queries as rows

Uses = Mapping[int, Sequence[str]]  # step -> words, such as `fork k3v9x0q2ab`
Use = tuple[str, int, str]  # run, step, words


def uses_of(session: Session, run_ids: Collection[str]) -> dict[str, Uses]:
    """By run. A step may be one of which there is no checkpoint any more."""
    found: dict[str, dict[int, list[str]]] = {run_id: defaultdict(list) for run_id in run_ids}
    for uses in (_aliases, _forks, _evaluations, _dashboards):
        for run_id, step, words in uses(session, run_ids):
            found[run_id][step].append(words)
    return {run_id: dict(by_step) for run_id, by_step in found.items()}


def from_outside(session: Session, run_id: str) -> list[str]:
    """What would miss the run itself: its aliases, forks and dashboards. Its evaluations go with it."""
    uses = (*_aliases(session, [run_id]), *_forks(session, [run_id]))
    named = [f"{words} (step {step:,})" for _, step, words in uses]
    return [*named, *(f"dashboard {each.dashboard}" for each in rows.dashboards_of(session, [run_id]))]


def _aliases(session: Session, run_ids: Collection[str]) -> Iterator[Use]:
    for alias, step in rows.aliases_of(session, run_ids):
        yield alias.run_id, step, f"alias {alias.name}"


def _forks(session: Session, run_ids: Collection[str]) -> Iterator[Use]:
    for run_id, step, fork_id in rows.forks_of(session, run_ids):
        if run_id is not None and step is not None:
            yield run_id, step, f"fork {fork_id}"


def _evaluations(session: Session, run_ids: Collection[str]) -> Iterator[Use]:
    for run_id, step, evaluation_id in rows.evaluations_of(session, run_ids):
        yield run_id, step, f"evaluation {evaluation_id}"


def _dashboards(session: Session, run_ids: Collection[str]) -> Iterator[Use]:
    named = rows.dashboards_of(session, run_ids)
    if not named:
        return
    scored: dict[str, set[int]] = defaultdict(set)
    for run_id, step in rows.scored_steps(session, {each.run_id for each in named}):
        scored[run_id].add(step)
    for each in named:
        steps = sorted(scored[each.run_id])
        for step in steps if each.every else steps[-1:]:
            yield each.run_id, step, f"dashboard {each.dashboard}"
