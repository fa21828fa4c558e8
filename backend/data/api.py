"""/api/v1/sets: task sets, their tasks, and importing one as files or as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi import Path as InPath
from pydantic import ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile

from backend.data import service as datasets
from backend.data.archives import MAX_MEMBERS, File, Source, opened
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import MAX_ID_LENGTH, Task
from backend.kit.errors import (
    Conflict,
    EtrmError,
    FieldProblem,
    InvalidInput,
    InvalidTaskFile,
    StorageFull,
    TooLarge,
)
from backend.kit.json_text import repeated_key, shown
from backend.kit.model import Model
from backend.web.deps import Database
from backend.web.errors import problems, responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/sets", tags=["sets"])
SetName = Annotated[str, InPath(description="Name of a set.", examples=["arc-agi-1/training"])]
GRID = "Rows of digits joined by /."


class SetView(Model):
    """A task set in one line."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["arc-agi-1/training"])
    origin: str = Field(description="built-in or imported")
    tasks: int
    pairs: tuple[int, int] | None = Field(
        description="Fewest and most pairs in the pools that demonstrations and queries of its tasks are "
        "drawn from; null where tasks have no pool.",
        examples=[[1000, 1000]],
    )
    created_at: float | None = Field(description="null: generated, and not used by a run yet.")
    pairs_words: str = Field(description="`pairs` in words; empty for null.", examples=["1,000 pairs a task"])


class ImportedSet(SetView):
    """A task set as it was imported."""

    notes: list[str] = Field(
        description="What was read although it is unusual, such as a colour written as text.",
        examples=[["mini.json: task mini: 1 cell empty (null), read as colour 0. First: test 1, output, …"]],
    )
    left_out: list[str] = Field(
        description="Files, tasks and solutions that were wrong, with what to do; the rest was imported."
    )


class PairView(Model):
    """An input grid and the output its rule gives; null where the truth is not known."""

    input: str = Field(description=GRID, examples=["010/111/010"])
    output: str | None = Field(description=GRID)


class TaskView(Model):
    """One ARC puzzle."""

    set: str
    id: str
    demonstrations: list[PairView]
    tests: list[PairView]
    pairs: int | None = Field(
        description="Pairs in its pool, of which demonstrations and tests are a fixed draw; null without one."
    )


class ImportBody(Model):
    """An import as JSON: of all its tasks, or of none where one is wrong."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(examples=["my-set"])
    tasks: dict[str, Any] = Field(description="Task id -> task, as Kaggle's files have it; or one task.")
    solutions: dict[str, Any] | None = Field(None, description="Task id -> outputs of its tests.")
    replace: bool = False


class NewTask(Input):
    """A task for a set."""

    id: str = Field(min_length=1, max_length=MAX_ID_LENGTH, examples=["my-task"])
    task: dict[str, Any] = Field(description="The task in ARC's JSON.")


class ImportCheck(Model):
    """What an import would do."""

    valid: bool
    tasks: int
    message: str = Field(description="What is wrong and how to fix it; empty if valid.")
    notes: list[str] = Field(description="What would be read although it is unusual.")
    left_out: list[str] = Field(description="What would be left out and why.")


@dataclass(frozen=True)
class Import:
    """What is to be imported under which name; files may be given by their paths on this machine."""

    name: str
    files: tuple[Source, ...]
    solutions: File | None
    replace: bool
    whole: bool = False  # all of it or nothing: a program that sends tasks can correct them

    def form(self) -> dict[str, Any]:
        """The request that asks for it, as httpx takes it; `posted_import` reads it back."""
        packed = [("file", (name, content)) for content, name in opened(self.files)]
        solutions = [("solutions", (self.solutions[1], self.solutions[0]))] if self.solutions else []
        data = {"name": self.name, "replace": "true" if self.replace else "false"}
        return {"data": data, "files": [*packed, *solutions]}


async def posted_import(request: Request) -> Import:
    """What a request asks to import, as a form with files or as JSON."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=MAX_MEMBERS + 1) as form:  # and solutions
            return await _from_form(form)
    return _from_json(await request.body())


async def _from_form(form: FormData) -> Import:
    uploads = [each for key in ("file", "files") for each in form.getlist(key)]
    files = [await _read(each) for each in uploads if isinstance(each, UploadFile)]
    for key in ("name", "solutions", "replace"):
        if len(form.getlist(key)) > 1:
            raise _invalid(FieldProblem(key, "is sent twice.", "Send it once."))
    solutions, name = form.get("solutions"), form.get("name")
    if not isinstance(name, str):
        raise _invalid(FieldProblem("name", "is missing.", "Send it as a form field beside the file."))
    return Import(
        name=name,
        files=tuple(files),
        solutions=await _read(solutions) if isinstance(solutions, UploadFile) else None,
        replace=form.get("replace") in ("true", "on", "1"),
    )


async def _read(upload: UploadFile) -> File:
    return await upload.read(), upload.filename or "file"


