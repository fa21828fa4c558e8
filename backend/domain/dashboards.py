"""What a dashboard holds: which runs it is about, and its panels in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from backend.domain import metrics as registry
from backend.domain.arc.task import MAX_ID_LENGTH
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.model import Model

COLUMNS = 12  # of the grid that panels lie on
MAX_PANELS = 60
MAX_TEXT = 20_000
MAX_OWN = 24  # curves of a comparison whose runs have no metric that we know

# What bars can be of: pass@k, and the last value of a metric that is a share.
MEASURES = (
    *(f"pass@{k}" for k in (1, 2, 5)),
    *(
        each.name
        for each in registry.METRICS
        if each.unit == "share" and each.charted and not each.is_of_system
    ),
)
Table = Literal["results", "significance", "published", "encoder", "config"]
At = Literal["newest", "common", "all"]


class Part(Model):
    """Strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    """Which runs: those named, or the newest that match a filter. With neither, the newest of all."""

    runs: tuple[str, ...] = Field((), max_length=200)
    filter: str = Field("", max_length=2000)
    latest: int = Field(50, ge=1, le=200, description="At most this many of a filter's runs.")


class Panel(Part):
    """Where a panel lies: panels follow one another from left to right, each as wide and high as it says."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    title: str = Field("", max_length=200)
    width: int = Field(6, ge=2, le=COLUMNS, description="In twelfths of the page.")
    height: int = Field(4, ge=1, le=16, description="In rows of 72 pixels.")


class CurvesPanel(Panel):
    """One metric of all runs, or an expression over metrics of each, over time."""

    kind: Literal["curves"] = "curves"
    metric: str = Field(
        "accuracy/token",
        min_length=1,
        max_length=200,
        description="Name of a metric, or an expression.",
        examples=["accuracy/token", "train - heldout"],
    )
    by: Literal["run", "seed"] = Field(
        "seed", description="One line per run, or per configuration over seeds."
    )


class BarsPanel(Panel):
    """One number per variation with its interval."""

    kind: Literal["bars"] = "bars"
    measure: str = Field("pass@1", json_schema_extra={"enum": list(MEASURES)})

    @field_validator("measure")
    @classmethod
    def _is_a_share(cls, measure: str) -> str:
        if measure not in MEASURES:
            raise ValueError(f"must be one of {', '.join(MEASURES)}")
        return measure


class TablePanel(Panel):
    """A table of the compare page."""

    kind: Literal["table"] = "table"
    table: Table = "results"
    by: Literal["run", "seed"] = "seed"
    at: At = Field(
        "newest",
        description="Results of each line's newest checkpoint, of the newest step that all share, or of all.",
    )


class GridsPanel(Panel):
    """Test inputs with what each variant made of them."""

    kind: Literal["grids"] = "grids"
    task: str = Field("", max_length=MAX_ID_LENGTH, description="Part of a task's id; empty: the first ones.")
    mode: str = Field("", max_length=60, description="A failure mode of the first encoder; empty means any.")
    most: int = Field(4, ge=1, le=12, description="Test inputs shown.")


class ScatterPanel(Panel):
    """Runs by two values of each: config fields, metrics, scores or expressions."""

    kind: Literal["scatter"] = "scatter"
    x: str = Field("created", min_length=1, max_length=500)
    y: str = Field("accuracy/token", min_length=1, max_length=500)
    colour: str = Field("encoder", max_length=500)
    marks: Literal["run", "line", "mean"] = Field(
        "run", description="Each run, each run with a line between seeds, or the mean of each configuration."
    )


class ProsePanel(Panel):
    """Words in Markdown."""

    kind: Literal["prose"] = "prose"
    text: str = Field("", max_length=MAX_TEXT)


AnyPanel = Annotated[
    CurvesPanel | BarsPanel | TablePanel | GridsPanel | ScatterPanel | ProsePanel, Field(discriminator="kind")
]


class Content(Part):
    """All of a dashboard but its name."""

    source: Source = Source()
    panels: tuple[AnyPanel, ...] = Field((), max_length=MAX_PANELS)

    @property
    def scores_shown(self) -> Literal["none", "newest", "every"]:
        """Of which checkpoints of its runs the panels show scores or predictions."""
        shown = {_scores_shown(panel) for panel in self.panels}
        return "every" if "every" in shown else "newest" if "newest" in shown else "none"

    @model_validator(mode="after")
    def _ids_differ(self) -> Content:
        ids = [panel.id for panel in self.panels]
        twice = next((each for each in ids if ids.count(each) > 1), None)
        if twice:
            raise ValueError(f"two panels are called {twice!r}: each needs an id of its own")
        return self


def _scores_shown(panel: AnyPanel) -> str:
    if isinstance(panel, TablePanel) and panel.table == "results":
        return "newest" if panel.at == "newest" else "every"
    of_newest = (
        isinstance(panel, GridsPanel)
        or (isinstance(panel, TablePanel) and panel.table == "significance")
        or (isinstance(panel, BarsPanel) and panel.measure.startswith("pass@"))
        or (isinstance(panel, ScatterPanel) and "pass" in f"{panel.x} {panel.y} {panel.colour}")
    )
    return "newest" if of_newest else "none"


def parse_content(raw: Any) -> Content:
    """Read a dashboard's content; InvalidInput names every mistake by its path."""
    try:
        return Content.model_validate(raw)
    except ValidationError as error:
        problems = [
            FieldProblem(".".join(str(each) for each in found["loc"]) or "content", found["msg"])
            for found in error.errors(include_url=False)
        ]
        raise InvalidInput("The dashboard was not saved.", problems=problems) from error


