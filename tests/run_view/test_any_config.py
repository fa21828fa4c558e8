"""The config of a script is any JSON object: it never decides whether a page, a list or a file opens."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.domain.config.any_json import MAX_BYTES, MAX_DEPTH
from tests.support.lab import etrm
from tests.support.web import WebServer

ODD: list[dict[str, Any]] = [
    {"evaluation": {"sets": 3}},
    {"evaluation": {"sets": None}},
    {"evaluation": None, "data": None, "model": None, "training": None, "health": None},
    {"evaluation": [], "data": [], "model": [], "training": [], "health": [], "hypothesis": []},
    {"training": {"batch_size": "many"}, "data": {"training_sets": 5, "task_ids": 7}},
    {"training": {"batch_size": 1e308}, "data": {"training_sets": [[1], {"a": 2}], "task_ids": "abc"}},
    {"model": {"encoder": 3, "kind": {"a": 1}}, "seed": {"a": 1}, "name": [1], "schema_version": "x"},
    {"health": {"least_coverage": "none"}, "hypothesis": {"kind": "baseline", "run_id": 3}},
    {"hypothesis": {"kind": "bar", "claim": 3}, "search": True, "preset": {"a": []}},
    {"": {"": {"": 1}}, "a.b": 1, "a": {"b": 2}, "config": {"config": 1}},
    {"n": 9_007_199_254_740_993, "big": 10**300, "tiny": 5e-324, "no": None, "yes": True},
]
SECTIONS = st.sampled_from(("evaluation", "data", "training", "model", "health", "hypothesis", "seed", "lr"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(-1e300, 1e300)
    | st.text("ab.é", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            SECTIONS | st.sampled_from(("sets", "kind", "name", "batch_size", "task_ids")), inner, max_size=4
        )
    ),
    max_leaves=12,
)
CONFIGS = st.dictionaries(SECTIONS, JSON, max_size=5)


def made(client: httpx.Client, config: dict[str, Any]) -> str:
    answer = client.post("/api/v1/runs/external", json={"name": "theirs", "config": config})
    assert answer.status_code == 201, answer.text
    run_id = str(answer.json()["id"])
    body = {"step": [1, 2], "values": {"loss": [2.0, 1.0], "own": [1.0, 1.5]}}
    assert client.post(f"/api/v1/runs/{run_id}/metrics", json=body).status_code == 200
    return run_id


def check_pages(client: httpx.Client, one: str, other: str) -> None:
    """Everything that shows the run answers 200."""
    asked = [
        "/",
        "/?group=seed",
        f"/?baseline={one}&column=loss&column=evaluation.sets&column=data.training_sets",
        "/?sort=-training.batch_size&filter=training.batch_size != 3 or data.task_ids contains 1",
        f"/runs/{one}",
        f"/runs/{one}?x=epoch",
        f"/runs/{one}?x=samples",
        f"/runs/{one}/figures?panel=loss",
        f"/compare?runs={one},{other}",
        f"/compare?runs={one},{other}&by=seed",
        f"/compare/tasks?runs={one},{other}",
        f"/compare/significance?runs={one},{other}",
        f"/api/v1/compare?runs={one},{other}",
        "/api/v1/runs",
        f"/api/v1/runs/{one}",
        f"/api/v1/runs/{one}/health",
        *(
            f"/api/v1/runs/export?format={form}&columns=evaluation.sets,training,model.kind,data,n,big,lr,seed"
            for form in ("csv", "json", "parquet")
        ),
        f"/api/v1/runs/{one}/series/export",
    ]
    for address in asked:
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:500])
        assert "(error " not in answer.text, address


@pytest.mark.parametrize("config", ODD, ids=range(len(ODD)))
def test_an_odd_config_opens_everywhere(page_client: httpx.Client, config: dict[str, Any]) -> None:
    other = made(page_client, {"lr": 0.1})
    check_pages(page_client, made(page_client, config), other)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(config=CONFIGS)
def test_any_config_opens_everywhere(page_client: httpx.Client, config: dict[str, Any]) -> None:
    other = made(page_client, {"lr": 0.1})
    one = made(page_client, config)
    check_pages(page_client, one, other)
    for run_id in (one, other):
        ended = page_client.post(f"/api/v1/runs/{run_id}/finish", json={"status": "finished"})
        assert ended.status_code == 200, ended.text
        assert page_client.delete(f"/api/v1/runs/{run_id}").status_code == 204


def test_the_command_lists_it(page_server: WebServer, page_client: httpx.Client) -> None:
    made(page_client, ODD[0])
    home = page_server.log.parent
    done = etrm(home, "runs", "--limit", "1000", ETRM_DATABASE_URL=str(page_server.engine.url))
    assert (done.returncode, done.stderr) == (0, "")
    assert "theirs" in done.stdout


def deep(levels: int) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for _ in range(levels - 1):
        config = {"a": config}
    return config


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (json.dumps(deep(MAX_DEPTH + 1)), "config"),
        (json.dumps({"a": "x" * MAX_BYTES}), "config"),
        ('{"a": {"b": [1, NaN]}}', "config.a.b.1"),
        ('{"a": -Infinity}', "config.a"),
        (f'{{"a": 1{"0" * 400}}}', "config.a"),
    ],
    ids=["deep", "large", "NaN", "infinite", "huge"],
)
def test_what_cannot_be_kept_is_refused_by_its_field(
    page_client: httpx.Client, text: str, field: str
) -> None:
    body = f'{{"name": "theirs", "config": {text}}}'
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    answer = page_client.post("/api/v1/runs/external", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    (given,) = [each["field"] for each in answer.json()["error"]["fields"]]
    assert given.removesuffix(".a" * MAX_DEPTH) == field  # of what is too deep, as far as it was read


def test_the_deepest_config_opens(page_client: httpx.Client) -> None:
    check_pages(page_client, made(page_client, deep(MAX_DEPTH)), made(page_client, {}))


def test_configs_of_many_fields_do_not_make_pages_of_them(page_client: httpx.Client) -> None:
    runs = [made(page_client, {f"{each}-{i}": i for i in range(3000)}) for each in "ab"]
    compared = page_client.get(f"/compare?runs={','.join(runs)}")
    assert "The first 300 of 6,000 fields that differ" in compared.text
    panel = {"id": "config", "kind": "table", "table": "config", "by": "run"}
    content = {"source": {"runs": runs}, "panels": [panel]}
    board = page_client.post("/api/v1/dashboards", json={"name": "Many fields", "content": content}).json()
    page = page_client.get(f"/d/{board['slug']}")
    assert "300 of 6,000 fields that differ; the CSV has all." in page.text
    assert page.text.count('<th scope="row"') == 300
    table = page_client.get(f"/d/{board['slug']}/panels/config.csv").text
    assert len(table.splitlines()) == 1 + 6000
