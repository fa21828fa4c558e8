"""An ablation with its evaluations as they stand: what its page and its card say follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from sqlalchemy.orm import Session

from backend.ablations import queries as rows
from backend.ablations.tables import Ablation
from backend.ablations.views import AblationRow, AblationView, Status
from backend.domain.ablation import card as cards
from backend.domain.ablation import planning
from backend.domain.ablation.card import Card, CardCheckpoint, CardRow, Derived, LeakFacts, LeftOut, RowCost
from backend.domain.ablation.planning import AblationRequest, Planned
from backend.domain.config.problems import parse_experiment
from backend.domain.measurement import as_json
from backend.domain.records import COMPUTED_BY
from backend.evaluation.views import EvaluationView, views_of
from backend.kit.format import counted
from backend.runs import queries as run_rows
from backend.runs.tables import Run
from backend.scores import queries as scores
from backend.scores.measured import passed


def ids_of(ablation: Ablation) -> dict[str, int]:
    """Name of a row -> its evaluation."""
    return {row["name"]: row["evaluation"] for row in ablation.evaluations}


def status_of(states: Collection[str]) -> Status:
    """Of an ablation whose evaluations are in these states."""
    if all(state == "finished" for state in states):
        return "finished"
    return "running" if {"queued", "running", "cancelling"} & {*states} else "failed"


def done_words(states: Sequence[str]) -> str:
    """`3 of 17 evaluations are finished.`"""
    of = counted(len(states), "evaluation")
    return f"{states.count('finished'):,} of {of} are finished."


def config_of(run: Run) -> dict[str, Any]:
    """The config of a run with its defaults filled in, without its name."""
    config = parse_experiment(run.config).model_dump(mode="json")
    return {name: value for name, value in config.items() if name != "name"}


@dataclass(frozen=True)
class Measured:
    """An ablation with its evaluations as they stand."""

    ablation: Ablation
    run: Run
    planned: Sequence[Planned]
    left_out: list[LeftOut]
    views: Mapping[str, EvaluationView]  # by name of the row
    reused: Collection[str]  # names of the rows that were there before
    ranks: Mapping[str, dict[str, list[int | None]]]  # of those that are finished
    code: Mapping[str, dict[str, str]]

    @classmethod
    def of(cls, session: Session, ablation: Ablation) -> Measured:
        run = run_rows.get(session, ablation.run_id)
        assert run is not None  # an ablation goes with its run
        asked = AblationRequest.model_validate(ablation.asked)
        plan = planning.plan(asked, parse_experiment(run.config), ablation.is_again)
        ids = ids_of(ablation)
        evaluated = rows.evaluations(session, ids.values())
        by_id = {view.id: view for view in views_of(session, list(evaluated.values()))}
        views = {name: by_id[at] for name, at in ids.items() if at in by_id}
        finished = {name: view.id for name, view in views.items() if view.status == "finished"}
        return cls(
            ablation,
            run,
            [row for row in plan.rows if row.name in views],
            [LeftOut(name=row.name, why=row.why) for row in plan.skipped],
            views,
            {row["name"] for row in ablation.evaluations if _is_reused(ablation, row, by_id)},
            {name: scores.truth_ranks(session, at) for name, at in finished.items()},
            {name: evaluated[at].extras.get(COMPUTED_BY, {}) for name, at in finished.items()},
        )

    @property
    def status(self) -> Status:
        return status_of([view.status for view in self.views.values()])

    @property
    def words(self) -> str:
        ended = [view for view in self.views.values() if view.status in ("failed", "cancelled")]
        causes = "".join(
            f" Evaluation {view.id} {'failed' if view.status == 'failed' else 'was cancelled'}"
            f"{f': {view.status_cause}' if view.status == 'failed' and view.status_cause else ''}."
            for view in ended[:3]
        )
        return done_words([view.status for view in self.views.values()]) + causes

    @property
    def share(self) -> float:
        """Of the evaluations that is done, 0 to 1: each counts the same."""
        done = (
            1.0 if view.status == "finished" else view.progress.share or 0.0 for view in self.views.values()
        )
        return sum(done) / len(self.views)

    @property
    def leaks(self) -> LeakFacts:
        """The leak check, by the evaluation of the right context."""
        first = self.views[self.planned[0].name]
        return LeakFacts(
            words=first.standing,
            trained_on=first.trained_on,
            demonstrations_trained_on=first.demonstrations_trained_on,
            given_away=first.given_away,
            unknown=first.unknown,
        )

    @cached_property
    def numbers(self) -> dict[str, Derived]:
        """What follows from the ranks so far, by name of the row; nothing without the right context's."""
        names = [row.name for row in self.planned if row.name in self.ranks]
        if not names or names[0] != self.planned[0].name:
            return {}
        return dict(zip(names, cards.derived([self.ranks[name] for name in names]), strict=True))

    @property
    def costs(self) -> dict[str, RowCost]:
        """Of the rows that are finished, by name."""
        return {name: _cost(view, self.code[name]) for name, view in self.views.items() if name in self.ranks}

    def view(self) -> AblationView:
        first, ablation = self.views[self.planned[0].name], self.ablation
        numbers, costs = self.numbers, self.costs
        own = [cost for name, cost in costs.items() if name not in self.reused]
        return AblationView(
            id=ablation.id,
            run_id=self.run.id,
            run_name=self.run.name,
            variant=self.run.variant,
            step=ablation.step,
            set=first.set,
            n=len(ablation.tasks),
            status=self.status,
            words=self.words,
            share=self.share,
            verifies=ablation.is_again,
            weights=ablation.weights,
            leaks=self.leaks,
            rows=[
                _row(
                    row,
                    self.views[row.name],
                    row.name in self.reused,
                    numbers.get(row.name),
                    costs.get(row.name),
                )
                for row in self.planned
            ],
            left_out=self.left_out,
            seconds=sum(cost.seconds for cost in own),
            forward_passes=sum(cost.forward_passes or 0 for cost in own),
            digest=self.card().digest if self.status == "finished" else "",
            created_at=ablation.created_at,
        )

    def card(self) -> Card:
        """The card; of a finished ablation alone."""
        numbers, costs, ablation = self.numbers, self.costs, self.ablation
        return cards.sealed(
            Card(
                lab=version("etrm-lab"),
                made_at=max(view.finished_at or 0.0 for view in self.views.values()),
                checkpoint=CardCheckpoint(
                    run=self.run.id,
                    run_name=self.run.name,
                    step=ablation.step,
                    manifest=ablation.manifest,
                    weights=ablation.weights,
                ),
                config=config_of(self.run),
                asked=ablation.asked,
                set=self.views[self.planned[0].name].set,
                tasks=ablation.tasks,
                leaks=self.leaks,
                rows=[
                    CardRow(
                        name=row.name,
                        part=row.part.value,
                        about=row.about,
                        protocol=as_json(self.views[row.name].protocol),
                        ranks=self.ranks[row.name],
                        cost=costs[row.name],
                        **dict(numbers[row.name]),
                    )
                    for row in self.planned
                ],
                left_out=self.left_out,
            )
        )


