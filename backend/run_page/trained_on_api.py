"""/api/v1/runs/{id}/trained-on: which tasks a run was trained on, and which were left out."""

from __future__ import annotations

from pydantic import Field

from backend.db.session import reading_scope
from backend.domain.trained_on import SetPart
from backend.kit.errors import NotFound
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.runs import trained_on
from backend.web.deps import Database, RunId
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, prefix="/runs", tags=["runs"])


class LeftOutTask(Model):
    """A task that the config names and the training did not use."""

    task: str
    why: str = Field(description="overlap, canvas or pairs.", examples=["overlap"])
    detail: str = Field(examples=["holds test 1 of 00576224 of arc-agi-1/evaluation"])


class SetTrainedOn(Model):
    """What of one set a run was trained on, as task ids."""

    set: str = Field(examples=["arc-agi-1/training"])
    tasks: list[str] = Field(description="With every pair that may be asked.")
    demonstrations: list[str] = Field(description="By their demonstrations alone.")
    left_out: list[LeftOutTask]
    before: list[str] = Field(description="By the run whose weights this one started from.")
    demonstrations_before: list[str] = Field(description="By that run, by their demonstrations alone.")


@router.get("/{run_id}/trained-on", responses=responses(401, 404))
def read_trained_on(run_id: RunId, engine: Database) -> list[SetTrainedOn]:
    """The tasks a run was trained on, by set, as its worker recorded them at the start.

    404 for a run that has not started, and for one older than these records.
    """
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        record = trained_on.of_run(session, run_id)
    if record is None:
        raise NotFound(
            f"Run {run_id} has no record of the tasks it was trained on.",
            "It is written when a training starts.",
        )
    return [_view(name, part) for name, part in sorted(record.sets.items())]


def _view(name: str, part: SetPart) -> SetTrainedOn:
    left_out = [LeftOutTask(task=each.task_id, why=each.why, detail=each.detail) for each in part.left_out]
    return SetTrainedOn(
        set=name,
        tasks=list(part.whole),
        demonstrations=list(part.demonstrations),
        left_out=left_out,
        before=list(part.before),
        demonstrations_before=list(part.demonstrations_before),
    )
