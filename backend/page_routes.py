"""The routes of every page, in the order of `backend.web.pages`, and of what pages load."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter

from backend.evaluation_page import predictions_pages as predictions
from backend.web import assets
from backend.web.pages import PAGES

router = APIRouter()
for module in (
    assets,
    *(import_module(name) for name in dict.fromkeys(page.module for page in PAGES) if name),
):
    router.include_router(module.router)
router.include_router(predictions.router)
