"""The launch form: what the schema gives, what a person types, what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.config.presets import PRESETS
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.kit.errors import FieldProblem, InvalidConfig
from backend.launch import form_values, forms
from backend.launch.forms import Choice, Field, Group, Rows


def config_json(preset: str) -> dict[str, Any]:
    return PRESETS[preset].make().model_dump(mode="json")


def typed_as_shown(sections: tuple[Group, ...]) -> dict[str, str]:
    """What a browser would send of an untouched form."""
    sent = {}
    for section in sections:
        for part in forms.walk(section):
            if isinstance(part, Choice):
                sent |= {f"{part.path}.kind": part.kind, f"{part.path}.fields": part.kind}
            elif isinstance(part, Field) and part.input != "boolean":
                sent[part.path] = part.text
            elif isinstance(part, Field) and part.text == "true":
                sent[part.path] = "on"
    return sent


def field(sections: tuple[Group, ...], path: str) -> Field:
    parts = [part for section in sections for part in forms.walk(section)]
    return next(part for part in parts if isinstance(part, Field) and part.path == path)


@pytest.mark.parametrize("preset", PRESETS)
def test_an_untouched_form_is_the_preset_itself(preset: str) -> None:
    config = config_json(preset)
    sections = forms.build(config, config)

    read = form_values.read_form(typed_as_shown(sections))

    assert ExperimentConfig.model_validate(read).model_dump(mode="json") == config
    assert not any(forms.is_changed(part) for section in sections for part in forms.walk(section))


def test_every_field_says_what_it_is() -> None:
    config = config_json("etrm_deterministic_arc1")
    sections = forms.build(config, config)
    fields = [part for section in sections for part in forms.walk(section) if isinstance(part, Field)]

    assert len(fields) > 40
    assert [each.path for each in fields if not (each.title and each.description)] == []
    assert field(sections, "model.core.width").bounds == "8 – 4,096"
    assert field(sections, "optimisation.learning_rate").bounds == "> 0, ≤ 1"
    assert field(sections, "training.steps").unit == "steps"


def test_another_kind_brings_its_own_fields_with_their_defaults() -> None:
    config = config_json("quick")
    model = next(part for part in forms.walk(forms.build(config, config)[1]) if isinstance(part, Choice))

    assert (model.path, model.kind) == ("model", "etrm")
    trm = {part.path: part for part in forms.walk(model.variants["trm"]) if isinstance(part, Field)}
    assert trm["model.core.l_cycles"].text == "4"  # TRM's published default, not ETRM's 6
    assert trm["model.embedding_width"].text == "512"
    assert trm["model.core.width"].id != field(forms.build(config, config), "model.core.width").id


def test_a_changed_kind_is_read_with_the_fields_of_that_kind() -> None:
    config = config_json("quick")
    typed = typed_as_shown(forms.build(config, config)) | {
        "model.kind": "trm",
        "model.fields": "trm",
        "model.embedding_width": "64",
    }

    read = form_values.read_form(typed)

    assert read["model"]["kind"] == "trm"
    assert read["model"]["embedding_width"] == 64
    assert "encoder" not in read["model"]


def test_a_kind_whose_fields_were_not_in_the_form_is_read_as_its_name_alone() -> None:
    config = config_json("quick")
    typed = typed_as_shown(forms.build(config, config)) | {"model.kind": "trm"}

    assert form_values.read_form(typed)["model"] == {"kind": "trm"}


def test_what_differs_from_the_parent_is_marked() -> None:
    parent = config_json("quick")
    values = config_json("quick") | {"seed": 7}
    values["model"] = values["model"] | {"reencode": False}

    sections = forms.build(values, parent)

    changed = [part for section in sections for part in forms.walk(section) if forms.is_changed(part)]
    assert [(part.path, part.base, part.text) for part in changed if isinstance(part, Field)] == [
        ("seed", "0", "7"),
        ("model.reencode", "true", "false"),
    ]


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("training.steps", "1e5", 100_000),
        ("training.steps", "1_000", 1000),
        ("training.steps", "many", "many"),
        ("training.steps", "", ""),
        ("training.steps", "1.5", 1.5),
        ("optimisation.gradient_clip", "", None),
        ("optimisation.learning_rate", "nan", "nan"),
        ("data.canvas_sizes", "10, 20 30", [10, 20, 30]),
        ("data.canvas_sizes", "[10,20]", [10, 20]),
        ("data.training_sets", "a/b,  c/d", ["a/b", "c/d"]),
        ("name", "  my run ", "my run"),
    ],
)
def test_text_is_read_as_its_type_and_kept_where_it_is_none(path: str, text: str, value: Any) -> None:
    config = config_json("quick")
    read: Any = form_values.read_form(typed_as_shown(forms.build(config, config)) | {path: text})

    for step in path.split("."):
        read = read[step]
    assert read == value


def test_a_problem_stands_beside_its_field_with_the_text_as_typed() -> None:
    config = config_json("quick")
    typed = typed_as_shown(forms.build(config, config)) | {
        "model.core.width": "wide",
        "data.canvas_sizes": "10, x",
        "evaluation.sets.1.first_tasks": "0",
    }
    values = form_values.read_form(typed)
    with pytest.raises(InvalidConfig) as refused:
        parse_experiment(values)

    sections = forms.build(values, config, refused.value.problems)

    width = field(sections, "model.core.width")
    assert width.text == "wide"
    assert 'must be a whole number, not "wide"' in width.problems[0].message
    assert field(sections, "data.canvas_sizes").problems
    assert "at least 1" in field(sections, "evaluation.sets.1.first_tasks").problems[0].message
    assert forms.unplaced(sections, refused.value.problems) == []


def test_a_problem_of_no_field_is_not_lost() -> None:
    config = config_json("quick")
    problem = FieldProblem("trainig", "unknown field.", "Did you mean 'training'?")

    sections = forms.build(config, config, [problem])

    assert forms.unplaced(sections, [problem]) == [problem]


def test_a_problem_in_a_folded_field_unfolds_it() -> None:
    config = config_json("quick")
    problem = FieldProblem("optimisation.beta1", "must be less than 1, not 2.")

    sections = {section.path: section for section in forms.build(config, config, [problem])}

    assert sections["optimisation"].unfolded
    assert not sections["training"].unfolded


def test_rows_can_be_added_left_blank_and_taken_away() -> None:
    config = config_json("quick")
    typed = typed_as_shown(forms.build(config, config))
    typed = {name: text for name, text in typed.items() if not name.startswith("evaluation.sets.0.")}
    typed |= {"evaluation.sets.5.name": "arc-agi-2/evaluation", "evaluation.sets.5.first_tasks": "3"}
    typed |= {
        "evaluation.sets.6.name": "",
        "evaluation.sets.6.first_tasks": "32",
        "evaluation.sets.6.new": "1",
    }

    sets = form_values.read_form(typed)["evaluation"]["sets"]

    assert [(each["name"], each["first_tasks"]) for each in sets] == [
        ("arc-agi-1/training", 16),
        ("arc-agi-2/evaluation", 3),
    ]


def test_the_blank_row_starts_from_the_defaults() -> None:
    config = config_json("quick")
    parts = [part for section in forms.build(config, config) for part in forms.walk(section)]
    rows = next(part for part in parts if isinstance(part, Rows))

    blank = {part.path: part.text for part in rows.blank.parts if isinstance(part, Field)}
    assert blank == {
        "evaluation.sets.2.name": "",
        "evaluation.sets.2.first_tasks": "32",
        "evaluation.sets.2.that_fit": "false",
    }
