"""Settings of published TRM and ETRM models as our config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from backend.domain.experiment import (
    ActConfig,
    CoreConfig,
    EncoderConfig,
    EtrmModel,
    ExperimentConfig,
    TrmModel,
)
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.domain.experiment.encoders.per_demo import PerDemoEncoder
from backend.domain.experiment.encoders.variational import VariationalEncoder
from backend.kit.errors import InvalidInput

# What the published code can be set to and every published run leaves as it is.
FIXED = {
    "pos_encodings": "rope",
    "mlp_t": False,
    "no_ACT_continue": True,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10_000.0,
    "forward_dtype": "float32",
    "vocab_size": 12,
    "freeze_encoder": False,
}


class NotThereYet(InvalidInput):
    """A published encoder that has no counterpart here."""


def config_from_published(kind: str, settings: Mapping[str, Any], kl_weight: float = 0.0) -> ExperimentConfig:
    """The experiment that the published `settings` of a trm, etrm or etrmtrm model describe.

    InvalidInput names a setting that is missing, out of range or not supported; NotThereYet an encoder.
    """
    for name, value in FIXED.items():
        if settings.get(name, value) != value:
            raise InvalidInput(f"config.{name} = {settings[name]!r} is not supported, only {value!r} is.")
    try:
        model = _model(kind, settings, kl_weight)
    except KeyError as error:
        raise InvalidInput(f"config.{error.args[0]} is missing.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"config does not describe a model: {where} {first['msg']}.") from error
    return ExperimentConfig(model=model)


def _model(kind: str, settings: Mapping[str, Any], kl_weight: float) -> TrmModel | EtrmModel:
    core = CoreConfig(
        width=settings["hidden_size"],
        heads=settings["num_heads"],
        layers=settings["L_layers"],
        expansion=settings["expansion"],
        h_cycles=settings["H_cycles"],
        l_cycles=settings["L_cycles"],
        # 0 means as many as the puzzle embedding fills.
        context_tokens=settings.get("puzzle_emb_len", 16)
        or -(-settings["puzzle_emb_ndim"] // settings["hidden_size"]),
    )
    act = ActConfig(max_steps=settings["halt_max_steps"], exploration=settings["halt_exploration_prob"])
    if kind == "trm":
        return TrmModel(core=core, act=act, embedding_width=settings["puzzle_emb_ndim"])
    return EtrmModel(core=core, act=act, encoder=_encoder(kind, settings, kl_weight))


def _encoder(kind: str, settings: Mapping[str, Any], kl_weight: float) -> EncoderConfig:
    name = settings["encoder_type" if kind == "etrm" else "recurrent_encoder_type"]
    if (kind, name) == ("etrm", "standard"):
        return DeterministicEncoder(
            layers=settings.get("encoder_num_layers", 2),
            pooling=settings.get("encoder_pooling_method", "mean"),
            norm=settings.get("encoder_norm_style", "post"),
            set_layers=settings.get("encoder_set_layers", 1),
            layer_scale=settings.get("encoder_layer_scale_init", 0.0) or None,
        )
    if (kind, name) == ("etrm", "hybrid_variational"):
        return VariationalEncoder(
            layers=settings.get("encoder_num_layers", 2),
            set_layers=settings.get("encoder_set_layers", 1),
            set_norm=settings.get("encoder_norm_style", "post"),
            layer_scale=settings.get("encoder_layer_scale_init", 0.0) or None,
            kl_weight=kl_weight,
        )
    if (kind, name) == ("etrm", "lpn_var"):
        return PerDemoEncoder(latent=settings.get("lpn_latent_dim", 32), kl_weight=kl_weight)
    if (kind, name) == ("etrmtrm", "trm_style"):
        return IterativeEncoder(
            layers=settings.get("encoder_num_layers", 2),
            pooling=settings.get("encoder_pooling_method", "mean"),
            norm=settings.get("encoder_norm_style", "post"),
            layer_scale=settings.get("encoder_layer_scale_init", 0.0) or None,
            refine_layers=settings.get("encoder_l_layers", 2),
            refine_h_cycles=settings.get("encoder_h_cycles", 3),
            refine_l_cycles=settings.get("encoder_l_cycles", 1),
            detach_context=True,
        )
    raise NotThereYet(f"The published encoder {name} of {kind} is not there yet.")
