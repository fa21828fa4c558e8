from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from backend.domain.experiment import CheckpointStart, ExperimentConfig
from backend.domain.experiment.encoders.graph import GraphEncoder
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.domain.experiment.encoders.per_demo import PerDemoEncoder
from backend.domain.experiment.encoders.slots import SlotsEncoder
from backend.domain.experiment.encoders.variational import VariationalEncoder
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing, EtrmError, InvalidInput
from tests.support.models import etrm, random_batch, trm
from worker.models.build import build_reasoner
from worker.models.importing import PREFIX, export_weights, import_weights, initialise
from worker.models.published import to_published
from worker.models.published_config import config_from_published
from worker.models.reasoner import Reasoner
from worker.models.weight_files import UnsafeCheckpoint

ROWS = 6
GOLDEN = Path(__file__).parents[2] / "golden" / "parity"
CONFIGS: dict[str, ExperimentConfig] = {
    "trm": trm(),
    "deterministic": etrm(),
    "variational": etrm(VariationalEncoder(layers=1)),
    "per_demo": etrm(PerDemoEncoder(layers=1, inner_width=16)),
    "iterative": etrm(IterativeEncoder(layers=1)),
    "slots": etrm(SlotsEncoder(layers=1)),
    "graph": etrm(GraphEncoder(layers=1)),
}


def other(config: ExperimentConfig) -> Reasoner:
    """The model of `config` with other weights."""
    return build_reasoner(config.model_copy(update={"seed": 99}), ROWS)


def published(config: ExperimentConfig, prefix: str = PREFIX) -> dict[str, Tensor]:
    """A checkpoint as the published code saves it: start states in bfloat16."""
    state = {f"{prefix}{name}": tensor for name, tensor in to_published(build_reasoner(config, ROWS)).items()}
    return {n: t.bfloat16() if n.endswith(("H_init", "L_init")) else t for n, t in state.items()}


def equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and torch.equal(ours[name], theirs[name]) for name in ours
    )


