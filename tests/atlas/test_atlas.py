"""The atlas by API, page and command: the picture and the verdict agree."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.snapshots import service as snapshots
from tests.support.records import contexts as recorded
from tests.support.records.contexts import STEPS, TASKS, VIEWS, record_contexts
from tests.support.records.recorded import record_run


@pytest.fixture(scope="module")
def runs(page_server: Any) -> dict[str, str]:
    """Name -> id: one run that collapses, and one that does not."""
    engine: Engine = page_server.engine
    return {
        "collapses": record_contexts(engine, collapses=True),
        "sound": record_contexts(engine, collapses=False),
    }


def atlas(client: httpx.Client, *run_ids: str) -> dict[str, Any]:
    answer = client.get("/api/v1/atlas", params={"runs": ",".join(run_ids)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def width(snapshot: dict[str, Any]) -> float:
    """The largest distance of a dot from the middle of all."""
    dots = np.array(snapshot["positions"]).reshape(-1, 2)
    return float(np.abs(dots - dots.mean(0)).max())


def test_picture_and_verdict_agree(page_client: httpx.Client, runs: dict[str, str]) -> None:
    found = atlas(page_client, runs["sound"], runs["collapses"])
    sound, collapsed = found["runs"]
    assert [each["step"] for each in sound["snapshots"]] == list(STEPS)

    assert "collapsed" in collapsed["word"]
    assert "collapsed" not in sound["word"]
    assert [each["snapshots"][-1]["word"] for each in (sound, collapsed)] == ["contexts differ", "collapsed"]
    assert width(collapsed["snapshots"][-1]) < 0.01 * found["frame"]
    assert width(sound["snapshots"][-1]) > 0.3 * found["frame"]
    assert width(collapsed["snapshots"][0]) > 0.2 * found["frame"]

    for run in found["runs"]:
        for snapshot in run["snapshots"]:
            dots = np.array(snapshot["positions"]).reshape(-1, 2)
            shown = np.square(dots - dots.mean(0)).sum(1).mean()
            assert shown == pytest.approx(snapshot["spread"] * snapshot["shown"], rel=0.02, abs=1e-7)
            assert snapshot["scale_free_variance"] == pytest.approx(snapshot["spread"], rel=1e-3, abs=1e-6)


def test_the_same_tasks_lie_at_the_same_place_at_every_step(
    page_client: httpx.Client, runs: dict[str, str]
) -> None:
    """The recorded clouds only grow: no task turns or flips from one step to the next."""
    (sound,) = atlas(page_client, runs["sound"])["runs"]
    first = np.array(sound["snapshots"][0]["positions"]).reshape(-1)
    for snapshot in sound["snapshots"]:
        dots = np.array(snapshot["positions"]).reshape(-1)
        assert np.corrcoef(first, dots)[0, 1] > 0.99
        assert snapshot["kept"] is None or snapshot["kept"] > 0.99


def test_answers_and_neighbours_of_each_task(page_client: httpx.Client, runs: dict[str, str]) -> None:
    (sound,) = atlas(page_client, runs["sound"])["runs"]
    assert [task["id"] for task in sound["tasks"]] == list(TASKS)
    last = sound["snapshots"][-1]
    assert [answer["right"] for answer in last["answers"]] == [at % 2 == 1 for at in range(len(TASKS))]
    assert last["answers"][0]["failure_mode"] == "wrong size"
    assert all(at not in near and len(near) == 3 for at, near in enumerate(last["neighbours"]))


def test_seeds_are_compared_with_chance(page_client: httpx.Client, runs: dict[str, str]) -> None:
    first, second = atlas(page_client, runs["sound"], runs["collapses"])["runs"]
    assert first["agreement"] is None
    assert second["agreement"]["common"] == len(TASKS)
    assert second["agreement"]["value"] > second["agreement"]["high"]


def test_every_dot_is_a_line_of_a_file(page_client: httpx.Client, runs: dict[str, str]) -> None:
    params = {"runs": runs["sound"]}
    lines = list(csv.DictReader(io.StringIO(page_client.get("/api/v1/atlas/export", params=params).text)))
    assert len(lines) == len(STEPS) * len(TASKS) * VIEWS
    (sound,) = atlas(page_client, runs["sound"])["runs"]
    assert [float(lines[0]["x"]), float(lines[0]["y"])] == sound["snapshots"][0]["positions"][0][0]


def test_contexts_can_be_taken_along(page_client: httpx.Client, runs: dict[str, str]) -> None:
    answer = page_client.get(f"/api/v1/runs/{runs['sound']}/contexts/{STEPS[0]}")
    assert answer.status_code == 200
    with np.load(io.BytesIO(answer.content)) as file:
        assert file["contexts"].shape[:2] == (len(TASKS), VIEWS)
        assert file["tasks"].tolist() == list(TASKS)
    answer = page_client.get(
        f"/api/v1/runs/{runs['sound']}/contexts/7", headers={"Accept": "application/json"}
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["hint"].startswith("Nearest: 100")


def page(client: httpx.Client, **params: Any) -> str:
    answer = client.get("/atlas", params=params)
    assert answer.status_code == 200, answer.text
    return answer.text


def shown(text: str) -> dict[str, Any]:
    """Everything that the page has to scrub through."""
    data: dict[str, Any] = json.loads(html.unescape(re.search(r'data-all="(.*?)"', text)[1]))  # type: ignore[index]
    return data


def places(text: str) -> list[tuple[float, float]]:
    """Where the server drew the dots."""
    moved = re.findall(r"transform:translate\(([-\d.]+)px,([-\d.]+)px\)", text)
    return [(float(x), float(y)) for x, y in moved]


def test_the_page_draws_a_step_and_has_all_others(page_client: httpx.Client, runs: dict[str, str]) -> None:
    text = page(page_client, runs=runs["sound"], step=STEPS[2] + 1)
    data = shown(text)
    (run,) = data["runs"]
    assert run["steps"] == list(STEPS)
    numbers = np.frombuffer(base64.b64decode(run["positions"][2]), "<i2").reshape(-1, 2)
    unit = data["side"] / 2 / data["largest"]
    drawn = places(text)
    assert len(drawn) == len(TASKS) * VIEWS
    assert np.allclose(numbers * unit * [1, -1], drawn, atol=0.1)
    assert f'href="/runs/{runs["sound"]}#encoder"' in text
    assert f"/tasks/arc-agi-1/training/{TASKS[0]}" in text


def test_the_table_of_tasks_says_what_scrubbing_says(page_client: httpx.Client, page_db: Engine) -> None:
    """Few tokens right are not none, whoever draws the table."""
    run_id = record_run(page_db, points=2)
    taken = recorded.snapshot(100, recorded.contexts(1, 0.3))
    few = tuple(replace(task, token_accuracy=0.004) for task in taken.tasks)
    with session_scope(page_db) as session:
        snapshots.append(session, run_id, [replace(taken, tasks=few)])
    text = page(page_client, runs=run_id)
    (run,) = shown(text)["runs"]
    cells = [html.unescape(cell) for cell in re.findall(r"data-tokens>(.*?)<", text)]
    assert run["tokens"] == [cells]
    assert {cell.replace("\u202f", " ") for cell in cells} == {"< 1 %"}


def test_a_collapsed_run_is_drawn_as_one_point_with_its_word(
    page_client: httpx.Client, runs: dict[str, str]
) -> None:
    text = page(page_client, runs=runs["collapses"])
    dots = np.array(places(text))
    assert np.ptp(dots, axis=0).max() < 6  # of 600: less than a dot is wide
    assert re.search(r'aria-label="Contexts at step 1,000\. collapses: collapsed', text)
    assert "collapsed at step" in text or "is collapsed" in text


def test_without_runs_those_with_contexts_are_listed(page_client: httpx.Client, runs: dict[str, str]) -> None:
    text = page(page_client)
    assert all(f'name="runs" value="{run}"' in text for run in runs.values())
    both = page_client.get("/atlas", params={"runs": list(runs.values())})
    assert {run["name"] for run in shown(both.text)["runs"]} == set(runs)


def test_of_too_many_runs_some_are_chosen(
    page_client: httpx.Client, page_db: Engine, runs: dict[str, str]
) -> None:
    many = [runs["sound"], *(record_run(page_db, points=2) for _ in range(8))]
    text = page(page_client, runs=",".join(many))
    assert "up to 8 runs. Choose from these 9" in text
    assert re.search(f'value="{runs["sound"]}"[^>]* checked', text)
    assert re.search(f'value="{many[1]}"[^>]* disabled', text)
    refused = page_client.get("/api/v1/atlas", params={"runs": ",".join(many)})
    assert refused.status_code == 422
    assert "Name 1 to 8 runs" in refused.text


def test_a_run_without_contexts_says_so(page_client: httpx.Client, page_db: Engine) -> None:
    assert "No contexts yet" in page(page_client, runs=record_run(page_db, points=2))
    assert page_client.get("/atlas", params={"runs": "aaaaaaaaaa"}).status_code == 404


def test_the_strip_shows_every_step_in_the_band_of_its_word(
    page_client: httpx.Client, runs: dict[str, str]
) -> None:
    text = page(page_client, runs=runs["collapses"])
    course = re.search(r'class="course k1" points="(.*?)"', text)
    near, collapsed = (
        float(re.search(f'class="{name}" y="(.*?)"', text)[1])  # type: ignore[index]
        for name in ("is-near", "is-collapsed")
    )
    assert course
    heights = [float(point.split(",")[1]) for point in course[1].split()]
    words = shown(text)["runs"][0]["words"]
    read = {"contexts differ": (0, near), "near collapse": (near, collapsed), "collapsed": (collapsed, 100)}
    assert len(words) == len(heights) == len(STEPS)
    assert all(read[word][0] <= height <= read[word][1] for word, height in zip(words, heights, strict=True))
    assert {"contexts differ", "collapsed"} <= set(words)
