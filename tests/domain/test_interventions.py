"""An intervention as a part of a protocol: it is stored, and never compares with an ordinary score."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.interventions import AGAIN, Intervention, kind_of, setting_of
from backend.domain.measurement import Protocol, as_json, digest_of, from_json

PLAIN = Protocol(weights="ema", views=1, act_steps=2, set_name="mine", tasks_digest=digest_of(["a"]), n=1)


@pytest.mark.parametrize("kind", list(Intervention))
@pytest.mark.parametrize("is_again", [False, True])
def test_a_setting_says_what_is_done_and_whether_it_is_done_again(kind: Intervention, is_again: bool) -> None:
    setting = setting_of(kind, is_again)
    assert kind_of(setting) == kind
    assert setting.endswith(AGAIN) == is_again


def test_scores_under_an_intervention_do_not_compare_with_ordinary_ones() -> None:
    blank = replace(PLAIN, intervention="blank context")
    assert PLAIN.differences(blank) == ["different interventions (none and blank context)"]
    assert blank.unlike(PLAIN) == "blank context"
    assert blank.key != PLAIN.key
    assert "blank context" in blank.conditions
    assert from_json(as_json(blank)) == blank


def test_protocols_of_before_keep_their_key() -> None:
    assert "intervention" not in as_json(PLAIN)


@pytest.mark.parametrize("other", [{"search": {"kind": "random"}}, {"adaptation": {"kind": "all"}}])
def test_an_intervention_stands_alone(other: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="cannot be combined"):
        EvaluationRequest(intervention=Intervention.BLANK, **other)
    with pytest.raises(ValueError, match="trimmed canvas"):
        EvaluationRequest(intervention=Intervention.SWAPPED, trim=1)
