from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.domain.arc.grid import Grid
from backend.kit.errors import InvalidInput
from tests.support.models import random_batch
from worker.data.augment import Augmentation
from worker.data.tokens import encode
from worker.experiments.parity import check_folder, main
from worker.models.build import build_reasoner
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.published import published_names, to_published
from worker.models.published_config import config_from_published
from worker.training.objective.losses import act_loss, with_penalties

GOLDEN = Path(__file__).parents[1] / "golden" / "parity"
SMALL: dict[str, Any] = {
    "hidden_size": 24,
    "num_heads": 3,
    "L_layers": 1,
    "expansion": 2,
    "H_cycles": 2,
    "L_cycles": 1,
    "halt_max_steps": 2,
    "halt_exploration_prob": 0.0,
    "puzzle_emb_len": 4,
    "num_puzzle_identifiers": 9,
    "encoder_num_layers": 1,
}
OTHER_FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "trm": ("trm", {"puzzle_emb_ndim": 30}),
    "etrm": (
        "etrm",
        {
            "encoder_type": "standard",
            "encoder_pooling_method": "attention",
            "encoder_norm_style": "pre",
            "encoder_set_layers": 2,
            "encoder_layer_scale_init": 0.1,
        },
    ),
    "weighted, post-norm, three set layers": (
        "etrm",
        {
            "encoder_type": "standard",
            "encoder_num_layers": 3,
            "encoder_pooling_method": "weighted",
            "encoder_set_layers": 3,
            "L_layers": 2,
            "L_cycles": 3,
        },
    ),
    "variational, pre-norm sets, layer scale": (
        "etrm",
        {
            "encoder_type": "hybrid_variational",
            "encoder_norm_style": "pre",
            "encoder_set_layers": 2,
            "encoder_layer_scale_init": 1e-4,
        },
    ),
    "per demonstration": ("etrm", {"encoder_type": "lpn_var", "lpn_latent_dim": 5}),
    "etrmtrm": (
        "etrmtrm",
        {
            "recurrent_encoder_type": "trm_style",
            "encoder_h_cycles": 1,
            "encoder_pooling_method": "weighted",
        },
    ),
    "iterative, attention, pre-norm": (
        "etrmtrm",
        {
            "recurrent_encoder_type": "trm_style",
            "encoder_l_layers": 1,
            "encoder_l_cycles": 2,
            "encoder_pooling_method": "attention",
            "encoder_norm_style": "pre",
            "encoder_layer_scale_init": 0.1,
        },
    ),
}
# What the published code calls the options' weights; without the options there are none of these.
NAMES_OF_OPTIONS = {
    "etrm": {
        *(f"grid_encoder.pool_{name}" for name in ("query", "q_proj", "k_proj", "v_proj", "o_proj")),
        "grid_encoder.layers.0.gamma_1",
        "grid_encoder.layers.0.gamma_2",
        "set_encoder.layers.1.gamma_1",
        "set_encoder.layers.1.gamma_2",
        "set_encoder.layers.1.q_proj",
        "set_encoder.layers.1.mlp.gate_up_proj",
    },
    "weighted, post-norm, three set layers": {
        "grid_encoder.pool_weight_proj",
        "grid_encoder.layers.2.self_attn.qkv_proj",
        "set_encoder.layers.2.o_proj",
    },
    "variational, pre-norm sets, layer scale": {"set_encoder.layers.1.gamma_2", "mu_proj", "decode_proj"},
    "iterative, attention, pre-norm": {
        "grid_encoder.pool_query",
        "grid_encoder.layers.0.gamma_1",
        "L_level.layers.0.self_attn.o_proj",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.json")))
def test_our_models_compute_what_the_published_ones_computed(name: str, tmp_path: Path) -> None:
    for suffix in (".json", ".safetensors"):
        shutil.copy(GOLDEN / f"{name}{suffix}", tmp_path)
    (line,) = check_folder(tmp_path)
    assert line.outcome == "pass", str(line)
    assert {"logits", "halting logits", "loss", "gradients"} <= {c.quantity for c in line.comparisons}
    assert all(c.scale.informative for c in line.comparisons if c.where in ("step 0", "training"))


def test_our_votes_are_the_published_ones(tmp_path: Path) -> None:
    for suffix in (".json", ".npz"):
        shutil.copy(GOLDEN.parent / "voting" / f"voting{suffix}", tmp_path)
    assert str(check_folder(tmp_path)[0]).startswith("voting: pass · ")
    spec = json.loads((tmp_path / "voting.json").read_text())
    spec["expected_pass_at_k"]["2"] = 0.5
    (tmp_path / "voting.json").write_text(json.dumps(spec))
    line = str(check_folder(tmp_path)[0])
    assert "fail" in line
    assert "pass@2" in line


Cast = tuple[str, Augmentation, str, str, float]


def write_votes(folder: Path, tasks: dict[str, Any], cast: list[Cast], **expected: Any) -> None:
    """A voting fixture from (task, view, test input, predicted grid as the view shows it, halting logit)."""
    names = list(dict.fromkeys(view.identifier(task) for task, view, *_ in cast))
    rows = [
        (
            names.index(view.identifier(task)),
            tokens(view.apply(Grid.from_digits(shown)).digits),
            tokens(drawn),
            logit,
        )
        for task, view, shown, drawn, logit in cast
    ]
    numbers, inputs, preds, logits = zip(*rows, strict=True)
    np.savez(
        folder / "voting.npz", identifier=np.array(numbers), inputs=np.array(inputs),
        preds=np.array(preds), q_halt_logits=np.array(logits),
    )  # fmt: skip
    spec = {"identifiers": names, "tasks": tasks, "expected_crops_of_first_predictions": []} | expected
    (folder / "voting.json").write_text(json.dumps(spec))


def tokens(digits: str) -> Any:
    """Tokens on a canvas of 6; an empty grid is a canvas that begins with the end of one."""
    return encode(Grid.from_digits(digits), 6) if digits else np.full(36, 1)


def test_votes_with_ties_empty_crops_and_several_test_inputs(tmp_path: Path) -> None:
    """Every answer here was worked out by hand from etrm.md, section 3."""
    same, flip = Augmentation(), Augmentation(4, (0, 2, 1, *range(3, 10)))  # left-right, 1 and 2 exchanged
    two = {"train": [], "test": [{"input": [[1, 2]], "output": [[3, 1]]}, {"input": [[4]], "output": [[5]]}]}
    one = {"train": [], "test": [{"input": [[6, 6]], "output": [[7]]}]}
    cast = [
        # Of the first test input: 31 and 12 have two votes each. 12 is surer and so goes first.
        ("two", same, "12", "31", 0.0),
        ("two", same, "12", "12", 1.0),
        ("two", flip, "12", "23", 0.0),  # undone: 31
        ("two", flip, "12", "12", 1.0),  # undone: 12
        # Of the second: empty, 5 and 8 tie in votes and in confidence. The first seen goes first.
        ("two", same, "4", "", 0.5),
        ("two", flip, "4", "5", 0.5),
        ("two", same, "4", "8", 0.5),
        # Nothing but an empty answer: it fills both attempts.
        ("one", same, "66", "", 2.0),
        ("one", flip, "66", "", -2.0),
    ]
    expected = {
        "expected_attempts": {
            "two": [
                {"attempt_1": [[1, 2]], "attempt_2": [[3, 1]]},
                {"attempt_1": [], "attempt_2": [[5]]},
            ],
            "one": [{"attempt_1": [], "attempt_2": []}],
        },
        "expected_pass_at_k": {"1": 0.0, "2": 0.5, "3": 0.5},  # both of two's test inputs at the second
        "expected_crops_of_first_predictions": [[[3, 1]], [[1, 2]], [[2, 3]], [[1, 2]], [], [[5]]],
    }
    write_votes(tmp_path, {"two": two, "one": one}, cast, **expected)
    (line,) = check_folder(tmp_path)
    assert str(line).startswith("voting: pass · "), str(line)
    half = expected | {"expected_pass_at_k": {"1": 0.25, "2": 0.5}}
    write_votes(tmp_path, {"two": two, "one": one}, cast, **half)
    assert "pass@1" in str(check_folder(tmp_path)[0])


def record(folder: Path, kind: str, settings: dict[str, Any], says_stop: bool = False) -> None:
    """Write a fixture of what our own model of these settings computes."""
    config = config_from_published(kind, settings)
    reasoner = build_reasoner(config, settings["num_puzzle_identifiers"])
    if says_stop:
        torch.nn.init.ones_(reasoner.halt_head.get_parameter("bias"))
    batch = random_batch(0)
    names = ("inputs", "labels", "demo_inputs", "demo_labels", "demo_mask", "puzzle_identifiers")
    tensors = {f"batch.{name}": field for name, field in zip(names, batch.rows, strict=True)}
    tensors |= {f"weights.{name}": tensor.clone() for name, tensor in to_published(reasoner).items()}
    metrics = []
    carry = reasoner.eval().initial_carry(batch)
    for step in range(2):
        output = reasoner.step(carry, batch)
        carry = reasoner.initial_carry(batch) if says_stop and kind == "etrmtrm" else output.carry
        terms = act_loss(output.logits, output.halt_logits, batch.labels)
        sums = terms.total, terms.prediction.sum(), terms.halting.sum()
        metrics.append(
            {k: float(v.detach()) for k, v in zip(("loss", "lm_loss", "q_halt_loss"), sums, strict=True)}
        )
        tensors[f"eval.{step}.logits"] = output.logits.detach().contiguous()
        tensors[f"eval.{step}.q_halt_logits"] = output.halt_logits.detach().contiguous()
    output = reasoner.train().step(reasoner.initial_carry(batch), batch)
    terms = act_loss(output.logits, output.halt_logits, batch.labels)
    total = with_penalties(terms.total, output.penalties, len(batch.inputs))
    torch.autograd.backward(total)
    published = published_names(reasoner)
    gradients = {published[name]: p.grad for name, p in reasoner.named_parameters()}
    if isinstance(reasoner.context, PuzzleEmbedding):
        ((_, rows),) = reasoner.context.take_used()
        gradients["inner.puzzle_emb.local_weights"] = rows.grad
    tensors |= {f"grad.{name}": g for name, g in gradients.items() if g is not None}
    save_file(tensors, folder / f"{kind}.safetensors")
    spec = {
        "kind": kind,
        "config": settings,
        "eval_metrics": metrics,
        "train_loss": float(total.detach()),
        "params_without_gradient": [name for name, g in gradients.items() if g is None],
    }
    (folder / f"{kind}.json").write_text(json.dumps(spec))


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_fixtures_of_other_sizes_and_options_are_read(form: str, tmp_path: Path) -> None:
    kind, options = OTHER_FORMS[form]
    record(tmp_path, kind, SMALL | options)
    (line,) = check_folder(tmp_path)
    assert line.outcome == "pass", str(line)
    names = {name.removesuffix(".weight") for name in load_file(tmp_path / f"{kind}.safetensors")}
    assert {f"weights.encoder.{name}" for name in NAMES_OF_OPTIONS.get(form, ())} <= names


@pytest.mark.parametrize("form", ["etrm", "etrmtrm"])
def test_only_the_iterative_evaluation_starts_over_where_the_model_says_stop(
    form: str, tmp_path: Path
) -> None:
    kind, options = OTHER_FORMS[form]
    record(tmp_path, kind, SMALL | options, says_stop=True)
    (line,) = check_folder(tmp_path)
    assert line.outcome == "pass", str(line)
    tensors = load_file(tmp_path / f"{kind}.safetensors")
    assert torch.equal(tensors["eval.0.logits"], tensors["eval.1.logits"]) == (kind == "etrmtrm")


Spoil = Callable[[dict[str, Any], dict[str, torch.Tensor]], Any]


def spoil(folder: Path, change: Spoil) -> str:
    """The line of a small fixture after `change` was made to its spec and tensors."""
    record(folder, "etrm", SMALL | OTHER_FORMS["etrm"][1])
    spec = json.loads((folder / "etrm.json").read_text())
    tensors = load_file(folder / "etrm.safetensors")
    change(spec, tensors)
    (folder / "etrm.json").write_text(json.dumps(spec))
    save_file(tensors, folder / "etrm.safetensors")
    return str(check_folder(folder)[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _, t: t["weights.inner.lm_head.weight"].add_(0.01), "step 0 logits differs by"),
        (lambda _, t: t["eval.1.logits"].add_(0.01), "step 1 logits differs by"),
        (lambda _, t: t["eval.1.logits"].fill_(torch.nan), "step 1 logits differs by nan"),
        (lambda _, t: t["eval.0.q_halt_logits"].add_(0.01), "step 0 halting logits differs by"),
        (lambda s, _: s.update(train_loss=1.0), "training loss differs by"),
        (lambda _, t: t["grad.inner.lm_head.weight"].mul_(1.01), "the gradient of inner.lm_head.weight"),
        (lambda _, t: t.pop("grad.inner.lm_head.weight"), "inner.lm_head.weight is not recorded"),
        (
            lambda s, t: (
                s["params_without_gradient"].append("inner.lm_head.weight")
                or t.pop("grad.inner.lm_head.weight")
            ),
            "inner.lm_head.weight has a gradient, unlike the recorded",
        ),
        (lambda _, t: t.pop("eval.1.logits"), "malformed fixture: eval.1.logits is missing"),
        (lambda s, _: s.pop("config"), "malformed fixture: config is missing"),
        (lambda s, _: s["config"].pop("num_heads"), "malformed fixture: config.num_heads is missing"),
        (lambda s, _: s["config"].update(H_cycles="two"), "h_cycles Input should be a valid integer"),
        (
            lambda s, _: s.update(loss="softmax_cross_entropy"),
            "loss 'softmax_cross_entropy' is not supported",
        ),
        (lambda s, _: s.update(kind="other"), "kind 'other' is none of trm, etrm, etrmtrm"),
        (lambda _, t: t["batch.inputs"].add_(100), "malformed fixture: index out of range"),
        (lambda _, t: t.update({"batch.inputs": t["batch.inputs"][:1]}), "malformed fixture: "),
    ],
)
def test_every_difference_and_every_flaw_of_a_fixture_fails_in_one_line(
    change: Spoil, words: str, tmp_path: Path
) -> None:
    line = spoil(tmp_path, change)
    assert " fail · " in line
    assert words in line
    assert "\n" not in line


def test_an_encoder_without_counterpart_neither_passes_nor_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = spoil(tmp_path, lambda s, _: s["config"].update(encoder_type="lpn_standard"))
    assert "not there yet" in line
    assert main(tmp_path) == 0
    assert "lpn_standard" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[1]", '{"kind": "trm"'])
def test_a_file_that_is_no_spec_fails_in_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.json").write_text(text)
    assert main(tmp_path) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_missing_or_cut_off_tensors_fail_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(GOLDEN / "trm.json", tmp_path)
    assert main(tmp_path) == 1
    (tmp_path / "trm.safetensors").write_bytes((GOLDEN / "trm.safetensors").read_bytes()[:1000])
    assert main(tmp_path) == 1
    assert capsys.readouterr().out.count("\n") == 2


def test_a_folder_without_fixtures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No fixtures in"):
        check_folder(tmp_path)
    with pytest.raises(InvalidInput, match="No fixtures in"):
        main(tmp_path / "nowhere")
