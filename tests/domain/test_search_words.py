"""A search in one line, as it stands beside every number that was found with it; its key, and its fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from backend.domain.config.presets import lpn
from backend.domain.experiment import (
    EvolutionarySearch,
    ExperimentConfig,
    GradientSearch,
    NoSearch,
    RandomSearch,
    search_label,
    search_words,
)
from backend.domain.experiment.identity import configuration_key
from backend.domain.experiment.search import normalised_key, search_key

# As the first version wrote it: with every field that it had, in one depth.
FIRST_KEY = (
    '{"kind":"gradient","learning_rate":0.1,"leave_one_out":false,"most_decodes":null,"optimiser":"adam",'
    '"start":"encoder","steps":100}'
)


def test_every_setting_that_changes_a_search_is_named() -> None:
    assert search_label(NoSearch()) == search_words("") == ""
    assert search_label(GradientSearch(steps=5)) == "gradient 5 x 0.1"
    every = GradientSearch(
        steps=5, optimiser="normalised", start="random", leave_one_out=True, act_steps=3, most_decodes=90
    )
    said = "gradient 5 x 0.1, normalised, from random, leave one out, asked at ACT step 3, at most 90"
    assert search_label(every) == search_words(every.model_dump_json()) == said
    assert search_label(RandomSearch(samples=7, scale=0.25)) == "random 7 x 0.25"
    newer = GradientSearch(
        optimiser="sign", schedule="cosine", gradient="full", starts=4, selection="held_out", most_seconds=1.5
    )
    assert search_label(newer) == (
        "gradient 100 x 0.1, sign, cosine, full gradient, 4 starts (perturbations, 0.5), "
        "selected by a held-out demonstration, at most 1.5 s"
    )
    evolved = EvolutionarySearch(population=8, starts=2, other_starts="demonstrations", patience=3)
    assert search_label(evolved) == (
        "evolutionary 25 x 0.5, population 8, 2 starts (demonstrations, 0.5), patience 3"
    )


@pytest.mark.parametrize("kind", [GradientSearch, EvolutionarySearch, RandomSearch])
def test_no_two_searches_share_words_or_a_key(kind: Any) -> None:
    changes: dict[str, Any] = {
        "act_steps": 1,
        "gradient": "full",
        "learning_rate": 0.5,
        "leave_one_out": True,
        "most_decodes": 7,
        "most_seconds": 2.0,
        "generations": 3,
        "optimiser": "sgd",
        "patience": 4,
        "population": 5,
        "samples": 3,
        "scale": 0.25,
        "schedule": "cosine",
        "selection": "held_out",
        "start": "random",
        "steps": 3,
    }
    ways = [{}, *({name: value} for name, value in changes.items() if name in kind.model_fields)]
    if "starts" in kind.model_fields:
        ways += [
            {"starts": 2},
            {"starts": 2, "perturbation": 1.0},
            {"starts": 2, "other_starts": "demonstrations"},
        ]
    told = {name for way in ways for name in way}
    assert told == set(kind.model_fields) - {"kind"}
    searches = [kind(**way) for way in ways]
    assert len({search_label(each) for each in searches}) == len(searches)
    assert len({search_key(each) for each in searches}) == len(searches)
    for each in searches:
        assert normalised_key(search_key(each)) == search_key(each)
        assert search_words(search_key(each)) == search_label(each)


def test_an_older_key_keeps_its_text_and_says_that_it_asked_at_one_act_step() -> None:
    assert normalised_key(FIRST_KEY) == FIRST_KEY == search_key(GradientSearch(act_steps=1))
    assert search_words(FIRST_KEY) == "gradient 100 x 0.1, asked at ACT step 1"
    assert search_key(GradientSearch()) != FIRST_KEY
    assert json.loads(search_key(GradientSearch()))["act_steps"] is None


def test_the_new_fields_change_no_configuration() -> None:
    raw = lpn().model_dump(mode="json")
    raw["evaluation"]["search"] = json.loads(FIRST_KEY)
    filled = raw | {"evaluation": raw["evaluation"] | {"search": GradientSearch().model_dump(mode="json")}}
    keys = {configuration_key(ExperimentConfig.model_validate(each)) for each in (raw, filled)}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"kind": "gradient", "learning_rate": -1}, "learning_rate"),
        ({"kind": "gradient", "samples": 3}, "samples"),
        ({"kind": "evolutionary", "population": 2}, "population"),
        (
            {"kind": "gradient", "starts": 2, "start": "random", "other_starts": "demonstrations"},
            "other_starts demonstrations begins at latents of the encoder",
        ),
        ({"kind": "random", "act_steps": 17}, "evaluation.search.act_steps 17 is over the 16 ACT steps"),
        (
            {"kind": "evolutionary", "starts": 2, "other_starts": "demonstrations"},
            "evaluation.search.other_starts demonstrations needs an encoder, which model.kind trm has not",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused_by_the_name_of_its_field(
    search: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        ExperimentConfig.model_validate({"model": {"kind": "trm"}, "evaluation": {"search": search}})
