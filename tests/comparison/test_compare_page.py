"""The compare page as the server makes it."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import Engine

from tests.support.records.recorded import record_run

NO_ID = "zzzzzzzzzz"


@pytest.fixture(scope="module")
def seeds(page_server: object) -> list[str]:
    engine: Engine = page_server.engine  # type: ignore[attr-defined]
    made = [record_run(engine, seed=seed, points=40, tasks=6, name=f"wide {seed}") for seed in range(3)]
    return [*made, record_run(engine, preset="quick_etrm_iterative", points=30, name="iterative")]


def test_every_line_is_drawn_before_any_script_runs(page_client: httpx.Client, seeds: list[str]) -> None:
    page = page_client.get("/compare", params={"runs": ",".join(seeds)}).text

    still = page[page.index('data-panel="accuracy/token"') :]
    still = still[: still.index("</figure>")]
    assert still.count('class="smooth"') == still.count('class="raw"') == 4
    assert "var(--series-3)" in still
    assert "stroke-dasharray:9px,9px" in still  # seed 1
    assert "Published, not measured here" in page
    assert "divided by all 400" in page
    assert re.search(r"1/6</b> 17", page)


def test_seeds_are_one_line_with_a_band(page_client: httpx.Client, seeds: list[str]) -> None:
    query = {"runs": ",".join(seeds), "by": "seed"}
    page = page_client.get("/compare", params=query).text
    asked = {**query, "panel": "accuracy/token"}
    figure = page_client.get("/compare/figures", params=asked).json()["figures"]["accuracy/token"]

    assert "deterministic (n = 3)" in page
    roles = [trace["meta"]["role"] for trace in figure["data"]]
    assert roles == ["band", "band", "raw", "smooth", "raw", "smooth", "nan"]
    assert figure["runs"] == seeds
    assert 'class="band"' in page


def test_sections_that_come_later(page_client: httpx.Client, seeds: list[str]) -> None:
    query = {"runs": ",".join(seeds), "base": seeds[1]}
    tasks = page_client.get("/compare/tasks", params=query).text
    pairs = page_client.get("/compare/significance", params=query).text

    assert tasks.count('scope="row"') == 6
    assert "Baseline wide 1 against" in pairs
    assert pairs.count("has no finished evaluation on a held-out set") == 1


def test_every_section_goes_by_variation_over_seeds(page_client: httpx.Client, seeds: list[str]) -> None:
    query = {"runs": ",".join(seeds), "by": "seed", "base": seeds[1]}
    page = page_client.get("/compare", params=query).text
    tasks = page_client.get("/compare/tasks", params=query).text
    pairs = page_client.get("/compare/significance", params=query).text

    assert f'<option value="{seeds[0]}" selected' in page  # the variation of the baseline
    assert re.search(r"3/18, 3.seeds", page)  # 1 of 6 tasks, three times
    assert ">3 healthy<" in page
    assert '<th scope="row" class="mono">seed</th>' not in page
    assert tasks.count('<td class="solved"') == 1
    assert tasks.count('<td class="failed"') == 5
    assert "iterative: it has no finished evaluation on a held-out set." in pairs


def test_nothing_chosen_is_a_list_to_choose_from(
    page_client: httpx.Client, page_db: Engine, seeds: list[str]
) -> None:
    run_id = record_run(page_db, points=5, age=0)  # among the newest, whatever other tests left
    assert f'value="{run_id}"' in page_client.get("/compare").text
    assert page_client.get("/compare", params={"runs": NO_ID}).status_code == 404
    repeated = page_client.get("/compare", params=[("runs", seeds[0]), ("runs", seeds[3])])
    assert "Compare 2 runs" in repeated.text


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_votes_of_the_chosen_evaluations_are_pooled(page_client: httpx.Client, seeds: list[str]) -> None:
    query: dict[str, object] = {"runs": ",".join(seeds)}
    page = page_client.get("/compare/ensemble", params=query).text
    offered = re.findall(r'name="member" value="(\d+)" (checked)?', page)
    asked = page_client.get("/api/v1/ensemble", params={"members": ",".join(seeds[:3])}).json()

    assert [ticked for _, ticked in offered] == ["checked"] * 3  # the iterative run has no evaluation
    assert "Ensemble of 3" in words(page)
    assert asked["against_best"]["words"][1:] in words(page)
    assert [each["run_name"] for each in asked["members"]] == ["wide 0", "wide 1", "wide 2"]

    two = page_client.get(
        "/compare/ensemble", params=query | {"member": [id_ for id_, _ in offered[:2]]}
    ).text
    assert "Ensemble of 2" in words(two)
    assert [ticked for _, ticked in re.findall(r'name="member" value="(\d+)" (checked)?', two)] == [
        "checked", "checked", "",
    ]  # fmt: skip
    one = page_client.get("/compare/ensemble", params=query | {"member": offered[0][0]}).text
    assert "1 evaluation named; an ensemble has 2 to 32 different ones." in words(one)
    alone = page_client.get("/compare/ensemble", params={"runs": seeds[0]}).text
    assert "An ensemble needs two finished evaluations" in alone


def test_an_expression_has_a_chart_of_every_run(page_client: httpx.Client, seeds: list[str]) -> None:
    text = "accuracy/token - accuracy/exact"
    query = {"runs": ",".join(seeds), "expr": [text, "loss / los", "loss"]}
    page = page_client.get("/compare", params=query).text

    panel = re.search(r'data-panel="(expression-\w+)" data-metrics="([^"]+)" data-expression="([^"]+)"', page)
    assert panel
    assert panel.groups()[1:] == (text, "accuracy/token,accuracy/exact")
    still = page[panel.start() : page.index("</figure>", panel.start())]
    assert still.count('class="smooth"') == 4
    assert "column 8: No compared run has a metric &#39;los&#39;. Did you mean &#39;loss&#39;" in page

    figure = page_client.get("/compare/figures", params={**query, "panel": panel[1]}).json()["figures"][
        panel[1]
    ]
    of_metrics = page_client.get(
        "/compare/figures", params={**query, "panel": ["accuracy/token", "accuracy/exact"]}
    )
    token, exact = (
        of_metrics.json()["figures"][name]["data"][0]["y"] for name in ("accuracy/token", "accuracy/exact")
    )
    raw = next(trace for trace in figure["data"] if trace["meta"]["role"] == "raw")
    assert raw["y"] == pytest.approx([a - b for a, b in zip(token, exact, strict=True)], abs=1e-6)


def test_an_expression_over_seeds_is_a_mean_with_a_band(page_client: httpx.Client, seeds: list[str]) -> None:
    query = {"runs": ",".join(seeds), "by": "seed", "expr": "loss / act_steps"}
    page = page_client.get("/compare", params=query).text
    panel = re.search(r'data-panel="(expression-\w+)"', page)
    assert panel
    figure = page_client.get("/compare/figures", params={**query, "panel": panel[1]}).json()["figures"][
        panel[1]
    ]
    assert [trace["meta"]["role"] for trace in figure["data"]][:4] == ["band", "band", "raw", "smooth"]


def test_a_run_page_charts_an_expression_and_counts_what_is_undefined(
    page_client: httpx.Client, seeds: list[str]
) -> None:
    """The learning rate begins at zero."""
    page = page_client.get(f"/runs/{seeds[0]}", params={"expr": "loss / learning_rate"}).text
    chart = page[page.index('data-panel="expression-') :]
    chart = chart[: chart.index("</figure>")]
    assert "<h3>loss / learning_rate</h3>" in chart
    assert "÷ 1 undefined" in chart
    assert "data-remove-expression" in chart
