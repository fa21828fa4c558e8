"""Sweeps on the command line."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.commands import output, refusal


def test_a_sweep_is_shown_first_and_then_queued_as_a_group(home):
    swept = (
        "sweep",
        "quick",
        *("--seeds", "2", "--set", "training.steps=7"),
        *("--grid", "model.encoder.kind=deterministic,iterative"),
    )
    planned = output(home, *swept, "--dry-run")
    assert re.search(r'^quick · encoder iterative · seed 1 +"iterative" +1$', planned, re.MULTILINE)
    assert planned.endswith("4 runs. Nothing was queued.\n")
    assert "  model.encoder.layers: 1 (encoder deterministic) · 2 (encoder iterative)\n" in planned
    assert "model.encoder.layers:" not in output(home, *swept, "--dry-run", "--same-depth")
    assert json.loads(output(home, "runs", "--json", "--filter", 'group == "my encoders"'))["runs"] == []

    said = output(home, *swept, "--name", "my encoders")

    group = re.search(r"Queued 4 runs as group ([a-z0-9]{10}): my encoders\.", said)
    assert group
    found = json.loads(output(home, "runs", "--json", "--filter", f'group == "{group[1]}"'))["runs"]
    assert [run["name"] for run in found][::-1] == [
        f"quick · encoder {kind} · seed {seed}" for kind in ("deterministic", "iterative") for seed in (0, 1)
    ]
    assert {run["config"]["training"]["steps"] for run in found} == {7}


def test_a_group_is_compared_by_its_id_or_name(home):
    said = output(home, "sweep", "quick", "--seeds", "2", "--name", "two seeds")
    group = re.search(r"Compare them: etrm compare --group ([a-z0-9]{10})", said)
    assert group
    by_id = json.loads(output(home, "compare", "--group", group[1], "--json"))
    assert [run["name"] for run in by_id["runs"]] == ["quick · seed 0", "quick · seed 1"]
    by_name = json.loads(output(home, "compare", "--group", "two seeds", "--json"))
    assert [run["id"] for run in by_name["runs"]] == [run["id"] for run in by_id["runs"]]
    table = output(home, "compare", "--group", "two seeds", "--table", "significance")
    assert "\\caption{pass@1 against quick" in table

    refused = refusal(home, "compare", "--group", "two sedes")
    assert "Group 'two sedes' not found" in refused
    assert "two seeds" in refused
    assert "not both" in refusal(home, "compare", by_id["runs"][0]["id"], "--group", group[1])
    assert "names no run" in refusal(home, "compare")
    output(home, "sweep", "quick", "--seeds", "2", "--name", "two seeds")
    assert "2 groups are called 'two seeds'" in refusal(home, "compare", "--group", "two seeds")


def test_random_draws_are_the_same_each_time_and_differ_by_their_seed(home):
    drawn = ("sweep", "quick", "--random", "optimisation.learning_rate=1e-4..1e-2:log", "--count", "3")
    first = output(home, *drawn, "--dry-run")
    assert output(home, *drawn, "--dry-run") == first
    assert output(home, *drawn, "--dry-run", "--draw-seed", "1") != first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "1"), "nothing varies"),
        (("--seeds", "300"), "sweep.seeds: must be 1 to 256, not 300."),
        (("--grid", "model.core.widht=64,128"), "Did you mean 'width'?"),
        (("--grid", "model.core.width=64,1"), "value 2: must be at least 8"),
        (("--grid", "model.core.width"), "gives a field no values"),
        (("--grid", "seed=1", "--grid", "seed=2"), "seed is given twice"),
        (("--random", "training.steps=1..9"), "sweep.count: is missing."),
        (("--random", "training.steps=1..9:lgo", "--count", "2"), 'unknown option "lgo"'),
    ],
)
def test_a_wrong_sweep_is_refused_with_its_field_and_the_way_out(home, arguments, said):
    assert said in refusal(home, "sweep", "quick", *arguments)