def _from_json(body: bytes) -> Import:
    if (key := repeated_key(body)) is not None:
        message = f"the body contains {shown(key)} twice."
        raise _invalid(FieldProblem(key, message, "Rename or remove one of the two."))
    try:
        given = ImportBody.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise _invalid(*problems(error.errors(include_url=False))) from error
    solutions = None if given.solutions is None else (json.dumps(given.solutions).encode(), "solutions")
    return Import(
        given.name, ((json.dumps(given.tasks).encode(), "tasks"),), solutions, given.replace, whole=True
    )


def _invalid(*found: FieldProblem) -> InvalidInput:
    return InvalidInput("Could not import the set.", problems=found)


@router.get("", responses=responses(401))
def list_sets(
    engine: Database,
    generated: Annotated[
        bool, Query(description="Also those that are generated when a run first uses them.")
    ] = False,
) -> list[SetView]:
    """All task sets by name."""
    with reading_scope(engine) as session:
        found = datasets.available(session) if generated else datasets.sets(session)
    return [SetView.model_validate(each) for each in found]


@router.post(
    "",
    status_code=201,
    responses=responses(401, 409, 413, 422, 507),
    openapi_extra={
        "requestBody": {
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ImportBody"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["name", "file"],
                        "properties": {
                            "name": {"type": "string"},
                            "file": {"type": "string", "format": "binary"},
                            "solutions": {"type": "string", "format": "binary"},
                            "replace": {"type": "boolean"},
                        },
                    }
                },
            }
        }
    },
)
def import_set(given: Annotated[Import, Depends(posted_import)], engine: Database) -> ImportedSet:
    """Import Kaggle-form, single-task or RE-ARC-form files, or a zip or tar archive of them.

    What is wrong in files is left out and named; where nothing is right, nothing is imported. Tasks sent as
    JSON are imported all or none. The same again changes nothing."""
    with session_scope(engine) as session:
        summary = datasets.import_files(
            session, given.name, given.files, given.solutions, given.replace, given.whole
        )
    return ImportedSet.model_validate(summary)


@router.post("/check", responses=responses(401, 413, 422))
@needs(VIEWER)
def check_import(given: Annotated[Import, Depends(posted_import)], engine: Database) -> ImportCheck:
    """Say what an import would bring, or what is wrong with it, without importing anything. Tasks sent as
    JSON are valid all or none, as they are imported."""
    try:
        with reading_scope(engine) as session:
            reading = datasets.check_import(
                session, given.name, given.files, given.solutions, given.replace, given.whole
            )
    except (InvalidInput, InvalidTaskFile, Conflict, TooLarge, StorageFull) as error:
        return ImportCheck(valid=False, tasks=0, message=" ".join(_told(error)), notes=[], left_out=[])
    return ImportCheck(
        valid=True,
        tasks=len(reading.tasks),
        message="",
        notes=list(reading.notes),
        left_out=list(reading.left_out),
    )


def _told(error: EtrmError) -> list[str]:
    return [each for each in (error.message, *map(str, error.problems), error.hint) if each]


@router.delete("/{name:path}", status_code=204, responses=responses(401, 404, 409))
def remove_set(name: SetName, engine: Database) -> None:
    """Remove an imported set with its tasks; results on it stay, without their grids."""
    with session_scope(engine) as session:
        datasets.remove(session, name)


@router.get("/{name:path}/tasks", responses=responses(401, 404))
def list_tasks(name: SetName, engine: Database) -> list[str]:
    """Ids of a set's tasks in its order."""
    with reading_scope(engine) as session:
        return [task.id for task in datasets.tasks(session, name, pools=False)]


@router.post("/{name:path}/tasks", status_code=201, responses=responses(401, 409, 413, 422, 507))
def add_task(name: SetName, body: NewTask, engine: Database) -> TaskView:
    """Add one task to the end of an imported set; a set of this name is made if there is none. The same again
    changes nothing. 409 where the set has another task of this id, or is not an imported one."""
    with session_scope(engine) as session:
        return _view(name, datasets.add_task(session, name, body.id, body.task))


@router.get("/{name:path}/tasks/{task_id}", responses=responses(401, 404))
def read_task(name: SetName, task_id: str, engine: Database) -> TaskView:
    """One task with its grids."""
    with reading_scope(engine) as session:
        return _view(name, datasets.task(session, name, task_id))


def _view(set_name: str, task: Task) -> TaskView:
    demonstrations = [PairView(input=p.input.digits, output=p.output.digits) for p in task.demonstrations]
    tests = [PairView(input=test.input.digits, output=_digits(test.output)) for test in task.tests]
    pairs = len(task.pool) if task.pool else None
    return TaskView(set=set_name, id=task.id, demonstrations=demonstrations, tests=tests, pairs=pairs)


def _digits(grid: Grid | None) -> str | None:
    return None if grid is None else grid.digits
