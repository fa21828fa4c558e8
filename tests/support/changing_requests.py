"""A request to every address that changes something, and what the audit trail says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.keeping import service as keeping
from tests.support.pages.forms import Form
from tests.support.processes import Lab
from tests.support.records.recorded import record_checkpoint, record_evaluation_job, record_run
from tests.support.records.searched import record_search
from tests.support.records.studied import STUDY, record_study

TASK = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]], "output": [[4]]}]}
INES = "Ines of the routes"
SUBSCRIPTION = {
    "name": "mine",
    "events": ["finished"],
    "channel": "webhook",
    "url": "http://127.0.0.1:9/",
}
ABLATION = {"set": "mini", "first_tasks": 1, "parts": ["weights"]}

# What only asks, and signs of life and points of a running script: the run's own history has these.
NOT_RECORDED = {
    "POST /api/v1/config/validate",
    "POST /api/v1/groups/preview",
    "POST /api/v1/sets/check",
    "POST /api/v1/ablations/verify",
    "POST /api/v1/studies/preview",
    "POST /api/v1/plays",
    "POST /api/v1/plays/between",
    "POST /api/v1/plays/{play_id}/cancel",
    "POST /api/v1/plays/{play_id}/keep",
    "POST /runs/new/preview",
    "POST /api/v1/subscriptions/{subscription_id}/test",
    "POST /api/v1/runs/{run_id}/heartbeat",
    "POST /api/v1/runs/{run_id}/metrics",
    "POST /api/v1/runs/{run_id}/histograms",
    "PUT /api/v1/runs/{run_id}/provenance",
    "POST /api/v1/runs/{run_id}/log",
    "POST /api/v1/runs/{run_id}/predictions",
    "POST /api/v1/runs/{run_id}/alarms",
    "PUT /api/v1/runs/{run_id}/config",
}


@dataclass
class Trying:
    """An admin's browser, and what it finds in the lab."""

    browser: httpx.Client
    database: Engine
    lab: Lab

    def made(self, path: str, body: object = None) -> dict[str, str]:
        answer = self.browser.post(path, json=body)
        assert answer.is_success, answer.text
        found: dict[str, str] = answer.json()
        return found

    def run(self) -> str:
        return self.made("/api/v1/runs", {"preset": "quick"})["id"]

    def external(self) -> str:
        return self.made("/api/v1/runs/external", {"name": "mine"})["id"]

    def ended(self) -> str:
        """A failed run with checkpoints of steps 100 and 200."""
        run = record_run(self.database, status="failed", points=0, total=600)
        for step in (100, 200):
            record_checkpoint(self.database, self.lab.artifacts, run, step)
        return run

    def named(self) -> str:
        """The same, its checkpoint of step 100 called paper."""
        run = self.ended()
        with session_scope(self.database) as session:
            keeping.set_alias(session, run, "paper", 100)
        return run

    def evaluation(self) -> str:
        return str(record_evaluation_job(self.database, self.ended()))

    def cancelled(self) -> str:
        evaluation = self.evaluation()
        self.made(f"/api/v1/evaluations/{evaluation}/cancel")
        return evaluation

    def ablation(self) -> str:
        """One whose evaluations wait."""
        ablation: Any = self.made(f"/api/v1/runs/{self.ended()}/ablations", ABLATION)
        return str(ablation["id"])

    def cancelled_ablation(self) -> str:
        ablation = self.ablation()
        self.made(f"/api/v1/ablations/{ablation}/cancel")
        return ablation

    def group(self) -> str:
        return self.made("/api/v1/groups", {"preset": "quick", "sweep": {"seeds": 2}})["id"]

    def search(self, status: str = "running") -> str:
        """A parameter search of which nothing is left to do, so that the server leaves it as it is."""
        return record_search(self.database, status)

    def study(self, status: str = "running") -> str:
        """A study of which nothing is due."""
        return record_study(self.database, status)

    def dashboard(self) -> str:
        return self.made("/api/v1/dashboards", {"name": fresh("board")})["slug"]

    def share(self) -> str:
        slug = self.dashboard()
        return f"{slug}/shares/{self.made(f'/api/v1/dashboards/{slug}/shares')['id']}"

    def set(self) -> str:
        return self.made("/api/v1/sets", {"name": fresh("set"), "tasks": {"one": TASK}})["name"]

    def view(self) -> str:
        name = fresh("view")
        assert self.browser.put(f"/api/v1/views/{name}", json={"query": "sort=-pass1"}).is_success
        return name

    def person(self) -> str:
        name = fresh("Ada")
        self.made("/api/v1/people", {"name": name, "role": "viewer"})
        return name

    def token(self) -> str:
        return self.made("/api/v1/tokens", {"name": fresh("token")})["name"]

    def link(self) -> str:
        """A link that logs a browser in as the same person."""
        return self.made(f"/api/v1/people/{INES}/invite")["path"]

    def subscription(self) -> str:
        made: Any = self.made("/api/v1/subscriptions", SUBSCRIPTION)
        return str(made["subscription"]["id"])

    def other_session(self) -> str:
        """Another browser of the same person."""
        with httpx.Client(base_url=self.browser.base_url) as other:
            assert other.get(self.link()).status_code == 303
        sessions = self.browser.get("/api/v1/sessions").json()
        return next(str(each["id"]) for each in sessions if not each["is_current"])

    def all_sessions(self) -> str:
        """The address of all sessions, of which there are two."""
        self.other_session()
        return "/api/v1/sessions"

    def launch_form(self) -> dict[str, str]:
        page = self.browser.get("/runs/new", headers={"Accept": "text/html"})
        return Form(page.text).sent | {"action": "launch"}


