"""/api/v1/presets and /config: what an experiment may say."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from backend.db.session import reading_scope
from backend.domain.config.presets import PRESETS
from backend.domain.config.problems import parse_json
from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import InvalidConfig
from backend.kit.model import Model
from backend.launch import training_tasks
from backend.lifecycle import input as run_input
from backend.queue import wait as queue_wait
from backend.queue.wait import WaitView
from backend.run_view import estimates
from backend.run_view.estimates import EstimateView
from backend.run_view.views import TrainedOnView
from backend.web.deps import Database, RawBody, json_body
from backend.web.errors import ErrorField, responses
from backend.web.inputs import CONFIG
from backend.web.routing import EDITOR, VIEWER, Router, needs
from backend.workers.capability import needs_of

router = Router(reads=VIEWER, writes=EDITOR, tags=["config"])


class PresetView(Model):
    """A named config to start from."""

    name: str = Field(examples=["quick"])
    title: str
    description: str
    config: dict[str, Any]


class Verdict(Model):
    """Whether a config can be run; where not, one problem for each mistake."""

    valid: bool
    problems: list[ErrorField]
    config: dict[str, Any] | None = Field(description="The whole config, defaults filled in, if valid.")
    estimate: EstimateView | None = Field(
        None, description="What one run of it takes, from measured runs like it; null where it is not valid."
    )
    training_tasks: TrainedOnView | None = Field(
        None,
        description="How many tasks it would train on; null where it is not valid, or where a generated set "
        "was never used.",
    )
    wait: WaitView | None = Field(None, description="When it would start; null where it is not valid.")


@router.get("/presets", responses=responses(401))
def list_presets() -> list[PresetView]:
    """Named configs; use one with `{"preset": name}` in the body of a new run."""
    return [
        PresetView(
            name=each.name,
            title=each.title,
            description=each.description,
            config=each.make().model_dump(mode="json"),
        )
        for each in PRESETS.values()
    ]


@router.get("/config/schema", responses=responses(401))
def read_schema() -> dict[str, Any]:
    """JSON schema of an experiment config: what the launch form is made from."""
    return ExperimentConfig.model_json_schema()


@router.post(
    "/config/validate",
    response_model=Verdict,
    responses=responses(401, 413),
    openapi_extra=json_body(CONFIG, preset={"preset": "quick", "training": {"steps": 100}}),
)
@needs(VIEWER)
def validate_config(body: RawBody, engine: Database) -> Verdict:
    """Check a config without running it."""
    try:
        config = parse_json(body)
        with reading_scope(engine) as session:
            run_input.check_names(session, config)
            estimate = estimates.of(session, config)
            tasks = training_tasks.of(session, config)
            wait = queue_wait.of(session, needs_of(config.model_dump(mode="json")))
    except InvalidConfig as error:
        found = [ErrorField(field=p.field, message=p.message, hint=p.hint) for p in error.problems]
        return Verdict(valid=False, problems=found, config=None)
    whole = config.model_dump(mode="json")
    return Verdict(valid=True, problems=[], config=whole, estimate=estimate, training_tasks=tasks, wait=wait)
