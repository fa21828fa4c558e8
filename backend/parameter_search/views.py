"""ParameterSearchView: what the API and the pages say about a parameter search and its trials."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from backend.domain.parameter_search import Better, ParameterSearch
from backend.kit.format import counted
from backend.kit.model import Model

SearchStatus = Literal["running", "stopped", "finished"]


class EstimateView(Model):
    """The objective over seeds."""

    seeds: int = Field(description="How many seeds it is the mean of.")
    mean: float
    low: float | None = Field(description="Of the 95 % interval; null where there is none.")
    high: float | None
    step: int | None = Field(None, description="At which step of its runs; null: at their end.")
    words: str = Field(examples=["12.5 % [5.0 % to 28.1 %] over 2 seeds"])


class TrialRunView(Model):
    """One seed of a trial."""

    run_id: str | None = Field(description="null where the run was deleted.")
    seed: int
    state: Literal["active", "finished", "failed", "cancelled"]
    value: float | None = Field(description="Its objective; null until it has finished.")


class TrialView(Model):
    """A configuration that was tried. Times are seconds since the Unix epoch."""

    number: int
    parameters: dict[str, Any] = Field(examples=[{"optimisation.learning_rate": 0.0013}])
    label: str = Field(description="The same in short.", examples=["learning rate 0.0013"])
    status: Literal["running", "complete", "pruned", "failed", "cancelled"]
    reason: str = Field(description="Why it was pruned, failed or was cancelled; else empty.")
    estimate: EstimateView | None = Field(description="null until a seed has finished or was pruned.")
    runs: list[TrialRunView]
    created_at: float
    ended_at: float | None


class ParameterSearchView(Model):
    """A parameter search: a group of runs whose configurations are chosen by what earlier ones reached."""

    id: str = Field(description="That of its group of runs.")
    name: str
    status: SearchStatus
    cause: str = Field(description="Why it is not running, or what it waits for; else empty.")
    definition: ParameterSearch
    better: Better = Field(description="Which values of the objective are good.")
    steps: int = Field(description="Training steps of each run.")
    best: int | None = Field(description="Number of the trial with the best mean; null before there is one.")
    trials: list[TrialView]
    runs_made: int = Field(description="Runs so far, of at most trials x seeds.")
    active: int = Field(description="Runs that wait or run now.")
    created_at: float

    @property
    def best_trial(self) -> TrialView | None:
        """The trial with the best mean."""
        return next((trial for trial in self.trials if trial.number == self.best), None)

    @property
    def words(self) -> str:
        """`running: trial 3 of 20, 4 of up to 60 runs`."""
        done = f"{len(self.trials)} of {counted(self.definition.trials, 'trial')}"
        return f"{self.status}: {done}, {self.runs_made} of up to {counted(self.definition.runs, 'run')}"
