"""Places in a lab that already runs, as its API tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playwright.sync_api import APIRequestContext, Browser, StorageState

HELD_OUT = "arc-agi-1/evaluation"  # whose tasks the shots show


def places(browser: Browser, url: str, cookies: StorageState) -> Mapping[str, str]:
    """What addresses of shots name; what this lab does not have is left out."""
    context = browser.new_context(base_url=url, storage_state=cookies)
    asked = context.request
    runs = _list(asked, "runs", limit=100)
    of_status = {each["status"]: each["id"] for each in reversed(runs)}
    of_variant = {each["variant"]: each["id"] for each in reversed(runs)}
    run = of_status.get("finished") or next((each["id"] for each in runs), None)
    evaluations = _list(asked, "evaluations", run_id=run) if run else []
    predictions = _list(asked, f"runs/{run}/predictions", limit=200) if run else []
    found = {
        "run": run,
        "running": of_status.get("running"),
        "failed": of_status.get("failed"),
        "queued": of_status.get("queued"),
        "group": next((each["group"]["id"] for each in runs if each["group"]), None),
        "study": next((each["id"] for each in _list(asked, "studies")), None),
        "several": ",".join(each["id"] for each in runs[:30]),
        "six": ",".join(list(of_variant.values())[:6]),
        "board": next((each["slug"] for each in _list(asked, "dashboards")), None),
        "evaluation": next((each["id"] for each in evaluations), None),
        "task": next((each["task_id"] for each in predictions if each["set"] == HELD_OUT), None),
    }
    context.close()
    return {name: str(place) for name, place in found.items() if place}


def _list(asked: APIRequestContext, path: str, **query: Any) -> list[dict[str, Any]]:
    """The one list in an answer of the API."""
    answer = asked.get(f"/api/v1/{path}", params=query).json()
    found = answer if isinstance(answer, list) else next(v for v in answer.values() if isinstance(v, list))
    return list(found)
