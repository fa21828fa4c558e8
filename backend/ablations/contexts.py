"""The page of an ablation."""

from __future__ import annotations

from dataclasses import dataclass

from backend.ablations.views import AblationView
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
