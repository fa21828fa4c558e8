"""/api/v1/compare as a script uses it."""

from __future__ import annotations

import httpx

POINTS = {"step": [1, 2], "values": {"loss": [3, "NaN"]}}


def test_runs_are_compared(client: httpx.Client) -> None:
    ids = [
        client.post("/api/v1/runs", json={"preset": "quick", "seed": seed}).json()["id"] for seed in (0, 1)
    ]
    found = client.get("/api/v1/compare", params={"runs": ",".join(ids)}).json()

    assert [run["id"] for run in found["runs"]] == ids
    assert found["variations"] == [
        {"label": "deterministic", "variant": "deterministic", "runs": ids, "repeated": []}
    ]
    assert found["differing"] == {"seed": {ids[0]: 0, ids[1]: 1}}
    assert found["significance"][0]["comparison"] is None
    assert "no finished evaluation" in found["significance"][0]["reason"]
    assert found["over_seeds"] == []
    assert "divided by all 400" in str(found["published"])


def test_curves_of_several_runs_come_at_once(client: httpx.Client, external: str, queued: str) -> None:
    client.post(f"/api/v1/runs/{external}/metrics", json=POINTS)
    found = client.get("/api/v1/compare/series", params={"runs": f"{external},{queued}", "names": "loss"})

    assert found.json()["series"][external]["loss"]["value"] == [3.0, None]
    assert found.json()["series"][queued] == {}


def test_what_cannot_be_compared_is_told(client: httpx.Client, queued: str) -> None:
    assert client.get("/api/v1/compare", params={"runs": " , "}).status_code == 422
    assert client.get("/api/v1/compare", params={"runs": f"{queued},zzzzzzzzzz"}).status_code == 404
    refused = client.get("/api/v1/compare", params={"runs": queued, "base": "zzzzzzzzzz"})
    assert refused.json()["error"]["fields"][0]["field"] == "base"