def encoder_variants() -> Content:
    """The tables and figures of the discussion, from whatever runs there are."""

    def prose(name: str, text: str, height: int = 1, width: int = 12) -> ProsePanel:
        return ProsePanel(id=name, width=width, height=height, text=text)

    return Content(
        panels=(
            prose(
                "question",
                "**The question.** Can an encoder that reads a puzzle's demonstrations stand in for the "
                "embedding that TRM learns for each puzzle, and help on puzzles that it never saw? Below:"
                " every variant that has runs here, each over its seeds.",
            ),
            CurvesPanel(id="train", title="Training: token accuracy", metric="accuracy/token"),
            CurvesPanel(id="exact", title="Training: grid accuracy", metric="accuracy/exact"),
            CurvesPanel(id="loss", title="Training: loss", metric="loss"),
            CurvesPanel(
                id="coverage", title="Gradient coverage of the encoder", metric="encoder/gradient_coverage"
            ),
            prose(
                "collapse",
                "**Does the context differ between puzzles?** The cross-sample variance grows with the "
                "scale of the context and compares within one encoder only; the share of context "
                "variance that is between puzzles compares across.",
            ),
            CurvesPanel(
                id="variance",
                title="Cross-sample variance of the context",
                metric="encoder/cross_sample_variance",
            ),
            CurvesPanel(
                id="scale-free",
                title="Cross-sample variance / mean square",
                metric="encoder/scale_free_variance",
            ),
            TablePanel(id="health", title="Encoder health", table="encoder", width=12, height=5),
            prose(
                "generalisation",
                "**The gap.** What training shows beside what held-out tasks show, each with the number "
                "of tasks it was measured on.",
            ),
            BarsPanel(id="pass1", title="Held-out pass@1", measure="pass@1", height=5),
            BarsPanel(id="tokens", title="Train accuracy, tokens (last)", measure="accuracy/token", height=5),
            TablePanel(
                id="results",
                title="Results at the same step",
                table="results",
                at="common",
                width=12,
                height=6,
            ),
            TablePanel(
                id="significance",
                title="Is the difference significant?",
                table="significance",
                width=12,
                height=5,
            ),
            TablePanel(
                id="published",
                title="Published results, not measured here",
                table="published",
                width=12,
                height=6,
            ),
            prose(
                "qualitative",
                "**How they fail.** The same test inputs, side by side. A white corner marks a cell that "
                "differs from the truth.",
            ),
            GridsPanel(id="examples", title="Predictions on held-out tasks", width=12, height=8),
        )
    )


def of_comparison(runs: Sequence[str], by: Literal["run", "seed"], metrics: Collection[str]) -> Content:
    """These runs with the panels of `encoder_variants` that they fill; without such metrics, their own."""
    panels: list[AnyPanel] = []
    for panel in encoder_variants().panels:
        if panel.id == "question" or (isinstance(panel, CurvesPanel) and panel.metric not in metrics):
            continue
        lined = isinstance(panel, CurvesPanel | TablePanel)
        panels.append(panel.model_copy(update={"by": by}) if lined else panel)
    if not any(isinstance(panel, CurvesPanel) for panel in panels):
        own = sorted(name for name in metrics if not registry.metric(name).is_of_system)[:MAX_OWN]
        panels = [
            CurvesPanel(id=f"metric-{at}", title=name, metric=name, by=by) for at, name in enumerate(own)
        ]
    return Content(source=Source(runs=tuple(runs)), panels=tuple(panels))
