"""/api/v1/shares: every live link, whoever's dashboard it opens."""

from __future__ import annotations

import httpx

from tests.support.web import WebServer


def test_a_link_is_listed_with_its_use_until_it_is_revoked(client: httpx.Client, server: WebServer) -> None:
    slug = client.post("/api/v1/dashboards", json={"name": "for all to see"}).json()["slug"]
    made = client.post(f"/api/v1/dashboards/{slug}/shares").json()

    def listed() -> list[dict[str, object]]:
        return [each for each in client.get("/api/v1/shares").json() if each["slug"] == slug]

    (link,) = listed()
    assert (link["id"], link["name"], link["made_by"]) == (made["id"], "for all to see", "the owner")
    assert link["last_opened_at"] is None
    with server.stranger() as stranger:
        assert stranger.get("/s/" + made["url"].rpartition("/")[2]).status_code == 200
        assert stranger.get("/api/v1/shares").status_code == 401
    assert listed()[0]["last_opened_at"]
    client.delete(f"/api/v1/dashboards/{slug}/shares/{made['id']}")
    assert listed() == []
