"""What the control compares: small models on one generated family, each differing in one thing from another.

A variant is a config, so everything it does a user's run can do as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

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
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.domain.experiment.encoders.per_demo import PerDemoEncoder

TRAINING_SET, TEST_SET = "procedural/control/train", "procedural/control/test"
SIDE = 3
DEMONSTRATIONS = 3  # of every task
ACT_STEPS = 2
TRM_TASKS = 256  # so few that TRM can learn each one's embedding in the time it has
# TRM knows its tasks after 200 steps. A step of (e) costs twice as much, and a search needs the latents, not
# the answers.
SHORTER, SHARE_OF_STEPS = "def", Fraction(2, 5)


@dataclass(frozen=True)
class Scale:
    """How long the control takes."""

    steps: int  # of a variant that is not among the SHORTER
    batch: int
    test_tasks: int
    evaluate_every: int
    budgets: tuple[int, ...]  # decodes at which methods of thinking longer are compared, ascending
    letters: str = "abcdefg"  # the variants that are trained
    seeds: int = 3


FULL = Scale(steps=2500, batch=128, test_tasks=100, evaluate_every=100, budgets=(24, 48, 96, 288, 900))
QUICK = Scale(steps=200, batch=64, test_tasks=40, evaluate_every=50, budgets=(48, 288))


@dataclass(frozen=True)
class Variant:
    """One training: a row of the control's table under one seed."""

    letter: str
    title: str
    label: str  # in charts
    config: ExperimentConfig

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def folder(self) -> str:
        """Where it is trained, below the control's folder."""
        return f"{self.letter}-seed{self.seed}"

    def under(self, seed: int) -> Variant:
        """The same with another seed."""
        return replace(self, config=self.config.model_copy(update={"seed": seed}))


def trainings(scale: Scale) -> tuple[Variant, ...]:
    """Every variant under every seed, seed by seed."""
    return tuple(each.under(seed) for seed in range(scale.seeds) for each in variants(scale))


def variants(scale: Scale) -> tuple[Variant, ...]:
    """The variants of a scale under the first seed, in the order of their letters."""
    trained = _etrm(scale)
    everything = (
        Variant("a", "ETRM, encoder trained", "a encoder trained", trained),
        Variant("b", "the same, encoder's gradient cut", "b gradient cut", _cut(trained)),
        Variant("c", "the same as a, context cached", "c context cached", _cached(trained)),
        Variant("d", "TRM, demonstrations of the test tasks trained on", "d TRM", _trm(trained)),
        Variant("e", "per-demonstration VAE", "e VAE, no search", _vae(trained)),
        Variant("f", "TRM, test tasks left out", "f TRM without", _trm_without(trained)),
        Variant("g", "iterative encoder", "g iterative", _iterative(trained)),
    )
    return tuple(_shortened(variant) for variant in everything if variant.letter in scale.letters)


def _shortened(variant: Variant) -> Variant:
    """With its share of the steps."""
    if variant.letter not in SHORTER:
        return variant
    training = variant.config.training
    steps = max(1, int(training.steps * SHARE_OF_STEPS))
    changed = training.model_copy(update={"steps": steps, "checkpoint_every": steps})
    return replace(variant, config=variant.config.model_copy(update={"training": changed}))


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
            learning_rate=2e-3, warmup_steps=100, schedule="cosine", ema_decay=0.98, weight_decay=1.0
        ),
        training=TrainingConfig(
            steps=scale.steps,
            batch_size=scale.batch,
            device="cpu",
            precision="bf16",
            log_every=20,
            checkpoint_every=scale.steps,
            keep_checkpoints=1,
            keep_best=0,
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


def _trm_without(base: ExperimentConfig) -> ExperimentConfig:
    """(f): the same core, told the task by a learned row; a test task has none and gets zeros."""
    core = base.model.core
    return base.model_copy(
        update={
            "name": "control-f",
            "model": TrmModel(
                core=core, act=base.model.act, embedding_width=core.context_tokens * core.width
            ),
            "data": base.data.model_copy(update={"first_tasks": TRM_TASKS}),
        }
    )


def _trm(base: ExperimentConfig) -> ExperimentConfig:
    """(d): TRM's protocol. It also trains on the demonstrations of the test tasks, never on what they ask."""
    without = _trm_without(base)
    data = without.data.model_copy(update={"evaluation_demonstrations": True})
    return without.model_copy(update={"name": "control-d", "data": data})


def _iterative(base: ExperimentConfig) -> ExperimentConfig:
    """(g): a context that is refined while the core works: more ACT steps, no signal."""
    encoder = IterativeEncoder(layers=1, refine_layers=1, refine_h_cycles=1)
    return base.model_copy(
        update={"name": "control-g", "model": base.model.model_copy(update={"encoder": encoder})}
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
