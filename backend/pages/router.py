"""Every page. `/runs/new` stands before `/runs/{run_id}`, which would take it for an id."""

from __future__ import annotations

from fastapi import APIRouter

from backend.pages import assets, groups, launch, login, predictions, run, runs

router = APIRouter()
for part in (assets, login, runs, launch, run, groups, predictions):
    router.include_router(part.router)
