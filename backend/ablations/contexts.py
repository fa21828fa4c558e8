"""The page of an ablation, and the form that starts one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.ablations.views import AblationEstimate, AblationView
from backend.kit.model import Model
from backend.run_view.views import RunView
from backend.web.contexts import Context


@dataclass(frozen=True)
class AblationPage(Context):
    """One checkpoint with one thing changed at a time, and its card."""

    template = "ablations/page.html"
    nav = "runs"
    page = "ablation"
    sheets = ("evaluation_page", "ablations")

    ablation: AblationView

    @property
    def page_title(self) -> str:
        return f"Ablation {self.ablation.id} of {self.ablation.run_name}"


@dataclass(frozen=True)
class AblatePage(Context):
    """What an ablation of a run's checkpoint may ask, and what that would queue."""

    template = "ablations/form.html"
    nav = "runs"
    page = "ablate"
    sheets = ("ablations",)

    run: RunView
    steps: Sequence[int]  # of its checkpoints, the newest first
    sets: Sequence[str]
    asked: Model  # the fields as they were filled in
    parts: Sequence[tuple[str, str, bool]]  # what can be changed, what that means, and whether it is chosen
    act_steps: Sequence[int]  # where none are named
    estimate: AblationEstimate | None  # None: what is asked cannot be
    problem: str

    @property
    def page_title(self) -> str:
        return f"Ablate {self.run.name}"
