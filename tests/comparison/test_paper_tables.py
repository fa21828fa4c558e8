"""Tables for papers say the numbers that the API says, with their conditions."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import Engine

from tests.support.records.recorded import record_run


@pytest.fixture(scope="module")
def seeds(page_server: object) -> list[str]:
    engine: Engine = page_server.engine  # type: ignore[attr-defined]
    made = [record_run(engine, seed=seed, points=40, tasks=6, name=f"wide_{seed}") for seed in range(3)]
    slots = [record_run(engine, preset="quick_slots", seed=seed, points=30, tasks=6) for seed in range(2)]
    return made + slots


def asked(client: httpx.Client, runs: list[str], **query: str) -> httpx.Response:
    answer = client.get("/api/v1/compare/table", params={"runs": ",".join(runs), **query})
    assert answer.status_code == 200, answer.text
    return answer


def test_results_have_every_score_with_its_denominator_and_interval(
    page_client: httpx.Client, seeds: list[str]
) -> None:
    text = asked(page_client, seeds, format="markdown").text
    compared = page_client.get("/api/v1/compare", params={"runs": ",".join(seeds)}).json()
    assert len(compared["runs"]) == 5
    for run in compared["runs"]:
        line = next(
            each for each in text.splitlines() if each.startswith("| " + run["name"].replace("_", r"\_"))
        )
        newest = [each for each in run["results"] if each["status"] == "finished"]
        assert newest
        for score in newest[0]["passes"]:
            if score["k"] in (1, 2, 5):
                assert f"{score['solved']:g}/{score['n']}, " in line
                assert rf"\[{score['low'] * 100:.1f}–{score['high'] * 100:.1f}\]" in line
    assert "<sup>a</sup> arc-agi-1/evaluation" in text
    assert "Published" not in text


def test_published_results_stand_apart_with_their_caveats(
    page_client: httpx.Client, seeds: list[str]
) -> None:
    answer = asked(page_client, seeds, published="true")
    text = answer.text
    assert answer.headers["Content-Disposition"] == 'attachment; filename="results.tex"'
    assert text.count(r"\midrule") == 2
    assert text.index(r"wide\_0") < text.index("TRM (7M, step 155,000), published")
    assert "divided by all 400" in text
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {5}


@pytest.mark.parametrize("by", ["run", "seed"])
def test_significance_names_baseline_interval_p_and_verdict(
    by: str, page_client: httpx.Client, seeds: list[str]
) -> None:
    text = asked(page_client, seeds, what="significance", by=by, format="typst").text
    compared = page_client.get("/api/v1/compare", params={"runs": ",".join(seeds)}).json()
    views = (
        [each["comparison"] for each in compared["significance"]]
        if by == "run"
        else [each["view"] for each in compared["over_seeds"]]
    )
    assert len(views) == (4 if by == "run" else 1)
    for view in views:
        verdict = {"a": "baseline is better", "b": "better", "undecided": "undecided"}[view["verdict"]]
        low, high = -100 * view["difference"]["high"], -100 * view["difference"]["low"]
        assert f"[{verdict}" in text
        assert f"{abs(low):.1f} to " in text
        assert f"{abs(high):.1f}\\]" in text
    assert "after Holm's correction" in text.replace(r"\'", "'")


def test_what_cannot_be_asked_is_named(page_client: httpx.Client, seeds: list[str]) -> None:
    for field in ("what", "by", "at", "format"):
        answer = page_client.get("/api/v1/compare/table", params={"runs": seeds[0], field: "latexx"})
        assert answer.status_code == 422
        assert answer.json()["error"]["fields"][0]["field"] == field


def test_the_page_offers_the_tables(page_client: httpx.Client, seeds: list[str]) -> None:
    page = page_client.get("/compare", params={"runs": ",".join(seeds)}).text
    links = re.findall(r'href="(/api/v1/compare/table[^"]+)"', page)
    assert len(links) == 3
    part = page_client.get("/compare/significance", params={"runs": ",".join(seeds), "by": "seed"}).text
    links += re.findall(r'href="(/api/v1/compare/table[^"]+)"', part)
    assert len(links) == 6
    for link in links:
        assert page_client.get(link.replace("&amp;", "&")).status_code == 200
