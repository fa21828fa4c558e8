"""Which evaluations of the compared runs can vote together, which were chosen, and what they say as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.domain.measurement import Protocol
from backend.ensembles import service as ensembles
from backend.ensembles.views import EnsembleView
from backend.kit.errors import EtrmError
from backend.run_view.views import ResultView, RunView
from backend.scores.measured import newest_by


@dataclass(frozen=True)
class Offered:
    """An evaluation that can be a member."""

    run: RunView
    result: ResultView
    is_chosen: bool


@dataclass(frozen=True)
class Choice:
    """The evaluations by one protocol, and the ensemble of those chosen, or why there is none."""

    protocols: Sequence[tuple[Protocol, int]]  # that scored two evaluations or more; the most shared first
    protocol: Protocol | None
    offered: Sequence[Offered]
    ensemble: EnsembleView | None
    problem: str = ""


def choice(session: Session, found: Sequence[RunView], members: Sequence[str], how: str, k: int) -> Choice:
    """What can vote together among the finished evaluations of the runs.

    `members` are ids of evaluations; none: the newest of each run, or of one run all its checkpoints. `how`
    is the key of a protocol; empty: that of the first member, or the one that most evaluations share.
    """
    results = [(run, each) for run in found for each in run.results if each.status == "finished"]
    protocols = _protocols([each for _, each in results])
    protocol = _chosen_protocol(protocols, [each for _, each in results], members, how)
    alike = [(run, each) for run, each in results if each.protocol == protocol]
    chosen = [each for each in members if each.strip()] or _newest(found, protocol)
    offered = [Offered(run, each, str(each.id) in chosen) for run, each in alike]
    if len(offered) < 2:
        return Choice(protocols, protocol, offered, None)
    try:
        return Choice(protocols, protocol, offered, ensembles.ensemble(session, chosen, k))
    except EtrmError as error:
        problem = " ".join([*map(str, error.problems)] or [error.message])
        return Choice(protocols, protocol, offered, None, problem)


def _protocols(results: Sequence[ResultView]) -> list[tuple[Protocol, int]]:
    """(protocol, how many evaluations): held-out sets first, then the most shared, then the last used."""
    counts = Counter(each.protocol for each in results)
    held_out = {each.protocol: each.held_out for each in results}
    newest = {each.protocol: each.id for each in sorted(results, key=lambda each: each.id)}
    several = [of for of, number in counts.items() if number > 1]
    several.sort(key=lambda of: (held_out[of], counts[of], newest[of]), reverse=True)
    return [(of, counts[of]) for of in several]


def _chosen_protocol(
    protocols: Sequence[tuple[Protocol, int]], results: Sequence[ResultView], members: Sequence[str], how: str
) -> Protocol | None:
    of_member = next((each.protocol for each in results if str(each.id) in members), None)
    asked = next((of for of, _ in protocols if of.key == how), None)
    return of_member or asked or next((of for of, _ in protocols), None)


def _newest(found: Sequence[RunView], protocol: Protocol | None) -> list[str]:
    """The newest evaluation of each run by the protocol; where only one run has any, all of its."""
    newest = [(run, newest_by(protocol, _finished(run))) for run in found]
    having = [(run, each) for run, each in newest if each]
    if len(having) == 1:
        return [str(each.id) for each in _finished(having[0][0]) if each.protocol == protocol]
    return [str(each.id) for _, each in having]


def _finished(run: RunView) -> list[ResultView]:
    return [each for each in run.results if each.status == "finished"]
