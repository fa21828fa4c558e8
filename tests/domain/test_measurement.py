"""How a score was measured: what makes two scores comparable, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.domain.config.presets import PRESETS
from backend.domain.measurement import (
    Protocol,
    as_json,
    digest_of,
    from_json,
    paired_differences,
    protocol_of,
    settings_of,
)
from backend.domain.records import EvaluationKey

TASKS = tuple(f"task{number}" for number in range(8))
PLAIN = Protocol(set_name="held-out", tasks_digest=digest_of(TASKS), n=8, weights="ema", views=8, act_steps=4)
GRADIENT = (
    '{"kind":"gradient","steps":100,"learning_rate":0.1,"optimiser":"adam","start":"encoder",'
    '"leave_one_out":false,"most_decodes":null}'
)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"set_name": "elsewhere"}, "different task sets (held-out and elsewhere)"),
        ({"tasks_digest": digest_of(["other"]), "n": 1}, "different tasks (8 and 1)"),
        ({"views": 1200}, "different views (8 and 1,200)"),
        ({"weights": "raw"}, "different weights (EMA and raw)"),
        ({"act_steps": 16}, "different ACT steps (4 and 16)"),
        (
            {"search": '{"kind":"gradient"}'},
            "different searches (none and gradient 100 x 0.1, asked at ACT step 1)",
        ),
        ({"canvas": "trimmed +2"}, "different canvases (square and trimmed +2)"),
    ],
)
def test_whatever_decides_comparability_is_named_and_in_the_key(
    changes: dict[str, Any], difference: str
) -> None:
    other = replace(PLAIN, **changes)
    assert PLAIN.differences(other) == [difference]
    assert other != PLAIN
    assert PLAIN.key != other.key


def test_equal_protocols_have_no_difference_and_every_difference_is_named() -> None:
    assert PLAIN.differences(replace(PLAIN)) == []
    assert PLAIN.key == replace(PLAIN).key
    assert PLAIN.differences(replace(PLAIN, views=2, weights="raw")) == [
        "different views (8 and 2)",
        "different weights (EMA and raw)",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"search": '{"kind":"gradient"}'}, "gradient 100 x 0.1, asked at ACT step 1"),
        ({"views": 1200, "weights": "raw"}, "raw weights · 1,200 views"),
        ({"tasks_digest": digest_of(["other"]), "n": 1}, "1 task"),
        ({"tasks_digest": digest_of(TASKS[1:])}, "other tasks"),
        ({"set_name": "elsewhere", "canvas": "trimmed +2"}, "elsewhere · trimmed +2"),
    ],
)
def test_beside_another_only_what_is_not_the_same_is_said(changes: dict[str, Any], words: str) -> None:
    assert replace(PLAIN, **changes).unlike(PLAIN) == words


def test_a_search_is_the_same_whether_or_not_its_defaults_were_stored() -> None:
    short, whole = replace(PLAIN, search='{"kind": "gradient"}'), replace(PLAIN, search=GRADIENT)
    assert short == whole
    assert short.key == whole.key
    assert replace(PLAIN, search='{"kind":"none"}') == PLAIN
    unknown = replace(PLAIN, search='{"kind":"of a later version"}')
    assert PLAIN.differences(unknown) == ['different searches (none and {"kind":"of a later version"})']


def test_the_order_of_the_tasks_does_not_matter() -> None:
    assert PLAIN.on(reversed(TASKS)) == PLAIN
    assert PLAIN.on(TASKS[:3]).n == 3


def test_tasks_are_paired_where_both_have_them() -> None:
    some = PLAIN.on(TASKS[:5])
    assert PLAIN.differences(some) == ["different tasks (8 and 5)"]
    assert paired_differences(PLAIN, TASKS, some, TASKS[:5]) == []
    none = PLAIN.on(["a", "b"])
    assert paired_differences(PLAIN, TASKS, none, ["a", "b"]) == ["different tasks (8 and 2, none in common)"]
    elsewhere = replace(PLAIN, set_name="elsewhere")
    assert paired_differences(PLAIN, TASKS, elsewhere, TASKS) == [
        "different task sets (held-out and elsewhere)"
    ]


def test_it_is_told_in_one_line() -> None:
    assert PLAIN.label == "held-out · EMA weights · 8 views · 4 ACT steps · 8 tasks"
    special = replace(PLAIN, weights="raw", views=1, act_steps=1, n=1, search=GRADIENT, canvas="trimmed +2")
    assert special.conditions == (
        "raw weights · 1 view · 1 ACT step · gradient 100 x 0.1, asked at ACT step 1 · trimmed +2 · 1 task"
    )


def test_it_survives_a_json_column() -> None:
    for protocol in (PLAIN, replace(PLAIN, search=GRADIENT, canvas="trimmed +2", distinct_views=True)):
        assert from_json(as_json(protocol)) == protocol


def test_scores_by_distinct_views_are_not_compared_with_those_in_which_equal_views_vote_each() -> None:
    once = replace(PLAIN, distinct_views=True)
    assert PLAIN.differences(once) == ["different votes of equal views (each and once)"]
    assert once.conditions == "EMA weights · 8 views · 4 ACT steps · equal views once · 8 tasks"
    assert once.key != PLAIN.key
    assert "distinct_views" not in as_json(PLAIN)  # protocols that were stored before keep their key


def test_none_survives_a_json_column() -> None:
    assert from_json(None) is None


def test_a_key_and_a_config_give_the_protocol_that_they_ask_for() -> None:
    key = EvaluationKey("held-out", 100, "ema", 8, 4, TASKS)
    assert protocol_of(key) == PLAIN
    assert settings_of(PRESETS["quick"].make()) == PLAIN.settings
