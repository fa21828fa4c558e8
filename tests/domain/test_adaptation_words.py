"""An adaptation in one line and as part of a protocol; what a model has not cannot learn."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from backend.domain.config.presets import preset, quick
from backend.domain.experiment import AdapterAdaptation, ExperimentConfig, FullAdaptation, NoAdaptation
from backend.domain.experiment.adaptation import adaptation_key, adaptation_label, adaptation_words
from backend.domain.experiment.identity import configuration_key
from backend.domain.measurement import Protocol, as_json, from_json

PLAIN = Protocol(
    set_name="held-out", tasks_digest="abc", n=2, weights="ema", views=8, act_steps=4, canvas="trimmed +2"
)


def test_every_setting_that_changes_an_adaptation_is_named() -> None:
    assert adaptation_label(NoAdaptation()) == adaptation_words("") == adaptation_key(NoAdaptation()) == ""
    every = AdapterAdaptation(
        steps=5, learning_rate=0.5, rank=3, batch_size=2, augmentations=6, most_decodes=90
    )
    said = "learns adapters 5 x 0.5, rank 3, batch 2, 7 forms, at most 90"
    assert adaptation_label(every) == adaptation_words(adaptation_key(every)) == said
    assert adaptation_words('{"kind":"dreams"}') == '{"kind":"dreams"}'


def test_a_protocol_without_an_adaptation_keeps_its_key_and_another_has_its_own() -> None:
    before = {
        "set_name": "held-out", "tasks_digest": "abc", "n": 2, "weights": "ema", "views": 8, "act_steps": 4,
        "search": "", "canvas": "trimmed +2",
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()
    assert PLAIN.key == digest[:12]
    assert as_json(PLAIN) == before
    assert from_json(before) == PLAIN
    sent = {**before, "adaptation": '{"kind":"all"}'}
    learned = from_json(sent)
    assert learned
    assert learned.key != PLAIN.key
    assert learned.adaptation == adaptation_key(FullAdaptation())
    assert from_json(as_json(learned)) == learned


def test_no_adaptation_leaves_a_configuration_what_it_was() -> None:
    raw = quick().model_dump(mode="json")
    del raw["evaluation"]["adaptation"]
    assert configuration_key(ExperimentConfig.model_validate(raw)) == configuration_key(quick())
    raw["evaluation"]["adaptation"] = {"kind": "all"}
    assert configuration_key(ExperimentConfig.model_validate(raw)) != configuration_key(quick())


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [("trm_arc1", "encoder", "needs an encoder"), ("quick", "embedding", "needs puzzle embeddings")],
)
def test_what_a_model_has_not_cannot_learn(name: str, kind: str, said: str) -> None:
    def asking(what: str) -> dict[str, Any]:
        raw = preset(name).model_dump(mode="json")
        raw["evaluation"]["adaptation"] = {"kind": what}
        return raw

    with pytest.raises(ValidationError, match=said):
        ExperimentConfig.model_validate(asking(kind))
    for other in ("adapters", "all"):
        ExperimentConfig.model_validate(asking(other))
