"""The launch form and what it says of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.domain.config.presets import Preset
from backend.domain.sweeps import SweepableField
from backend.kit.errors import FieldProblem
from backend.launch.forms import Group, Part
from backend.launch.sweep_form import SweepForm
from backend.queue.wait import WaitView
from backend.run_view.estimates import EstimateView
from backend.run_view.views import RunView, TrainedOnView
from backend.web.contexts import Context


@dataclass(frozen=True)
class LaunchPage(Context):
    """The launch form; `config_json` stands in its JSON tab."""

    template = "launch/page.html"
    nav = "launch"
    page = "launch"

    presets: Mapping[str, Sequence[Preset]]  # by heading
    chosen: Preset | None  # what the form started from, or else the parent
    parent: RunView | None
    sections: Sequence[Group]
    changes: Sequence[Part]  # what differs from the preset or parent
    project: str
    projects: Sequence[str]  # that there are
    config_json: str
    mode: str  # form, json
    is_refused: bool  # it shows what was sent, and why it was not launched
    problems: Sequence[FieldProblem]
    unplaced: Sequence[FieldProblem]
    sets: Sequence[str]
    series: Sequence[str]  # what a training records
    baselines: Sequence[RunView]  # the newest runs, to be beaten
    wait: WaitView
    sweep: SweepForm
    sweepable: Sequence[SweepableField]
    estimate: EstimateView | None  # None while the config is not valid
    obstacle: FieldProblem | None  # why it is not
    training_tasks: TrainedOnView | None  # None also where a set was never used

    @property
    def page_title(self) -> str:
        return f"Clone of {self.parent.name}" if self.parent else "New run"


@dataclass(frozen=True)
class SweepPreview(Context):
    """Which runs the launch form makes as it stands, and what is wrong with its sweep; without the frame."""

    template = "launch/_sweep_preview.html"
    page = "launch"

    sweep: SweepForm

    @property
    def page_title(self) -> str:
        return "Runs of the sweep"
