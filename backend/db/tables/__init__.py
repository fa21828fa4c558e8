"""One file per aggregate; importing this package registers every table."""

from backend.db.tables.access import ApiToken, BrowserSession, LoginToken, Person
from backend.db.tables.dashboard import Dashboard, DashboardShare
from backend.db.tables.evaluation import (
    Duel,
    Evaluation,
    EvaluationBatch,
    EvaluationJob,
    Outcome,
    OutcomeTrace,
    Prediction,
)
from backend.db.tables.group import RunGroup
from backend.db.tables.run import Alarm, Checkpoint, LogLine, Run, RunEvent
from backend.db.tables.saved_view import SavedView
from backend.db.tables.series import RunCursor, Segment, Series
from backend.db.tables.task import Task, TaskSet
from backend.db.tables.worker import EvaluationShare, Worker

__all__ = [
    "Alarm",
    "ApiToken",
    "BrowserSession",
    "Checkpoint",
    "Dashboard",
    "DashboardShare",
    "Duel",
    "Evaluation",
    "EvaluationBatch",
    "EvaluationJob",
    "EvaluationShare",
    "LogLine",
    "LoginToken",
    "Outcome",
    "OutcomeTrace",
    "Person",
    "Prediction",
    "Run",
    "RunCursor",
    "RunEvent",
    "RunGroup",
    "SavedView",
    "Segment",
    "Series",
    "Task",
    "TaskSet",
    "Worker",
]
