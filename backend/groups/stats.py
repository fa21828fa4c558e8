"""What the runs of a group have in common over their seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from backend.domain.experiment.identity import OF_ONE_RUN
from backend.domain.seeds import repeats
from backend.domain.statistics import Mean, mean_of_shares
from backend.domain.sweeps import Sweep, changes_of, variation_label
from backend.groups.views import GroupRun, GroupScore, MeanView, Statuses, VariationView
from backend.run_view.learning import of_run as learning_of
from backend.run_view.seeds import counted
from backend.run_view.views import ResultView, RunView
from backend.scores.measured import common_protocol, newest_by, why_left_out

TOKEN_ACCURACY = "accuracy/token"


def variations(runs: Sequence[RunView], sweep: Sweep) -> list[VariationView]:
    """The runs by what they vary besides the seed, in the order in which they were made."""
    found: dict[str, list[RunView]] = {}
    for run in runs:
        found.setdefault(run.variation, []).append(run)
    return [_variation(those, sweep) for those in found.values()]


def variation_name(config: Mapping[str, Any], sweep: Sweep) -> str:
    """How a configuration differs from the others of its group."""
    return variation_label(_changes(config, sweep), sweep) or "every run"


def short(run: RunView) -> GroupRun:
    """The run as a group lists it."""
    return GroupRun(id=run.id, name=run.name, seed=run.seed, status=run.status)


def statuses(runs: Sequence[RunView]) -> Statuses:
    """How many of the runs have each status."""
    return dict(Counter(run.status.value for run in runs))


def _variation(runs: Sequence[RunView], sweep: Sweep) -> VariationView:
    once = counted(runs)
    last = [run.metrics[TOKEN_ACCURACY].last for run in once if TOKEN_ACCURACY in run.metrics]
    return VariationView(
        name=variation_name(runs[0].config, sweep),
        changes=_changes(runs[0].config, sweep),
        runs=[short(run) for run in runs],
        statuses=statuses(runs),
        repeats=repeats(run.seed for run in runs),
        scores=_scores(once),
        verdicts=dict(Counter(run.hypothesis.verdict for run in runs if run.hypothesis)),
        learning=dict(Counter(learning_of(run).word for run in runs)),
        token_accuracy=_view(mean_of_shares([value for value in last if value is not None])),
    )


def _changes(config: Mapping[str, Any], sweep: Sweep) -> dict[str, Any]:
    return {path: value for path, value in changes_of(config, sweep).items() if path not in OF_ONE_RUN}


def _scores(runs: Sequence[RunView]) -> list[GroupScore]:
    """pass@1 by set, in the order of the config and then as found."""
    by_set: dict[str, list[RunView]] = {}
    for run in runs:
        for name in dict.fromkeys(result.set for result in _finished(run)):
            by_set.setdefault(name, []).append(run)
    order = runs[0].evaluated_sets
    by_place = sorted(by_set, key=lambda name: order.index(name) if name in order else len(order))
    scores = [_score(name, by_set[name]) for name in by_place]
    return [score for score in scores if score]


def _finished(run: RunView) -> list[ResultView]:
    return [result for result in run.results if result.status == "finished"]


def _score(name: str, runs: Sequence[RunView]) -> GroupScore | None:
    """pass@1 of each run's newest result on the set, by the protocol that most of the runs share."""
    of_runs = [[result for result in _finished(run) if result.set == name] for run in runs]
    protocol = common_protocol(of_runs, [run.headlines.get(name) for run in runs])
    results = [result for found in of_runs if (result := newest_by(protocol, found))]
    passes = [score for result in results if (score := result.pass_at(1)) and score.n]
    n = sum(score.n for score in passes)
    tasks = max((score.n for score in passes), default=None)
    share = _view(mean_of_shares([score.solved / score.n for score in passes], tasks))
    if share is None:
        return None
    return GroupScore(
        set=name,
        held_out=all(result.held_out for result in results),
        maybe_held_out=all(result.maybe_held_out for result in results),
        standing=" / ".join(dict.fromkeys(result.standing for result in results)),
        conditions=results[0].protocol.conditions,
        solved=sum(score.solved for score in passes),
        n=n,
        share=share,
        left_out=why_left_out(protocol, of_runs),
    )


def _view(mean: Mean | None) -> MeanView | None:
    return MeanView(n=mean.n, mean=mean.mean, low=mean.low, high=mean.high) if mean else None
