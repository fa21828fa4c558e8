"""The list of studies, and one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.study.strips import Drawing, drawn
from backend.study.views import StudyOutline, StudyRunView, StudySummary, StudyView
from backend.web.contexts import Context


@dataclass(frozen=True)
class Available:
    """A study that comes with the lab, at each of its scales."""

    name: str
    scales: Sequence[StudyOutline]

    @property
    def first(self) -> StudyOutline:
        """Title and claims are those of every scale."""
        return self.scales[0]


@dataclass(frozen=True)
class StudiesPage(Context):
    """Every study, newest first, and a form for those that come with the lab."""

    template = "study/list.html"
    nav = "studies"
    sheets = ("study",)

    studies: Sequence[StudySummary]
    available: Sequence[Available]


@dataclass(frozen=True)
class StudyPage(Context):
    """One study: its claims with verdicts, numbers and figures."""

    template = "study/page.html"
    nav = "studies"
    page = "study"
    sheets = ("study",)

    study: StudyView
    configurations: Sequence[Sequence[StudyRunView]]  # the runs of each, by seed
    drawings: Mapping[str, Sequence[Drawing]]  # name of a claim -> of its tests

    @classmethod
    def of(cls, study: StudyView) -> StudyPage:
        """The page of a study as it stands."""
        drawings = {claim.name: [drawn(test) for test in claim.tests] for claim in study.claims}
        return cls(study, study.by_configuration, drawings)

    @property
    def page_title(self) -> str:
        return self.study.title