def fresh(word: str) -> str:
    return f"{word}-{uuid4().hex[:8]}"


def new_search() -> dict[str, object]:
    pytest.importorskip("optuna")
    return {"preset": "quick", "search": {"fields": {"model.core.width": [64, 128]}, "trials": 2, "seeds": 1}}


def new_study(_: Trying) -> dict[str, object]:
    return {"study": STUDY, "scale": "small"}


Address = Callable[[Trying], str]
Ask = Callable[[], httpx.Response]
Prepare = Callable[[Trying], Ask]


def sends(method: str, path: Address, body: Callable[[Trying], object] | object = None) -> Prepare:
    """Make what the address names; then this request of it."""

    def prepare(trying: Trying) -> Ask:
        address, given = path(trying), body(trying) if callable(body) else body
        return lambda: trying.browser.request(method, address, json=given)

    return prepare


def submits(path: Address, typed: Callable[[Trying], dict[str, str]] = lambda _: {}) -> Prepare:
    """The same for a form of a page."""

    def prepare(trying: Trying) -> Ask:
        address, given = path(trying), typed(trying)
        return lambda: trying.browser.post(address, data=given, headers={"Accept": "text/html"})

    return prepare


def uploads(trying: Trying) -> Ask:
    file = ("tasks.json", json.dumps({"one": TASK}))
    return lambda: trying.browser.post("/data", data={"name": fresh("set")}, files={"file": file})


