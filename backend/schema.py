"""Every table of the product. `make_engine` imports it: foreign keys must find their tables."""

from __future__ import annotations

from backend.ablations.tables import Ablation
from backend.alerts.tables import Message, Subscription
from backend.audit.tables import AuditEntry
from backend.dashboards.tables import Dashboard, DashboardShare
from backend.data.tables import Task, TaskSet
from backend.histograms.tables import HistogramColumn
from backend.keeping.tables import CheckpointAlias, DashboardRun
from backend.metrics.tables import RunCursor, Segment, Series, Tile
from backend.parameter_search.tables import SearchRow, TrialRow, TrialRun
from backend.people.tables import ApiToken, BrowserSession, LoginToken, Person
from backend.playground.tables import Play
from backend.runs.group_tables import RunGroup
from backend.runs.tables import Alarm, Checkpoint, LogLine, Provenance, Run, RunEvent, TrainedOn
from backend.runs_table.tables import SavedView
from backend.scores.tables import (
    Evaluation,
    EvaluationBatch,
    EvaluationJob,
    Outcome,
    OutcomeTrace,
    Prediction,
    SequentialComparison,
)
from backend.snapshots.tables import ContextSnapshot
from backend.study.tables import StudyEvaluation, StudyRow, StudyRun
from backend.workers.tables import EvaluationShare, Worker

__all__ = [
    "Ablation",
    "Alarm",
    "ApiToken",
    "AuditEntry",
    "BrowserSession",
    "Checkpoint",
    "CheckpointAlias",
    "ContextSnapshot",
    "Dashboard",
    "DashboardRun",
    "DashboardShare",
    "Evaluation",
    "EvaluationBatch",
    "EvaluationJob",
    "EvaluationShare",
    "HistogramColumn",
    "LogLine",
    "LoginToken",
    "Message",
    "Outcome",
    "OutcomeTrace",
    "Person",
    "Play",
    "Prediction",
    "Provenance",
    "Run",
    "RunCursor",
    "RunEvent",
    "RunGroup",
    "SavedView",
    "SearchRow",
    "Segment",
    "SequentialComparison",
    "Series",
    "StudyEvaluation",
    "StudyRow",
    "StudyRun",
    "Subscription",
    "Task",
    "TaskSet",
    "Tile",
    "TrainedOn",
    "TrialRow",
    "TrialRun",
    "Worker",
]