@pytest.mark.parametrize("suffix", ["", ".pt", ".safetensors"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_checkpoint_comes_back_to_the_bit(config: ExperimentConfig, suffix: str, tmp_path: Path) -> None:
    theirs, reasoner = published(config), other(config)
    torch.save(theirs, tmp_path / "step_1")
    report = import_weights(reasoner, tmp_path / "step_1", "all", "ema")
    assert report.counts == {
        "loaded": len(theirs),
        "skipped": 0,
        "missing": 0,
        "mismatched": 0,
        "unplaced": 0,
    }
    back = tmp_path / f"back{suffix}"
    assert export_weights(reasoner, back, "ema") == len(theirs)
    again = load_file(back) if suffix == ".safetensors" else torch.load(back, weights_only=True)
    assert equal(again, theirs)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.json")))
def test_recorded_published_weights_come_back_to_the_bit(name: str, tmp_path: Path) -> None:
    spec = json.loads((GOLDEN / f"{name}.json").read_text())
    recorded = load_file(GOLDEN / f"{name}.safetensors")
    theirs = {
        PREFIX + key.removeprefix("weights."): tensor
        for key, tensor in recorded.items()
        if key.startswith("weights.")
    }
    save_file(theirs, tmp_path / "recorded.safetensors")
    config = config_from_published(spec["kind"], spec["config"])
    reasoner = build_reasoner(config, spec["config"].get("num_puzzle_identifiers", 1))
    report = import_weights(reasoner, tmp_path / "recorded.safetensors", "all", "raw")
    assert not report.misfits
    export_weights(reasoner, tmp_path / "back.safetensors", "raw")
    kept = {line.name for line in report.lines if line.outcome == "loaded"}
    assert equal(
        load_file(tmp_path / "back.safetensors"),
        {name: t for name, t in theirs.items() if name.removeprefix(PREFIX) in kept},
    )


@pytest.mark.parametrize("prefix", ["", "module._orig_mod.", "_orig_mod.model.module.", "model.model."])
def test_wrappers_in_any_order_fall_off(prefix: str, tmp_path: Path) -> None:
    torch.save(published(etrm(), prefix), tmp_path / "file")
    assert not initialise(other(etrm()), CheckpointStart(path=str(tmp_path / "file"))).misfits


@pytest.mark.parametrize("kind", [name for name in CONFIGS if name != "trm"])
def test_the_decoder_of_a_trm_goes_under_any_encoder(kind: str, tmp_path: Path) -> None:
    torch.save(published(trm()), tmp_path / "trm")
    reasoner, before = other(CONFIGS[kind]), other(CONFIGS[kind])
    start = CheckpointStart(path=str(tmp_path / "trm"), part="decoder", weights="ema")
    report = initialise(reasoner, start)
    assert report.weights == "ema"
    assert report.counts["loaded"] == len(to_published(reasoner)) - len(encoder_of(reasoner))
    assert [(line.name, line.note) for line in report.lines if line.outcome == "skipped"] == [
        ("inner.puzzle_emb.weights", "not of the decoder")
    ]
    assert equal(encoder_of(reasoner), encoder_of(before))
    core = {n: t for n, t in to_published(reasoner).items() if n.startswith("inner.")}
    theirs = {n: t.float() for n, t in published(trm(), "").items() if n != "inner.puzzle_emb.weights"}
    assert equal(core, theirs)
    batch = random_batch(0)
    assert torch.isfinite(reasoner.step(reasoner.initial_carry(batch), batch).logits).all()


def encoder_of(reasoner: Reasoner) -> dict[str, Tensor]:
    return {n: t for n, t in reasoner.state_dict().items() if n.startswith("context.")}


Form = Callable[[dict[str, Tensor], dict[str, Tensor]], dict[str, object]]
BOTH: dict[str, Form] = {
    "side by side": lambda raw, ema: {"model": raw, "ema": ema, "step": 7},
    "shadow inside": lambda raw, ema: {"model_state_dict": raw, "ema": {"shadow": ema, "decay": 0.999}},
    "by prefix": lambda raw, ema: {**raw, **{f"ema.{name}": t for name, t in ema.items()}},
}


def averaged(raw: dict[str, Tensor]) -> dict[str, Tensor]:
    """An average as it is kept: of parameters, not of the start states."""
    return {name: tensor + 1 for name, tensor in raw.items() if not name.endswith(("H_init", "L_init"))}


@pytest.mark.parametrize("form", BOTH.values(), ids=BOTH)
def test_an_average_beside_raw_weights_is_taken_when_asked_for(form: Form, tmp_path: Path) -> None:
    raw = published(etrm())
    torch.save(form(raw, averaged(raw)), tmp_path / "both")
    reasoner = other(etrm())
    report = import_weights(reasoner, tmp_path / "both", "all", "ema")
    assert (report.weights, report.said_by) == ("ema", "as the file says")
    head = PREFIX + "inner.lm_head.weight"
    assert torch.equal(reasoner.token_head.weight, raw[head] + 1)
    own = {line.name for line in report.lines if "no average kept" in line.note}
    assert own == {"inner.H_init", "inner.L_init"}
    assert import_weights(reasoner, tmp_path / "both", "all", "raw").weights == "raw"
    assert torch.equal(reasoner.token_head.weight, raw[head])
    with pytest.raises(InvalidInput, match="contains raw weights and their average"):
        import_weights(reasoner, tmp_path / "both", "all", "unknown")


def test_what_a_file_says_of_its_weights_is_believed_and_what_it_does_not_say_is_recorded(
    tmp_path: Path,
) -> None:
    reasoner = other(etrm())
    torch.save(published(etrm()), tmp_path / "silent")
    export_weights(reasoner, tmp_path / "says.safetensors", "raw")
    assert "average or raw not known" in str(import_weights(reasoner, tmp_path / "silent", "all", "unknown"))
    assert "moving average, as configured, not by the file" in str(
        import_weights(reasoner, tmp_path / "silent", "all", "ema")
    )
    assert import_weights(reasoner, tmp_path / "says.safetensors", "all", "unknown").weights == "raw"
    with pytest.raises(InvalidInput, match="contains no ema weights"):
        import_weights(reasoner, tmp_path / "says.safetensors", "all", "ema")


def test_every_tensor_is_accounted_for(tmp_path: Path) -> None:
    state = published(etrm())
    del state[PREFIX + "inner.lm_head.weight"]
    state[PREFIX + "inner.q_head.bias"] = torch.zeros(3)
    state[PREFIX + "inner.rotary_emb.cos_cached"] = torch.zeros(4, 2)
    state[PREFIX + "inner.extra"] = torch.zeros(())
    torch.save(state, tmp_path / "file")
    report = import_weights(other(etrm()), tmp_path / "file", "all", "ema")
    assert report.counts == {
        "loaded": len(state) - 3, "skipped": 1, "missing": 1, "mismatched": 1, "unplaced": 1
    }  # fmt: skip
    table = "\n".join(report.table())
    assert "missing     inner.lm_head.weight" in table
    assert "3  the model has 2" in table
    assert "4 x 2  no weight" in table
    assert "scalar  the model has no such tensor" in table
    with pytest.raises(InvalidInput, match=r"training\.initialise_from\.part: .*file does not fit") as caught:
        initialise(other(etrm()), CheckpointStart(path=str(tmp_path / "file")))
    assert (
        "1 missing from the file (inner.lm_head.weight); "
        "1 of another shape (inner.q_head.bias: 3, the model has 2); "
        "1 of the file without a place in the model (inner.extra)."
    ) in str(caught.value)


def test_rows_of_puzzles_are_taken_with_a_word_of_warning(tmp_path: Path) -> None:
    torch.save(published(trm()), tmp_path / "file")
    report = import_weights(other(trm()), tmp_path / "file", "all", "ema")
    (line,) = [line for line in report.lines if line.name == "inner.puzzle_emb.weights"]
    assert "right only for the same puzzles" in line.note


class Runs:
    """What a pickle may do to whoever reads it."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("ran"),)


def write_cut_off(path: Path) -> None:
    torch.save(published(etrm()), path)
    path.write_bytes(path.read_bytes()[:-2000])


def write_cut_off_safetensors(path: Path) -> None:
    save_file(published(etrm()), path)
    path.write_bytes(path.read_bytes()[:-200])


def write_nan(path: Path) -> None:
    state = published(etrm())
    state[PREFIX + "inner.lm_head.weight"][0, 0] = torch.nan
    torch.save(state, path)


@pytest.mark.parametrize(
    ("write", "error", "words"),
    [
        (lambda path: None, CheckpointMissing, "does not exist"),
        (lambda path: path.mkdir(), CheckpointMissing, "is a folder"),
        (write_cut_off, CheckpointCorrupt, "is a zip archive that is cut off or damaged"),
        (write_cut_off_safetensors, CheckpointCorrupt, "is cut off: .* ends [0-9]+ bytes after the file"),
        (lambda path: torch.save([1], path), CheckpointCorrupt, "contains a list, not a state_dict"),
        (
            lambda path: torch.save({"step": 3}, path),
            CheckpointCorrupt,
            "contains no weights. It contains step",
        ),
        (lambda path: torch.save({"model": Runs()}, path), UnsafeCheckpoint, "could execute code"),
        (
            lambda path: path.write_bytes(pickle.dumps(Runs(), protocol=2)),
            UnsafeCheckpoint,
            "could execute code",
        ),
        (write_nan, CheckpointCorrupt, "contains NaN or infinity in inner.lm_head.weight"),
        (lambda path: torch.save({"w": torch.zeros(1)}, path), InvalidInput, "No tensor of .* It contains w"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_by_the_name_of_its_field(
    write: Callable[[Path], None],
    error: type[EtrmError],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "file")
    with pytest.raises(error, match=words) as caught:
        initialise(other(etrm()), CheckpointStart(path=str(tmp_path / "file")))
    assert caught.value.problems[0].field == "training.initialise_from.path"
    assert not (tmp_path / "ran").exists()


def test_a_file_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    for suffix in (".pt", ".safetensors"):
        with pytest.raises(InvalidInput, match="cannot be written"):
            export_weights(other(etrm()), tmp_path / "nowhere" / f"file{suffix}", "ema")
