"""All JSON routes."""

from __future__ import annotations

from fastapi import Depends

from backend.ablations import api as ablations
from backend.alerts import api as webhook
from backend.atlas import api as atlas
from backend.audit import api as audit
from backend.comparison import api as compare
from backend.dashboards import api as dashboards
from backend.dashboards import paper_api as paper
from backend.dashboards import shares_api as shares
from backend.data import api as sets
from backend.data import leaks_api as leaks
from backend.ensembles import api as ensembles
from backend.evaluation_page import api as evaluations
from backend.evaluation_page import predictions_api as predictions
from backend.explore import api as explore
from backend.gallery import api as gallery
from backend.gallery import learning_api as learning
from backend.groups import api as groups
from backend.lab import docs_api as docs
from backend.lab import health_api as health
from backend.lab import search_api as search
from backend.lab import storage_api as storage
from backend.launch import api as configs
from backend.operations import api as figures
from backend.parameter_search import api as searches
from backend.people import api as people
from backend.people import sessions_api as sessions
from backend.playground import api as plays
from backend.queue import api as queue
from backend.run_page import api as runs
from backend.run_page import checkpoints_api as checkpoints
from backend.run_page import events_api as events
from backend.run_page import external_api as external
from backend.run_page import figures_api as run_figures
from backend.run_page import histograms_api as histograms
from backend.run_page import logs_api as logs
from backend.run_page import provenance_api as provenance
from backend.run_page import series_api as series
from backend.run_page import trained_on_api as trained_on
from backend.runs_table import views_api as views
from backend.study import api as studies
from backend.subscriptions import api as subscriptions
from backend.web.entrance import repeated_keys

V1 = (
    runs,
    trained_on,
    provenance,
    checkpoints,
    groups,
    searches,
    studies,
    compare,
    explore,
    atlas,
    series,
    run_figures,
    histograms,
    external,
    predictions,
    evaluations,
    ensembles,
    ablations,
    plays,
    gallery,
    learning,
    logs,
    events,
    queue,
    configs,
    dashboards,
    paper,
    shares,
    sets,
    views,
    leaks,
    search,
    people,
    sessions,
    storage,
    audit,
    webhook,
    subscriptions,
)

ROUTES = [
    *(route.under("/api/v1", [Depends(repeated_keys.check)]) for part in V1 for route in part.router.routes),
    *health.router.routes,
    *figures.router.routes,
    *docs.router.routes,
]
