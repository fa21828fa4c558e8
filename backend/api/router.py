"""All JSON routes."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api import (
    checkpoints,
    compare,
    configs,
    dashboards,
    docs,
    evaluations,
    events,
    gallery,
    groups,
    health,
    leaks,
    logs,
    people,
    predictions,
    queue,
    runs,
    search,
    series,
    sets,
    shares,
    storage,
    views,
    webhook,
)

V1 = (
    runs,
    checkpoints,
    groups,
    compare,
    series,
    predictions,
    evaluations,
    gallery,
    logs,
    events,
    queue,
    configs,
    dashboards,
    shares,
    sets,
    views,
    leaks,
    search,
    people,
    storage,
    webhook,
)

router = APIRouter()
for _part in V1:
    router.include_router(_part.router, prefix="/api/v1")
router.include_router(health.router)
router.include_router(docs.router)
