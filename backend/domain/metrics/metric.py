"""What is known about a metric: one frozen record that every page, command and check reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Unit = Literal["share", "bytes", "number"]
Section = Literal["Learning", "Encoder", "Optimisation", "Machine", "System", "Other"]
Better = Literal["higher", "lower", ""]

EVERY_INTERVAL = "every logging interval"
EVERY_PROBE = "every probe"
EVERY_SAMPLE = "every 10 s (ETRM_SYSTEM_METRICS_EVERY)"
SYSTEM: Section = "System"


@dataclass(frozen=True)
class Metric:
    """A series that a training records.

    `panel` names the chart it is drawn in: that of a `Group`, or one of its own, called by the metric's name
    where `panel` is empty. `label` is its name beside the other lines of a group.
    """

    name: str
    title: str
    about: str  # what it measures, and how to read it: a few sentences
    section: Section = "Other"
    unit: Unit = "number"
    better: Better = ""  # empty: neither direction is good in itself
    label: str = ""
    panel: str = ""
    recorded: str = EVERY_INTERVAL
    log: bool = False  # drawn on a logarithmic axis at first
    charted: bool = True
    limits: tuple[float, float] | None = None  # where its values lie, if not where its unit says

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that it can have; infinite where nothing is known."""
        return self.limits or ((0.0, 1.0) if self.unit == "share" else (-math.inf, math.inf))

    @property
    def is_of_system(self) -> bool:
        """Whether it is sampled of the machine: nothing is concluded from it about the training."""
        return self.section == SYSTEM

    @property
    def short(self) -> str:
        """Its name where its chart or its table says the rest."""
        return self.label or self.title


@dataclass(frozen=True)
class Group:
    """Several metrics of one unit in one chart.

    `about` says what they have in common, before what each says of itself. `prefix` takes in every metric
    that begins so, registered or not: the penalties of a new encoder are loss terms.
    """

    id: str
    section: Section
    title: str
    about: str = ""
    prefix: str = ""
    log: bool = False
