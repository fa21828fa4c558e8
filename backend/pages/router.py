"""Every page. `/runs/new` stands before `/runs/{run_id}`, which would take it for an id."""

from __future__ import annotations

from fastapi import APIRouter

from backend.pages import (
    assets,
    compare,
    dashboards,
    data,
    evaluations,
    gallery,
    groups,
    launch,
    login,
    predictions,
    queue,
    run,
    runs,
    settings,
    tasks,
)

router = APIRouter()
for part in (
    assets,
    login,
    runs,
    launch,
    run,
    groups,
    compare,
    dashboards,
    predictions,
    evaluations,
    gallery,
    tasks,
    queue,
    data,
    settings,
):
    router.include_router(part.router)
