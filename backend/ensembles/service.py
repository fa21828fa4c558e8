"""Pool the votes of several evaluations of the same tasks, asked in the same way. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.domain.arc.pooling import MemberBallots, OtherTruth, Pooled, pooled
from backend.domain.arc.votes import unpack_ballots
from backend.domain.measurement import SAME, protocol_of, scored_tasks
from backend.domain.records import NO_EMBEDDING, TRUTH_UNKNOWN
from backend.domain.statistics import (
    Ranks,
    mcnemar_exact,
    paired_bootstrap,
    pass_at,
    pass_curve,
    ranks_by_task,
    task_scores,
)
from backend.ensembles.views import AgainstBest, EnsembleView, MemberView, PooledInput
from backend.evaluation import comparison
from backend.kit.errors import Conflict
from backend.kit.format import counted, first_of, interval
from backend.kit.problems import invalid
from backend.runs import queries as runs
from backend.scores import queries as rows
from backend.scores.measured import PassView, passed, passes_of, view_fields
from backend.scores.oracle import oracle_of
from backend.scores.paired import DifferenceView, decided, kind_of
from backend.scores.tables import Evaluation, Outcome, Prediction

MAX_MEMBERS = 32
MAX_K = comparison.MAX_K
HINT = f"Evaluate all by the same protocol: {SAME}."

Name = tuple[str, int]  # task id, test index


def ensemble(session: Session, named: Sequence[str], k: int = 1) -> EnsembleView:
    """The pooled votes of evaluations, each named by its id or by a run (its held-out headline).

    Conflict, naming each member that does not fit and why: not finished, another protocol, other test
    inputs, other truths. InvalidInput for fewer than two members; NotFound.
    """
    if not 1 <= k <= MAX_K:
        raise invalid("No ensemble was made.", "k", f"must lie in 1 to {MAX_K}, not {k}.")
    members = _members(session, named)
    _refuse([reason for each in members[1:] for reason in _misfits(session, members[0], each)])
    votes = [_Votes.of(session, each) for each in members]
    _refuse([f"{each.said} kept none of its votes on {_some(each.empty)}" for each in votes if each.empty])
    _refuse([reason for each in votes[1:] for reason in _other_inputs(votes[0], each)])
    return _view(session, votes, k)


def _members(session: Session, named: Sequence[str]) -> list[Evaluation]:
    """The members once each, by id, so that no order of naming changes a tie."""
    names = list(dict.fromkeys(filter(None, map(str.strip, named))))
    found = {
        each.id: each for each in (comparison.called(session, name) for name in names[: MAX_MEMBERS + 1])
    }
    if not 2 <= len(found) <= MAX_MEMBERS or len(names) > MAX_MEMBERS:
        said = (
            f"{counted(len(found), 'evaluation')} named; an ensemble has 2 to {MAX_MEMBERS} different ones."
        )
        raise invalid("No ensemble was made.", "members", said, "Give ids of evaluations or of runs.")
    members = [found[evaluation_id] for evaluation_id in sorted(found)]
    _refuse([f"evaluation {each.id} is {each.status}" for each in members if each.status != "finished"])
    return members


def _misfits(session: Session, first: Evaluation, other: Evaluation) -> list[str]:
    common = len(set(scored_tasks(first)) & set(scored_tasks(other)))
    reasons = protocol_of(first).differences(protocol_of(other), common)
    return [f"{_said(session, other)} does not fit {first.id}: {'; '.join(reasons)}"] if reasons else []


def _said(session: Session, evaluation: Evaluation) -> str:
    run = runs.get(session, evaluation.run_id)
    return f"evaluation {evaluation.id} ({run.name if run else evaluation.run_id}, step {evaluation.step:,})"


def _refuse(reasons: Sequence[str]) -> None:
    if reasons:
        said = "; ".join(reasons)
        raise Conflict(f"No ensemble was made: {said}.", HINT)


@dataclass(frozen=True)
class _Votes:
    """What one member stored of the tasks that its score counts."""

    evaluation: Evaluation
    said: str
    outcomes: dict[Name, Outcome]
    traces: dict[int, bytes]  # by id of the outcome
    kept: dict[int, list[Prediction]]  # the candidates of outcomes without trace

    @classmethod
    def of(cls, session: Session, evaluation: Evaluation) -> _Votes:
        outcomes = [each for each in rows.outcomes_of(session, evaluation.id) if each.note != NO_EMBEDDING]
        traces = rows.packed_traces(session, evaluation.id)
        without = [each.id for each in outcomes if each.views and each.id not in traces]
        return cls(
            evaluation,
            _said(session, evaluation),
            {(each.task_id, each.test_index): each for each in outcomes},
            traces,
            rows.predictions_of(session, without) if without else {},
        )

    @property
    def is_complete(self) -> bool:
        return all(each.id in self.traces for each in self.outcomes.values() if each.views)

    @property
    def empty(self) -> set[Name]:
        """Test inputs that were voted on and of which neither votes nor candidates were kept."""
        return {
            name
            for name, each in self.outcomes.items()
            if each.views and each.id not in self.traces and each.id not in self.kept
        }

    @property
    def unknown(self) -> set[Name]:
        """Test inputs whose truth is not known: no score counts them."""
        return {name for name, each in self.outcomes.items() if each.note == TRUTH_UNKNOWN}

    def ballots(self, name: Name) -> MemberBallots:
        """The votes on a test input; where they were not kept one by one, those of the stored candidates."""
        outcome = self.outcomes[name]
        if packed := self.traces.get(outcome.id):
            grids, cast = unpack_ballots(packed)
            return MemberBallots(grids, cast, outcome.truth_rank)
        stored = self.kept.get(outcome.id, [])
        cast = [(each.rank, each.confidence) for each in stored for _ in range(each.votes)]
        return MemberBallots(
            [each.grid for each in stored], cast, outcome.truth_rank, outcome.views - len(cast)
        )


def _other_inputs(first: _Votes, other: _Votes) -> list[str]:
    """Why two members do not have the same denominator; empty if they have."""
    reasons = []
    if differing := first.outcomes.keys() ^ other.outcomes.keys():
        reasons.append(f"different test inputs ({_some(differing)})")
    if differing := first.unknown ^ other.unknown:
        reasons.append(f"test inputs whose truth only one of them knew ({_some(differing)})")
    return [f"{other.said} does not fit {first.evaluation.id}: {each}" for each in reasons]


def _some(names: set[Name], most: int = 3) -> str:
    """`00d62c1b #1, 0692e18c #1 and 4 more`."""
    return first_of([f"{task_id} #{index + 1}" for task_id, index in sorted(names)], most)


def _pool(votes: Sequence[_Votes], name: Name) -> Pooled:
    try:
        return pooled([each.ballots(name) for each in votes])
    except OtherTruth as other:
        member = votes[other.member].said
        raise Conflict(
            f"No ensemble was made: {member} was judged by another truth of {_some({name})} than the others.",
            "The set has changed between the evaluations: evaluate this one again.",
        ) from other


def _view(session: Session, votes: Sequence[_Votes], k: int) -> EnsembleView:
    names = sorted(votes[0].outcomes)
    results = {name: _pool(votes, name) for name in names}
    judged = [name for name in names if name not in votes[0].unknown]
    ranks = _by_task({name: results[name].truth_rank for name in judged})
    own = [_by_task({name: each.outcomes[name].truth_rank for name in judged}) for each in votes]
    members = [_member(session, each, of_member, k) for each, of_member in zip(votes, own, strict=True)]
    if not ranks:
        raise Conflict("No ensemble was made: no test input has a known truth.")
    at_k, protocol = _passed(ranks, k), view_fields(protocol_of(votes[0].evaluation))
    lost, unmatched = (sum(getattr(each, of) for each in results.values()) for of in ("lost", "unmatched"))
    return EnsembleView(
        **protocol | {"n": at_k.n},
        k=k,
        members=members,
        score=at_k,
        passes=passes_of(ranks),
        curve=[passed(at, each.solved, each.n) for at, each in pass_curve(ranks).items()],
        oracle=oracle_of(ranks, max(len(each.standings) for each in results.values())),
        against_best=_against_best(members, own, ranks, at_k, k),
        votes=sum(each.votes for each in results.values()),
        lost_votes=lost,
        unmatched_votes=unmatched,
        note=_note(lost, unmatched),
        test_inputs=[_input(votes, name, each) for name, each in results.items()],
    )


def _by_task(ranks: dict[Name, int | None]) -> dict[str, list[int | None]]:
    return ranks_by_task((task_id, ranks[task_id, index]) for task_id, index in sorted(ranks))


def _passed(ranks: Ranks, k: int) -> PassView:
    score = pass_at(ranks, k)
    return passed(k, score.solved, score.n)


def _member(session: Session, votes: _Votes, ranks: Ranks, k: int) -> MemberView:
    evaluation = votes.evaluation
    run = runs.get(session, evaluation.run_id)
    return MemberView(
        evaluation=evaluation.id,
        run_id=evaluation.run_id,
        run_name=run.name if run else evaluation.run_id,
        variant=run.variant if run else "",
        seed=run.seed if run else None,
        step=evaluation.step,
        score=_passed(ranks, k),
        passes=passes_of(ranks),
        complete=votes.is_complete,
    )


def _against_best(
    members: Sequence[MemberView], own: Sequence[Ranks], ranks: Ranks, score: PassView, k: int
) -> AgainstBest:
    best = max(range(len(members)), key=lambda at: (members[at].score.solved, -members[at].evaluation))
    mine, other = task_scores(ranks, k), task_scores(own[best], k)
    kinds = {task_id: kind_of(mine[task_id], other[task_id]) for task_id in sorted(mine)}
    only_mine, only_other = ([t for t, kind in kinds.items() if kind == of] for of in ("only_a", "only_b"))
    p_value = mcnemar_exact(len(only_mine), len(only_other))
    difference = paired_bootstrap(mine, other)
    verdict = {"a": "ensemble", "b": "member"}.get(decided(difference, p_value), "undecided")
    said = {"ensemble": "the ensemble solves more", "member": "the best member solves more"}
    of_best = members[best].score
    return AgainstBest(
        evaluation=members[best].evaluation,
        difference=DifferenceView(mean=difference.mean, low=difference.low, high=difference.high),
        only_ensemble=only_mine,
        only_member=only_other,
        p_value=p_value,
        verdict=verdict,
        words=f"{said.get(verdict, verdict)}: ensemble {score.solved:g}/{score.n}, best member "
        f"{of_best.solved:g}/{of_best.n}, difference {difference.mean * 100:.0f} points "
        f"{interval(difference.low, difference.high)}, p = {p_value:.2g}.",
    )


def _note(lost: int, unmatched: int) -> str:
    said = []
    if lost:
        said.append(
            f"{counted(lost, 'vote')} of members without stored votes went to candidates that were not kept, "
            "and do not count. Evaluate these members again to count them."
        )
    if unmatched:
        said.append(
            f"{counted(unmatched, 'vote')} went to wrong grids that were not kept. Equal ones of two members "
            "count apart, so the truth may rank better than it should."
        )
    return " ".join(said)


def _input(votes: Sequence[_Votes], name: Name, result: Pooled) -> PooledInput:
    first = result.standings[0] if result.standings else None
    return PooledInput(
        task_id=name[0],
        test_index=name[1],
        truth_rank=result.truth_rank,
        member_ranks=[each.outcomes[name].truth_rank for each in votes],
        votes=result.votes,
        candidates=len(result.standings),
        first_votes=first.votes if first else None,
        first_confidence=first.confidence if first else None,
        note=next((each.outcomes[name].note for each in votes if each.outcomes[name].note), ""),
    )
