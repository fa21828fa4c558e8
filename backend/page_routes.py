"""The routes of every page, in the order of `backend.web.pages`, and of what pages load."""

from __future__ import annotations

from importlib import import_module

from backend.evaluation_page import predictions_pages as predictions
from backend.web import assets, installable
from backend.web.pages import PAGES

MODULES = dict.fromkeys(page.module for page in PAGES if page.module)
ROUTES = [
    *assets.router.routes,
    *installable.router.routes,
    *(route for module in MODULES for route in import_module(module).router.routes),
    *predictions.router.routes,
]
