"""Generated sets are taken before any run has used them, unless augmentation would spoil the split."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope
from backend.domain.config.presets import quick
from backend.domain.experiment import GENERATED_SETS, ExperimentConfig
from backend.kit.errors import InvalidConfig
from backend.lifecycle.input import check_names


def config(family: str, *, augmentations: int = 0, views: int = 1) -> ExperimentConfig:
    base = quick().model_dump(mode="json")
    return ExperimentConfig.model_validate(
        base
        | {
            "data": base["data"]
            | {"training_sets": [f"procedural/{family}/train"], "augmentations": augmentations}
        }
        | {
            "evaluation": base["evaluation"]
            | {"sets": [{"name": f"procedural/{family}/test"}], "views": views}
        }
    )


@pytest.mark.parametrize(
    "taken",
    [config("control"), config("ladder/recolour"), config("ladder/move", augmentations=1000, views=32)],
    ids=lambda taken: taken.data.training_sets[0],
)
def test_a_generated_set_that_no_run_has_used_is_taken(engine: Engine, taken: ExperimentConfig) -> None:
    with reading_scope(engine) as session:
        check_names(session, taken)


def test_augmentation_that_shows_held_out_rules_is_refused_by_field(engine: Engine) -> None:
    refused = config("ladder/recolour", augmentations=8, views=4)
    with reading_scope(engine) as session, pytest.raises(InvalidConfig) as error:
        check_names(session, refused)
    assert [each.field for each in error.value.problems] == ["data.augmentations", "evaluation.views"]
    assert all("ladder/move" in each.hint for each in error.value.problems)


def test_generated_sets_are_listed_with_the_others(engine: Engine) -> None:
    with reading_scope(engine) as session:
        listed = {each.name: each for each in datasets.available(session)}
        stored = {each.name for each in datasets.sets(session)}
    assert set(GENERATED_SETS) <= listed.keys()
    assert not set(GENERATED_SETS) & stored
    assert listed["procedural/ladder/object/test"].tasks == 100


def test_the_form_offers_them_the_api_takes_them_and_the_data_page_lists_them(client: httpx.Client) -> None:
    assert '<option value="procedural/ladder/count/train">' in client.get("/runs/new").text
    page = client.get("/data").text.replace("<wbr>", "")
    assert "procedural/ladder/count/train" in page
    assert "when a run first uses it" in page
    body = config("ladder/count", augmentations=8, views=8).model_dump(mode="json")
    assert client.post("/api/v1/config/validate", json=body).json()["valid"]
    body = config("control", augmentations=8).model_dump(mode="json")
    answer = client.post("/api/v1/config/validate", json=body).json()
    assert [each["field"] for each in answer["problems"]] == ["data.augmentations"]
