"""Explore by API and page: values, expressions, importance, limits, and what it says instead."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from backend.explore import scales
from tests.support.web import WebServer

FILTER = 'project == "explore"'
RATES = (0.0001, 0.001, 0.01, 0.1)
SEEDS = 2


@pytest.fixture(scope="module")
def runs(page_server: WebServer) -> dict[str, dict[str, Any]]:
    """Sixteen configurations of a script with two seeds each: id -> its config. The loss falls with the rate;
    the depth says nothing, the schedule follows the rate."""
    draw = random.Random(4)
    made: dict[str, dict[str, Any]] = {}
    with page_server.client() as client:
        for at in range(16):
            rate = RATES[at % 4]
            schedule = "slow" if rate < 0.01 else "fast"
            config = {"rate": rate, "depth": 1 + at // 4 % 2, "schedule": schedule, "block": "ab"[at // 8]}
            for seed in range(SEEDS):
                body = {
                    "name": f"script {at} seed {seed}",
                    "config": {**config, "seed": seed},
                    "project": "explore",
                }
                answer = client.post("/api/v1/runs/external", json=body)
                assert answer.status_code == 201, answer.text
                run_id = answer.json()["id"]
                loss = 2 - RATES.index(rate) * 0.4 + draw.gauss(0, 0.05)
                points = {"step": [1, 2], "values": {"train": [3.0, loss], "heldout": [3.0, loss + 0.25]}}
                written = client.post(f"/api/v1/runs/{run_id}/metrics", json=points)
                assert written.status_code == 200, written.text
                made[run_id] = config
    return made


def asked(client: httpx.Client, path: str = "", **params: Any) -> Mapping[str, Any]:
    answer = client.get(f"/api/v1/explore{path}", params={"filter": FILTER, **params})
    assert answer.status_code == 200, answer.text
    found: Mapping[str, Any] = answer.json()
    return found


def test_values_and_expressions_of_every_run(
    page_client: httpx.Client, runs: dict[str, dict[str, Any]]
) -> None:
    found = asked(page_client, value=["rate", "schedule", "heldout - train", "train:max / (depth - 1)"])

    assert {run["id"]: run["values"]["rate"] for run in found["runs"]} == {
        key: of["rate"] for key, of in runs.items()
    }
    assert all(run["values"]["heldout - train"] == pytest.approx(0.25) for run in found["runs"])
    shallow = [run for run in found["runs"] if runs[run["id"]]["depth"] == 1]
    assert {run["values"]["train:max / (depth - 1)"] for run in shallow} == {"NaN"}
    assert found["undefined"] == {"train:max / (depth - 1)": len(shallow)}
    assert found["matching"] == len(runs)
    assert len({run["configuration"] for run in found["runs"]}) == len(runs) / SEEDS


def test_fields_that_vary_and_how_they_go_with_a_result(
    page_client: httpx.Client, runs: dict[str, Any]
) -> None:
    found = asked(page_client, "/importance", of="heldout")

    fields = {field["path"]: field for field in found["fields"]}
    assert (found["runs"], found["configurations"], found["without"]) == (32, 16, 0)
    assert fields["rate"]["kind"] == "ordered"
    assert fields["rate"]["effect"] < -0.9
    assert fields["rate"]["decided"]
    assert fields["rate"]["together_with"] == ["schedule"]
    assert fields["schedule"]["kind"] == "choice"
    assert not fields["depth"]["decided"]
    assert "seed" not in fields


def test_the_mean_over_seeds_counts_once(page_client: httpx.Client, runs: dict[str, Any]) -> None:
    one_seed = asked(page_client, "/importance", of="heldout", filter=f'{FILTER} and name contains "seed 0"')
    assert {field["configurations"] for field in one_seed["fields"]} == {16}


def test_a_diverged_result_is_averaged_over_seeds(page_client: httpx.Client) -> None:
    """The sum of these losses is no float."""
    for seed in range(2):
        body = {"name": f"diverged seed {seed}", "config": {"seed": seed}, "project": "diverged"}
        run_id = page_client.post("/api/v1/runs/external", json=body).json()["id"]
        points = {"step": [1], "values": {"diverged": [1.5e308]}}
        assert page_client.post(f"/api/v1/runs/{run_id}/metrics", json=points).status_code == 200

    found = asked(page_client, "/importance", of="diverged", filter='project == "diverged"')

    assert (found["runs"], found["configurations"]) == (2, 1)


def test_scripts_with_equal_configs_are_no_repeats_of_each_other(page_client: httpx.Client) -> None:
    """Six rates by two scripts, whose results differ by more than the rates do: each script counts."""
    losses = []
    for script, worse in (("mine", 0.0), ("theirs", 10.0)):
        for rate in range(6):
            for seed in range(SEEDS):
                config = {"rate": rate, "seed": seed}
                body = {"name": f"{script} seed {seed}", "config": config, "project": "two scripts"}
                run_id = page_client.post("/api/v1/runs/external", json=body).json()["id"]
                losses.append(worse - rate)
                points = {"step": [1], "values": {"script_loss": [losses[-1]]}}
                assert page_client.post(f"/api/v1/runs/{run_id}/metrics", json=points).status_code == 200

    found = asked(page_client, "/importance", of="script_loss", filter='project == "two scripts"')

    [rate_field] = found["fields"]
    assert (found["runs"], found["configurations"], rate_field["configurations"]) == (24, 12, 12)
    # The means of both scripts would fall with the rate without an exception.
    assert -0.9 < rate_field["effect"] < -0.1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("heldout - sqrt(train)", "column 11: 'sqrt' is not a function."),
        ("heldout +", "column 10: expected a number, a name or ("),
        ("1 + optimisation.learning_rat", "column 5: Unknown name 'optimisation.learning_rat'."),
        ("staus", "Unknown name 'staus'. Did you mean 'status'?"),
    ],
)
def test_a_mistake_is_told(page_client: httpx.Client, value: str, said: str) -> None:
    answer = page_client.get(
        "/api/v1/explore", params={"value": value}, headers={"Accept": "application/json"}
    )

    assert answer.status_code == 422
    [field] = answer.json()["error"]["fields"]
    assert said in f"{field['message']} {field['hint']}"


def test_a_name_that_no_run_has_is_noted(page_client: httpx.Client, runs: dict[str, Any]) -> None:
    found = asked(page_client, value=["heldou"])
    assert found["notes"] == ["No run has recorded 'heldou'. Did you mean 'heldout'?"]
    assert {run["values"]["heldou"] for run in found["runs"]} == {None}


def page(client: httpx.Client, **params: Any) -> str:
    answer = client.get("/explore", params={"filter": FILTER, **params})
    assert answer.status_code == 200, answer.text
    return answer.text


def marks(text: str) -> list[str]:
    """Where the marks of the scatter lead."""
    scatter = text[text.index("explore-drawing is-scatter") : text.index("explore-drawing is-parallel")]
    return re.findall(r'data-address="([^"]+)"', scatter)


def lines(text: str) -> list[str]:
    """Classes of the lines of the parallel coordinates."""
    drawing = text[text.index("explore-drawing is-parallel") : text.index("parallel-axes")]
    return re.findall(r'<path class="([^"]+)"', drawing)


def test_every_run_is_a_mark_and_a_line_that_lead_to_it(
    page_client: httpx.Client, runs: dict[str, Any]
) -> None:
    text = page(page_client, x="rate", y="heldout - train", colour="schedule", symbol="depth", log="x")

    assert sorted(marks(text)) == sorted(f"/runs/{run_id}" for run_id in runs)
    assert len(lines(text)) == len(runs)
    assert "1e-4" in text or "0.0001" in text
    assert {"fast", "slow"} <= set(re.findall(r"</svg>(\w+)</li>", text))
    assert "32 runs" in text


def test_seeds_are_joined_or_averaged(page_client: httpx.Client, runs: dict[str, Any]) -> None:
    joined = page(page_client, x="rate", y="heldout", by="line")
    means = page(page_client, x="rate", y="heldout", by="mean")

    assert joined.count('<path class="seeds') == len(runs) / SEEDS
    assert len(marks(joined)) == len(runs)
    assert len(marks(means)) == len(runs) / SEEDS
    assert means.count('<path class="interval') == len(runs) / SEEDS
    assert "95 % interval" in means
    assert all(link.startswith("/?filter=variation") for link in marks(means))


def test_limits_select_runs_and_the_others_stand_back(
    page_client: httpx.Client, runs: dict[str, Any]
) -> None:
    limits = {"axis": ["rate", "schedule", "heldout"], "low": ["0.0005", "", ""], "high": ["0.05", "", ""]}
    text = page(page_client, x="rate", y="heldout", **limits)

    inside = {run_id for run_id, of in runs.items() if 0.0005 <= of["rate"] <= 0.05}
    assert set(re.findall(r'<th scope="row"><a href="/runs/(\w+)">', text)) == inside
    assert sum("is-out" in line for line in lines(text)) == len(runs) - len(inside)
    assert f"{len(inside)} runs selected" in text
    assert set(re.search(r'href="/compare\?runs=([\w,]+)"', text)[1].split(",")) == inside  # type: ignore[index]

    slow = page(page_client, y="heldout", axis=["schedule"], low=["slow"], high=[""])
    assert "16 runs selected" in slow
    none = page(page_client, y="heldout", axis=["rate"], low=["9"], high=[""])
    assert "No run is within these limits" in none


def test_values_that_share_the_last_place_are_selected_together(
    page_client: httpx.Client, runs: dict[str, Any]
) -> None:
    text = page(page_client, y="heldout", axis=["name"], low=[scales.OTHER], high=[""])
    assert f"{len(runs) - (scales.MAX_CHOICES - 1)} runs selected" in text


@pytest.mark.parametrize(("levels", "label"), [("abcde", "1 other"), ("abcdef", "2 others")])
def test_what_shares_the_last_mark_is_counted(levels: str, label: str) -> None:
    assert list(scales.symbols("block", list(levels)).labels.values()) == [*"abcd", label]


def test_what_is_not_asked_for_is_chosen_from_what_varies(
    page_client: httpx.Client, runs: dict[str, Any]
) -> None:
    text = page(page_client, y="heldout")
    assert 'name="x" value="rate"' in text
    assert re.findall(r'name="axis" value="([^"]+)"', text) == [
        "rate",
        "depth",
        "schedule",
        "block",
        "heldout",
    ]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"filter": 'name == "nobody"'}, "No runs match"),
        ({"filter": "seed ="}, "column 6"),
        ({"y": "heldout -"}, "column 10: expected a number"),
        ({"x": "rate", "y": "nothing-like-it"}, "No run has both rate and nothing-like-it"),
        ({"y": "heldout", "axis": "rate", "low": "many"}, "&#39;many&#39; is not a number."),
        ({"y": "heldout", "axis": "rate", "high": "NaN"}, "&#39;NaN&#39; is not a number."),
    ],
)
def test_what_cannot_be_drawn_is_told_on_the_page(
    page_client: httpx.Client, runs: dict[str, Any], params: dict[str, Any], said: str
) -> None:
    assert said in page(page_client, **params)


def test_the_importance_comes_as_a_part(page_client: httpx.Client, runs: dict[str, Any]) -> None:
    text = page_client.get("/explore/importance", params={"filter": FILTER, "of": "heldout"}).text

    rows = dict(re.findall(r'<th scope="row" class="mono">([^<]+)</th>(.*?)</tr>', text, re.DOTALL))
    assert next(iter(rows)) in ("rate", "schedule")
    assert "falls with it" in rows["rate"]
    assert "undecided" in rows["depth"]
    assert '<span class="mono">schedule</span>' in rows["rate"]
    assert "1,000 resamples of the configurations" in text
    assert "of 2,000 random assignments" in text
    alone = page_client.get(
        "/explore/importance", params={"filter": f"{FILTER} and rate > 9", "of": "heldout"}
    ).text
    assert "No results yet" in alone


def test_chosen_runs_are_explored_by_their_ids(page_client: httpx.Client, runs: dict[str, Any]) -> None:
    some = list(runs)[:3]
    drawn = page(page_client, runs=",".join(some), x="rate", y="heldout")
    assert sorted(marks(drawn)) == sorted(f"/runs/{run_id}" for run_id in some)
    found = asked(page_client, runs=",".join(some), value="rate")
    assert {run["id"] for run in found["runs"]} == set(some)
    too_many = ",".join(f"{at:010}" for at in range(201))
    answer = page_client.get("/api/v1/explore", params={"runs": too_many})
    assert (answer.status_code, answer.json()["error"]["fields"][0]["field"]) == (422, "runs")


def test_a_thousand_runs_need_no_more_queries_than_ten(page_server: WebServer, runs: dict[str, Any]) -> None:
    """The number of queries does not depend on the number of runs."""
    from sqlalchemy import event

    from backend.db.session import reading_scope
    from backend.explore import service as explore

    counts = []
    for filter_text in (f"{FILTER} and rate > 0.05", f"{FILTER} and rate > 0"):
        statements: list[str] = []

        def note(
            _connection: object, _cursor: object, statement: str, *_: object, into: list[str] = statements
        ) -> None:
            into.append(statement)

        event.listen(page_server.engine, "before_cursor_execute", note)
        try:
            with reading_scope(page_server.engine) as session:
                explore.importance(session, explore.Runs(filter_text), "heldout - train")
        finally:
            event.remove(page_server.engine, "before_cursor_execute", note)
        counts.append(len(statements))
    assert counts[1] <= counts[0]