def _cost(view: EvaluationView, by: Mapping[str, str]) -> RowCost:
    """What a row took; its shares, which name every device, are not handed over with a packed run."""
    compute = view.compute
    decodes = (compute.search_decodes or 0) + (compute.adaptation_decodes or 0)
    devices = {share.device_name for share in compute.workers} or {by.get("device", "")}
    return RowCost(
        seconds=round(compute.seconds, 3),
        forward_passes=compute.act_steps + decodes if view.is_job else None,
        devices=sorted(device for device in devices if device),
        code={name: value for name, value in by.items() if name != "device"},
    )


def _is_reused(ablation: Ablation, row: Mapping[str, Any], views: Mapping[int, EvaluationView]) -> bool:
    """Whether the evaluation of a row was there before the ablation; where that was not noted, whether it had
    ended by then."""
    noted, view = row.get("reused"), views.get(row["evaluation"])
    if noted is not None or view is None:
        return bool(noted)
    return view.finished_at is not None and view.finished_at < ablation.created_at


def _row(
    row: Planned, view: EvaluationView, is_reused: bool, numbers: Derived | None, cost: RowCost | None
) -> AblationRow:
    score = view.pass_at(1) if view.status == "finished" else None
    if numbers:
        score = passed(1, *numbers.passes["1"])
    return AblationRow(
        name=row.name,
        part=row.part.value,
        about=row.about,
        evaluation=view.id,
        status=view.status,
        reused=is_reused,
        share=view.progress.share,
        score=score,
        against=numbers.against if numbers else None,
        cost=cost,
    )
