"""Named experiments, as functions that modify one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from backend.domain.errors import FieldProblem, InvalidConfig
from backend.domain.experiment import (
    ActConfig,
    CoreConfig,
    DataConfig,
    DeterministicEncoder,
    EtrmModel,
    EvaluationConfig,
    EvaluationSet,
    ExperimentConfig,
    OptimisationConfig,
    TrainingConfig,
    TrmModel,
)


def quick() -> ExperimentConfig:
    """A small ETRM on small real tasks: minutes on two CPU cores, end to end."""
    return ExperimentConfig(
        name="quick",
        model=EtrmModel(
            core=CoreConfig(width=64, heads=4, layers=2, h_cycles=2, l_cycles=2, context_tokens=8),
            act=ActConfig(max_steps=4),
            encoder=DeterministicEncoder(layers=1),
        ),
        data=DataConfig(canvas_sizes=(10,), first_tasks=64, augmentations=16, max_demonstrations=4),
        optimisation=OptimisationConfig(learning_rate=1e-3, warmup_steps=50, ema_decay=0.98),
        training=TrainingConfig(steps=600, batch_size=32, log_every=5, checkpoint_every=100),
        evaluation=EvaluationConfig(
            sets=(
                EvaluationSet(name="arc-agi-1/evaluation", first_tasks=16, that_fit=True),
                EvaluationSet(name="arc-agi-1/training", first_tasks=16, that_fit=True),
            ),
            views=8,
        ),
    )


def etrm_deterministic_arc1() -> ExperimentConfig:
    """ETRM with the deterministic encoder at its published setting on ARC-AGI-1."""
    return ExperimentConfig(
        name="etrm-deterministic-arc1",
        training=TrainingConfig(steps=175_000, batch_size=256, precision="bf16", log_every=50),
    )


def trm_arc1() -> ExperimentConfig:
    """TRM at its published setting on ARC-AGI-1: one embedding per augmented puzzle."""
    return etrm_deterministic_arc1().model_copy(
        update={
            "name": "trm-arc1",
            "model": TrmModel(),
            "data": DataConfig(evaluation_demonstrations=True),
            "optimisation": OptimisationConfig(gradient_clip=None),
            "training": TrainingConfig(steps=518_000, batch_size=768, precision="bf16", log_every=50),
        }
    )


@dataclass(frozen=True)
class Preset:
    """A preset as the launch page offers it."""

    name: str
    title: str
    make: Callable[[], ExperimentConfig]

    @property
    def description(self) -> str:
        return (self.make.__doc__ or "").strip()


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("quick", "Quick check on CPU", quick),
        Preset("etrm_deterministic_arc1", "ETRM deterministic, ARC-AGI-1", etrm_deterministic_arc1),
        Preset("trm_arc1", "TRM, ARC-AGI-1", trm_arc1),
    )
}


def preset(name: str) -> ExperimentConfig:
    """The config of the preset called `name`; InvalidConfig that suggests the right one if unknown."""
    if name in PRESETS:
        return PRESETS[name].make()
    close = get_close_matches(name, PRESETS, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Choose one of {', '.join(PRESETS)}."
    raise InvalidConfig(
        "The config is not valid.", problems=[FieldProblem("preset", f"there is no preset {name!r}.", hint)]
    )