CASES: dict[str, tuple[Prepare, str]] = {
    "DELETE /api/v1/people/{name}": (
        sends("DELETE", lambda t: f"/api/v1/people/{t.person()}"), "person removed",
    ),
    "DELETE /api/v1/tokens/{name}": (
        sends("DELETE", lambda t: f"/api/v1/tokens/{t.token()}"), "token revoked",
    ),
    "PATCH /api/v1/people/{name}": (
        sends("PATCH", lambda t: f"/api/v1/people/{t.person()}", {"role": "editor"}), "role changed",
    ),
    "POST /api/v1/people": (
        sends("POST", lambda _: "/api/v1/people", lambda _: {"name": fresh("Eve"), "role": "viewer"}),
        "person added",
    ),
    "POST /api/v1/people/{name}/invite": (
        sends("POST", lambda t: f"/api/v1/people/{t.person()}/invite"), "login link created",
    ),
    "POST /api/v1/storage/free": (
        sends("POST", lambda _: "/api/v1/storage/free", lambda t: {"runs": [t.ended()]}),
        "checkpoints removed",
    ),
    "POST /api/v1/tokens": (
        sends("POST", lambda _: "/api/v1/tokens", lambda _: {"name": fresh("token")}), "token created",
    ),
    "DELETE /api/v1/dashboards/{slug}": (
        sends("DELETE", lambda t: f"/api/v1/dashboards/{t.dashboard()}"), "deleted",
    ),
    "DELETE /api/v1/dashboards/{slug}/shares/{share_id}": (
        sends("DELETE", lambda t: f"/api/v1/dashboards/{t.share()}"), "share link revoked",
    ),
    "DELETE /api/v1/runs/{run_id}": (sends("DELETE", lambda t: f"/api/v1/runs/{t.ended()}"), "deleted"),
    "DELETE /api/v1/sets/{name:path}": (sends("DELETE", lambda t: f"/api/v1/sets/{t.set()}"), "set removed"),
    "DELETE /api/v1/views/{name:path}": (sends("DELETE", lambda t: f"/api/v1/views/{t.view()}"), "deleted"),
    "PATCH /api/v1/runs/{run_id}": (
        sends("PATCH", lambda t: f"/api/v1/runs/{t.external()}", {"notes": "seen"}), "edited",
    ),
    "POST /api/v1/dashboards": (
        sends("POST", lambda _: "/api/v1/dashboards", {"name": "Board"}), "saved",
    ),
    "POST /api/v1/dashboards/{slug}/duplicate": (
        sends("POST", lambda t: f"/api/v1/dashboards/{t.dashboard()}/duplicate", {}), "saved",
    ),
    "POST /api/v1/dashboards/{slug}/shares": (
        sends("POST", lambda t: f"/api/v1/dashboards/{t.dashboard()}/shares"), "shared",
    ),
    "POST /api/v1/duels": (
        sends("POST", lambda _: "/api/v1/duels", lambda t: {"a": t.ended(), "b": t.ended()}), "launched",
    ),
    "POST /api/v1/evaluations/{evaluation_id}/cancel": (
        sends("POST", lambda t: f"/api/v1/evaluations/{t.evaluation()}/cancel"), "cancelled",
    ),
    "POST /api/v1/evaluations/{evaluation_id}/resume": (
        sends("POST", lambda t: f"/api/v1/evaluations/{t.cancelled()}/resume"), "resumed",
    ),
    "POST /api/v1/runs/{run_id}/ablations": (
        sends("POST", lambda t: f"/api/v1/runs/{t.ended()}/ablations", ABLATION), "launched",
    ),
    "POST /api/v1/ablations/{ablation_id}/cancel": (
        sends("POST", lambda t: f"/api/v1/ablations/{t.ablation()}/cancel"), "cancelled",
    ),
    "POST /api/v1/ablations/{ablation_id}/resume": (
        sends("POST", lambda t: f"/api/v1/ablations/{t.cancelled_ablation()}/resume"), "resumed",
    ),
    "POST /runs/{run_id}/ablate": (
        submits(lambda t: f"/runs/{t.ended()}/ablate", lambda _: {"first_tasks": "2"}), "launched",
    ),
    "POST /ablations/{ablation_id}/cancel": (
        submits(lambda t: f"/ablations/{t.ablation()}/cancel"), "cancelled",
    ),
    "POST /ablations/{ablation_id}/resume": (
        submits(lambda t: f"/ablations/{t.cancelled_ablation()}/resume"), "resumed",
    ),
    "POST /api/v1/groups": (
        sends("POST", lambda _: "/api/v1/groups", {"preset": "quick", "sweep": {"seeds": 2}}), "launched",
    ),
    "POST /api/v1/groups/{group_id}/cancel": (
        sends("POST", lambda t: f"/api/v1/groups/{t.group()}/cancel"), "cancelled",
    ),
    "POST /api/v1/parameter-searches": (
        sends("POST", lambda _: "/api/v1/parameter-searches", lambda _: new_search()), "launched",
    ),
    "POST /api/v1/parameter-searches/{group_id}/stop": (
        sends("POST", lambda t: f"/api/v1/parameter-searches/{t.search()}/stop"), "cancelled",
    ),
    "POST /api/v1/parameter-searches/{group_id}/continue": (
        sends("POST", lambda t: f"/api/v1/parameter-searches/{t.search('stopped')}/continue"), "resumed",
    ),
    "POST /api/v1/studies": (sends("POST", lambda _: "/api/v1/studies", new_study), "launched"),
    "POST /api/v1/studies/{study_id}/stop": (
        sends("POST", lambda t: f"/api/v1/studies/{t.study()}/stop"), "cancelled",
    ),
    "POST /api/v1/studies/{study_id}/continue": (
        sends("POST", lambda t: f"/api/v1/studies/{t.study('stopped')}/continue", {}), "resumed",
    ),
    "POST /api/v1/queue/{run_id}/move": (
        sends("POST", lambda t: f"/api/v1/queue/{t.run()}/move", {"position": 1}), "moved in the queue",
    ),
    "POST /api/v1/queue/{run_id}/priority": (
        sends("POST", lambda t: f"/api/v1/queue/{t.run()}/priority", {"priority": "high"}),
        "moved in the queue",
    ),
    "POST /api/v1/runs": (sends("POST", lambda _: "/api/v1/runs", {"preset": "quick"}), "launched"),
    "POST /api/v1/runs/archived": (
        sends("POST", lambda _: "/api/v1/runs/archived", lambda t: {"runs": [t.external()]}),
        "edited",
    ),
    "POST /api/v1/runs/tags": (
        sends("POST", lambda _: "/api/v1/runs/tags", lambda t: {"runs": [t.external()], "add": ["x"]}),
        "edited",
    ),
    "POST /api/v1/runs/{run_id}/cancel": (
        sends("POST", lambda t: f"/api/v1/runs/{t.run()}/cancel"), "cancelled",
    ),
    "PUT /api/v1/runs/{run_id}/checkpoints/aliases/{name}": (
        sends(
            "PUT", lambda t: f"/api/v1/runs/{t.ended()}/checkpoints/aliases/paper", {"checkpoint": 100}
        ),
        "alias set",
    ),
    "DELETE /api/v1/runs/{run_id}/checkpoints/aliases/{name}": (
        sends("DELETE", lambda t: f"/api/v1/runs/{t.named()}/checkpoints/aliases/paper"), "alias removed",
    ),
    "DELETE /api/v1/runs/{run_id}/checkpoints/{step}": (
        sends("DELETE", lambda t: f"/api/v1/runs/{t.ended()}/checkpoints/100"), "checkpoints removed",
    ),
    "POST /api/v1/runs/{run_id}/checkpoints/{step}/fork": (
        sends("POST", lambda t: f"/api/v1/runs/{t.ended()}/checkpoints/200/fork", {}), "launched",
    ),
    "POST /api/v1/runs/{run_id}/checkpoints/{step}/resume": (
        sends("POST", lambda t: f"/api/v1/runs/{t.ended()}/checkpoints/100/resume"), "resumed",
    ),
    "POST /api/v1/runs/{run_id}/clone": (
        sends("POST", lambda t: f"/api/v1/runs/{t.ended()}/clone", {}), "launched",
    ),
    "POST /api/v1/runs/{run_id}/evaluations": (
        sends("POST", lambda t: f"/api/v1/runs/{t.ended()}/evaluations", {"set": "mini", "first_tasks": 2}),
        "launched",
    ),
    "POST /api/v1/runs/{run_id}/resume": (
        sends("POST", lambda t: f"/api/v1/runs/{t.ended()}/resume"), "resumed",
    ),
    "POST /api/v1/sets": (
        sends("POST", lambda _: "/api/v1/sets", lambda _: {"name": fresh("set"), "tasks": {"one": TASK}}),
        "set imported",
    ),
    "POST /api/v1/sets/{name:path}/tasks": (
        sends("POST", lambda t: f"/api/v1/sets/{t.set()}/tasks", {"id": "two", "task": TASK}),
        "set imported",
    ),
    "POST /dashboards": (submits(lambda _: "/dashboards", lambda _: {"name": "Board"}), "saved"),
    "POST /data": (uploads, "set imported"),
    "POST /evaluations/{evaluation_id}/cancel": (
        submits(lambda t: f"/evaluations/{t.evaluation()}/cancel"), "cancelled",
    ),
    "POST /evaluations/{evaluation_id}/resume": (
        submits(lambda t: f"/evaluations/{t.cancelled()}/resume"), "resumed",
    ),
    "POST /groups/{group_id}/stop": (submits(lambda t: f"/groups/{t.search()}/stop"), "cancelled"),
    "POST /groups/{group_id}/continue": (
        submits(lambda t: f"/groups/{t.search('stopped')}/continue"), "resumed",
    ),
    "POST /groups/{group_id}/cancel": (submits(lambda t: f"/groups/{t.group()}/cancel"), "cancelled"),
    "POST /studies": (
        submits(lambda _: "/studies", lambda _: {"study": "discussion", "scale": "laptop"}), "launched",
    ),
    "POST /studies/{study_id}/stop": (submits(lambda t: f"/studies/{t.study()}/stop"), "cancelled"),
    "POST /studies/{study_id}/continue": (
        submits(lambda t: f"/studies/{t.study('stopped')}/continue"), "resumed",
    ),
    "POST /runs/new": (submits(lambda _: "/runs/new", Trying.launch_form), "launched"),
    "POST /runs/{run_id}/evaluate": (
        submits(lambda t: f"/runs/{t.ended()}/evaluate", lambda _: {"set_name": "mini", "first_tasks": "2"}),
        "launched",
    ),
    "PUT /api/v1/dashboards/{slug}": (
        sends(
            "PUT",
            lambda t: f"/api/v1/dashboards/{t.dashboard()}",
            {"version": 1, "name": "Other", "content": {"panels": []}},
        ),
        "saved",
    ),
    "PUT /api/v1/views/{name:path}": (
        sends("PUT", lambda _: f"/api/v1/views/{fresh('view')}", {"query": "sort=-pass1"}), "saved",
    ),
    "POST /api/v1/runs/external": (
        sends("POST", lambda _: "/api/v1/runs/external", {"name": "mine"}), "external run started",
    ),
    "POST /api/v1/runs/{run_id}/finish": (
        sends("POST", lambda t: f"/api/v1/runs/{t.external()}/finish"), "external run ended",
    ),
    "POST /login": (
        submits(lambda _: "/login", lambda t: {"token": t.link()}), "logged in",
    ),
    "POST /api/v1/subscriptions": (sends("POST", lambda _: "/api/v1/subscriptions", SUBSCRIPTION), "saved"),
    "PATCH /api/v1/subscriptions/{subscription_id}": (
        sends("PATCH", lambda t: f"/api/v1/subscriptions/{t.subscription()}", {"name": "other"}), "edited",
    ),
    "DELETE /api/v1/subscriptions/{subscription_id}": (
        sends("DELETE", lambda t: f"/api/v1/subscriptions/{t.subscription()}"), "deleted",
    ),
    "DELETE /api/v1/sessions": (
        sends("DELETE", Trying.all_sessions), "logged out",
    ),
    "DELETE /api/v1/sessions/{session_id}": (
        sends("DELETE", lambda t: f"/api/v1/sessions/{t.other_session()}"), "logged out",
    ),
    "POST /api/v1/logout": (sends("POST", lambda _: "/api/v1/logout"), "logged out"),
    "POST /logout": (submits(lambda _: "/logout"), "logged out"),
}  # fmt: skip
