"""What the control compares: small models on one generated family, each differing in one thing from another.

A variant is a config, so everything it does a user's run can do as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backend.domain.experiment import (
    ActConfig,
    CoreConfig,
    DataConfig,
    EtrmModel,
    EvaluationConfig,
    EvaluationSet,
    ExperimentConfig,
    HealthConfig,
    ObjectiveConfig,
    OptimisationConfig,
    TrainingConfig,
    TrmModel,
)
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from backend.domain.experiment.encoders.per_demo import PerDemoEncoder

TRAINING_SET, TEST_SET = "procedural/control/train", "procedural/control/test"
SIDE = 3
ACT_STEPS = 2
TRM_TASKS = 256  # so few that TRM can learn each one's embedding in the time it has


@dataclass(frozen=True)
class Scale:
    """How long the control takes."""

    steps: int
    batch: int
    test_tasks: int
    evaluate_every: int
    letters: str  # the variants that are trained
    seeds: int = 1  # of `REPLICATED`, the others have one


REPLICATED = "ac"  # what differs between these is less than what differs between seeds
FULL = Scale(steps=900, batch=128, test_tasks=100, evaluate_every=50, letters="abcde", seeds=3)
QUICK = Scale(steps=600, batch=128, test_tasks=100, evaluate_every=100, letters="abd")


@dataclass(frozen=True)
class Variant:
    """One column of the control's table."""

    letter: str
    title: str
    label: str  # in charts
    config: ExperimentConfig

    @property
    def folder(self) -> str:
        """Where it is trained, below the control's folder."""
        return self.letter if self.config.seed == 0 else f"{self.letter}-seed{self.config.seed}"


def replicates(scale: Scale) -> tuple[Variant, ...]:
    """The other seeds of the variants that have several."""
    return tuple(
        replace(each, config=each.config.model_copy(update={"seed": seed}))
        for seed in range(1, scale.seeds)
        for each in variants(scale)
        if each.letter in REPLICATED
    )


def variants(scale: Scale) -> tuple[Variant, ...]:
    """The variants of a scale, in the order of their letters."""
    trained = _etrm(scale)
    everything = (
        Variant("a", "ETRM, encoder trained", "a encoder trained", trained),
        Variant("b", "the same, encoder's gradient cut", "b gradient cut", _cut(trained)),
        Variant("c", "the same as a, context cached", "c context cached", _cached(trained)),
        Variant("d", "TRM, puzzle embeddings", "d TRM", _trm(trained)),
        Variant("e", "per-demonstration VAE", "e VAE, no search", _vae(trained)),
    )
    return tuple(variant for variant in everything if variant.letter in scale.letters)


def _etrm(scale: Scale) -> ExperimentConfig:
    """(a): deterministic encoder, small core, every rule its own demonstrations."""
    return ExperimentConfig(
        name="control-a",
        model=EtrmModel(
            core=CoreConfig(width=64, heads=4, layers=1, h_cycles=1, l_cycles=1, context_tokens=8),
            act=ActConfig(max_steps=ACT_STEPS, exploration=0.3),
            encoder=DeterministicEncoder(layers=1),
        ),
        data=DataConfig(
            training_sets=(TRAINING_SET,),
            canvas_sizes=(SIDE,),
            augmentations=0,  # they would turn one rule into another, perhaps one of the test set
            translation=False,
            max_demonstrations=3,
            query="test",
        ),
        optimisation=OptimisationConfig(
            learning_rate=2e-3, warmup_steps=100, schedule="cosine", ema_decay=0.98
        ),
        training=TrainingConfig(
            steps=scale.steps,
            batch_size=scale.batch,
            device="cpu",
            precision="bf16",
            log_every=20,
            checkpoint_every=scale.steps,
            keep_checkpoints=1,
        ),
        health=HealthConfig(probe_every=None),
        evaluation=EvaluationConfig(
            sets=(EvaluationSet(name=TEST_SET, first_tasks=scale.test_tasks),),
            views=1,  # a view in other colours would be another rule
            batch_size=256,
            every=scale.evaluate_every,
        ),
    )


def _cut(base: ExperimentConfig) -> ExperimentConfig:
    """(b): no encoder weight ever moves, as under the published detach."""
    frozen = base.optimisation.model_copy(update={"freeze": "encoder", "freeze_steps": base.training.steps})
    return base.model_copy(update={"name": "control-b", "optimisation": frozen})


def _cached(base: ExperimentConfig) -> ExperimentConfig:
    """(c): the encoder runs, and gets gradient, in the first ACT step of a sample alone."""
    return base.model_copy(
        update={"name": "control-c", "model": base.model.model_copy(update={"reencode": False})}
    )


def _trm(base: ExperimentConfig) -> ExperimentConfig:
    """(d): the same core, told the task by a learned row: the tasks it trained on it knows, others not."""
    core = base.model.core
    return base.model_copy(
        update={
            "name": "control-d",
            "model": TrmModel(
                core=core, act=base.model.act, embedding_width=core.context_tokens * core.width
            ),
            "data": base.data.model_copy(update={"first_tasks": TRM_TASKS}),
        }
    )


def _vae(base: ExperimentConfig) -> ExperimentConfig:
    """(e): as LPN: a latent per demonstration, their mean; the asked pair is never among them."""
    return base.model_copy(
        update={
            "name": "control-e",
            "model": base.model.model_copy(
                update={"encoder": PerDemoEncoder(layers=1, inner_width=64, latent=32)}
            ),
            "objective": ObjectiveConfig(latent_steps=1, latent_learning_rate=0.5),
        }
    )
