"""/api/v1/studies and the pages of studies, as people and scripts use them."""

from __future__ import annotations

import html
import io
import re
import zipfile
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.kit.format import NBSP
from backend.study import paper, views
from tests.support.records.studied import STUDY, TASKS, record_study


def text_of(page: str) -> str:
    """The words of a page, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_page_shows_each_claim_with_its_verdict_numbers_and_what_would_change_it(
    page_client: httpx.Client, page_db: Engine
) -> None:
    study_id = record_study(page_db)
    page = page_client.get(f"/studies/{study_id}").text
    text = text_of(page)
    assert "1 supported" in text
    assert "1 undecided" in text
    assert "What would change it: Harder tasks." in text
    assert "Published, not measured here ETRM deterministic, 175k steps: pass@1" in text
    assert "pass@1 of fresh context" in text
    assert "decided after round 1 of 2" in text
    assert page.count('class="claim-strip is-supported"') == 1
    assert page.count('class="claim-strip is-supported is-small"') == 1  # of the overview
    assert page.count('class="seed"') == 4  # of a result, and of the first side of a difference
    assert "95.0 % [" in text
    assert f'action="/studies/{study_id}/stop"' in page


def test_a_study_is_stopped_and_continued_from_its_page(page_client: httpx.Client, page_db: Engine) -> None:
    study_id = record_study(page_db)
    address = f"/studies/{study_id}"
    assert page_client.post(f"{address}/stop").status_code == 303
    assert "Stopped by the user." in page_client.get(address).text
    assert page_client.post(f"{address}/continue", data={"hours": "200"}).status_code == 303
    assert "of 200 hours" in page_client.get(address).text


def test_the_list_offers_what_comes_with_the_lab(page_client: httpx.Client, page_db: Engine) -> None:
    study_id = record_study(page_db)
    page = page_client.get("/studies").text
    assert f'href="/studies/{study_id}"' in page
    assert '<option value="laptop">' in page
    assert "The discussion of ETRM, claim by claim" in page


def test_a_study_is_read_before_it_is_started(page_client: httpx.Client) -> None:
    before = ids_of_studies(page_client)
    outline = page_client.post("/api/v1/studies/preview", json={"study": STUDY, "name": "caching"}).json()
    assert (outline["name"], outline["scale"], outline["hours"]) == ("caching", "small", 100)
    assert [(each["name"], each["asks"]) for each in outline["claims"]] == [
        ("learns", [f"pass@1 of fresh context >{NBSP}50.0{NBSP}%"]),
        ("better", [f"pass@1 of fresh context minus cached context >{NBSP}0.0{NBSP}points"]),
    ]
    # Two configurations under two seeds, each evaluated; then under a third one.
    assert [(each["words"], each["runs"], each["evaluations"]) for each in outline["rounds"]] == [
        (f"2 seeds of {TASKS} tasks", 4, 4),
        (f"3 seeds of {TASKS} tasks", 2, 2),
    ]
    assert outline["rounds"][0]["hours"] == pytest.approx(4 * (100 + 2) / 3600)
    assert ids_of_studies(page_client) == before  # nothing was started
    refused = page_client.post("/api/v1/studies/preview", json={"study": "discussion", "scale": "small"})
    assert refused.json()["error"]["fields"][0]["field"] == "scale"


def ids_of_studies(client: httpx.Client) -> list[str]:
    return [each["id"] for each in client.get("/api/v1/studies").json()["studies"]]


def test_the_list_shows_the_claims_of_what_comes_with_the_lab(page_client: httpx.Client) -> None:
    text = text_of(page_client.get("/studies").text)
    for scale in ("laptop", "arc"):
        outline = page_client.post(
            "/api/v1/studies/preview", json={"study": "discussion", "scale": scale}
        ).json()
        assert f"{outline['scale_title']}: at most {outline['hours']:g} hours" in text
        first = outline["rounds"][0]
        assert f"{first['words']}: {first['runs']} runs and {first['evaluations']} evaluations" in text
    for claim in outline["claims"]:
        assert claim["claim"] in text
        assert all(" ".join(asks.split()) in text for asks in claim["asks"])


def test_a_study_is_read_stopped_and_continued_by_the_api(client: httpx.Client, database: Engine) -> None:
    study_id = record_study(database)
    path = f"/api/v1/studies/{study_id}"
    view = client.get(path).json()
    assert [(each["name"], each["verdict"]) for each in view["claims"]] == [
        ("learns", "supported"),
        ("better", "undecided"),
    ]
    learns = view["claims"][0]["tests"][0]
    assert (learns["value"], learns["seeds"], learns["samples"][0]["values"]) == (0.95, 2, [0.95, 0.95])
    assert 0.5 < learns["low"] < 0.95
    assert view["active"] == 1
    assert client.post(f"{path}/stop").json()["status"] == "stopped"
    assert client.post(f"{path}/continue", json={"hours": 50}).json()["hours"] == 50
    assert client.post(f"{path}/continue", json={}).status_code == 409
    listed = client.get("/api/v1/studies").json()
    assert study_id in [each["id"] for each in listed["studies"]]
    assert listed["available"] == ["discussion"]
    assert client.get("/api/v1/studies/nosuchstud").status_code == 404
    client.post(f"{path}/stop")


def test_the_table_has_every_claim_and_marks_what_was_published(
    client: httpx.Client, database: Engine
) -> None:
    study_id = record_study(database, "stopped")
    path = f"/api/v1/studies/{study_id}/table"
    table = client.get(path, params={"format": "markdown"}).text
    assert "A fresh context solves most tasks" in table
    assert "ETRM deterministic, 175k steps (published)" in table
    assert "supported" in table
    assert client.get(path).text.count(r"\midrule") == 2
    assert client.get(path, params={"format": "word"}).status_code == 422


def test_the_report_says_what_the_page_says(client: httpx.Client, database: Engine) -> None:
    report = client.get(f"/api/v1/studies/{record_study(database, 'stopped')}/report").text
    assert "| supported | A fresh context solves most tasks | 95.0" in report
    assert "What would change it: Harder tasks." in report
    assert "Published, not measured here: ETRM deterministic, 175k steps: pass@1" in report
    assert "| fresh context | 0, 1 |" in report


def test_a_claim_is_drawn_and_everything_comes_as_an_archive(client: httpx.Client, database: Engine) -> None:
    pytest.importorskip("matplotlib")
    study_id = record_study(database, "stopped")
    path = f"/api/v1/studies/{study_id}"
    figure = client.get(f"{path}/figure", params={"claim": "learns", "format": "svg"})
    assert figure.text.lstrip().startswith("<?xml")
    assert client.get(f"{path}/figure", params={"claim": "learn"}).status_code == 404
    with zipfile.ZipFile(io.BytesIO(client.get(f"{path}/paper").content)) as archive:
        names = set(archive.namelist())
    assert {"tables/caching-claims.tex", "tables/caching-claims.md", "study.json", "README.md"} <= names
    assert "data/claim-learns.csv" in names


def test_a_share_below_zero_is_inside_its_figure() -> None:
    """What another task's context costs may be less than nothing."""
    sample = views.SampleView.model_construct(
        sample="a",
        title="A",
        mean=-0.02,
        low=-0.1,
        high=0.06,
        seeds=[0, 1],
        values=[-0.01, -0.03],
        tasks=None,
    )
    test = views.TestView.model_construct(measure="reliance/cost", unit="share", samples=[sample])
    facts = {"name": "reliance", "claim": "It relies", "verdict": "undecided"}
    claim = views.ClaimView.model_construct(tests=[test], **facts)
    figure = paper.figure(claim)
    assert figure
    assert figure.axes.x == (-0.1, 1.0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"study": "discusion"}, None),
        ({"study": 3}, "study"),
        ({"scale": "smal"}, "scale"),
        ({"hours": 0}, "hours"),
        ({"study": STUDY | {"claims": []}}, "claims"),
    ],
)
def test_what_is_wrong_with_a_new_study_names_the_field(
    client: httpx.Client, database: Engine, changes: dict[str, Any], field: str | None
) -> None:
    answer = client.post("/api/v1/studies", json={"study": STUDY, "scale": "small"} | changes)
    if field is None:
        assert answer.status_code == 404
        assert "discussion" in answer.text
        return
    assert answer.status_code == 422
    assert field in [each["field"] for each in answer.json()["error"]["fields"]], answer.text
