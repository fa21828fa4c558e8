"""Two people write at once: the second one is shown both texts, and nothing is lost."""

from __future__ import annotations

import httpx
import pytest

from backend.kit.errors import Conflict
from backend.lifecycle import edits


@pytest.fixture
def run(client: httpx.Client) -> str:
    made = client.post("/api/v1/runs/external", json={"name": "edited", "config": {"lr": 1}})
    address = f"/api/v1/runs/{made.json()['id']}"
    client.patch(address, json={"notes": "first", "tags": ["a"]})
    return address


def test_notes_that_somebody_else_changed_are_not_written_over(client: httpx.Client, run: str) -> None:
    one = client.patch(run, json={"notes": "by one", "seen": {"notes": "first"}})
    assert one.status_code == 200
    other = client.patch(
        run, json={"notes": "by other", "tags": ["a"], "seen": {"notes": "first", "tags": ["a"]}}
    )
    assert other.status_code == 409
    (problem,) = other.json()["error"]["fields"]
    assert problem == {
        "field": "notes",
        "message": "was changed meanwhile. It is now: by one",
        "hint": "Yours: by other",
    }
    assert client.get(run).json()["notes"] == "by one"
    again = client.patch(run, json={"notes": "by one\n\nby other", "seen": {"notes": "by one"}})
    assert again.status_code == 200


@pytest.mark.parametrize(
    "change", [{"notes": "mine"}, {"tags": ["mine"]}, {"name": "mine"}, {"archived": True}]
)
def test_a_version_that_is_old_changes_nothing(
    client: httpx.Client, run: str, change: dict[str, object]
) -> None:
    version = client.get(run).headers["ETag"]
    theirs = client.patch(run, json={"notes": "theirs"}, headers={"If-Match": version})
    assert theirs.status_code == 200
    refused = client.patch(run, json=change, headers={"If-Match": version})
    assert refused.status_code == 409
    assert refused.json()["error"]["fields"][0]["field"] == next(iter(change))
    assert client.patch(run, json=change, headers={"If-Match": theirs.headers["ETag"]}).status_code == 200
    assert client.patch(run, json={"notes": "blind"}, headers={"If-Match": "*"}).status_code == 200


def test_what_a_browser_does_to_line_ends_is_no_change() -> None:
    written = {"name": "n", "tags": ["a"], "notes": "one\r\ntwo\n", "archived": False}
    edits.check(written, {"notes": "three"}, edits.Base({"notes": "one\ntwo"}))
    edits.check(written, {"notes": "one\ntwo"}, edits.Base({"notes": "other"}))  # what stands there already
    with pytest.raises(Conflict):
        edits.check(written, {"tags": ["b"]}, edits.Base({"tags": []}))


def test_a_view_that_somebody_else_saved_is_not_written_over(client: httpx.Client) -> None:
    view = "/api/v1/views/shared"
    assert client.put(view, json={"query": "sort=name", "seen": ""}).status_code == 200
    refused = client.put(view, json={"query": "sort=-name", "seen": ""})
    assert refused.status_code == 409
    (problem,) = refused.json()["error"]["fields"]
    assert (problem["message"], problem["hint"]) == ("is now: sort=name", "Yours: sort=-name")
    assert client.put(view, json={"query": "sort=-name", "seen": "sort=name"}).status_code == 200
    client.delete(view)
