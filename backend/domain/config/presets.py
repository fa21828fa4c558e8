"""Named experiments, as functions that modify one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.domain.config.published.table import PUBLISHED_SETTINGS
from backend.domain.experiment import (
    ENCODERS,
    FETCHED_SETS,
    ActConfig,
    CoreConfig,
    DataConfig,
    EncoderConfig,
    EtrmModel,
    EvaluationConfig,
    EvaluationSet,
    ExperimentConfig,
    GradientSearch,
    ModelConfig,
    ObjectiveConfig,
    OptimisationConfig,
    TrainingConfig,
    TrmModel,
)
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.domain.experiment.encoders.per_demo import PerDemoEncoder
from backend.domain.experiment.encoders.variational import VariationalEncoder
from backend.kit.errors import InvalidConfig
from backend.kit.problems import not_valid

PUBLISHED_VIEWS = 1001  # the original and 1,000 augmentations


def quick() -> ExperimentConfig:
    """A small ETRM on small real tasks: minutes on two CPU cores, end to end."""
    return ExperimentConfig(
        name="quick",
        model=EtrmModel(
            core=CoreConfig(width=64, heads=4, layers=2, h_cycles=2, l_cycles=2, context_tokens=8),
            act=ActConfig(max_steps=4),
            encoder=DeterministicEncoder(layers=1),
        ),
        data=DataConfig(canvas_sizes=(10,), first_tasks=32, augmentations=8, max_demonstrations=3),
        optimisation=OptimisationConfig(
            learning_rate=1e-3, warmup_steps=50, schedule="cosine", ema_decay=0.98
        ),
        training=TrainingConfig(steps=600, batch_size=16, log_every=5, checkpoint_every=100),
        evaluation=EvaluationConfig(
            sets=(
                EvaluationSet(name="arc-agi-1/evaluation", first_tasks=16, that_fit=True),
                EvaluationSet(name="arc-agi-1/training", first_tasks=16, that_fit=True),
            ),
            views=8,
        ),
    )


def etrm_deterministic_arc1() -> ExperimentConfig:
    """ETRM with the deterministic encoder at its published setting, on ARC-AGI-1 and the concept tasks."""
    return ExperimentConfig(
        name="etrm-deterministic-arc1",
        data=DataConfig(training_sets=("arc-agi-1/training", "concept"), query="each_test", corner_pair=True),
        training=TrainingConfig(steps=175_000, batch_size=256, precision="bf16", log_every=50),
        evaluation=EvaluationConfig(views=PUBLISHED_VIEWS, distinct_views=True),
    )


def etrm_variational() -> ExperimentConfig:
    """ETRM with the cross-attention VAE at its published setting, on ARC-AGI-1 and the concept tasks."""
    encoder = VariationalEncoder(layers=4)
    return _with_encoder(
        etrm_deterministic_arc1(), "etrm-variational", encoder, steps=174_000, batch_size=128
    )


def etrm_iterative() -> ExperimentConfig:
    """ETRM with the iterative encoder as published, on ARC-AGI-1: its context is cut off from the loss, so
    the encoder never learns. For the real thing take etrm_iterative_trained."""
    encoder = IterativeEncoder(detach_context=True)
    made = _with_encoder(etrm_deterministic_arc1(), "etrm-iterative", encoder, steps=87_000)
    model = made.model.model_copy(update={"core": CoreConfig(l_cycles=4)})
    return made.model_copy(update={"model": model})


def etrm_iterative_trained() -> ExperimentConfig:
    """ETRM with the iterative encoder as it was meant, on ARC-AGI-1: the loss reaches the encoder."""
    return _with_encoder(etrm_iterative(), "etrm-iterative-trained", IterativeEncoder(), steps=87_000)


def lpn() -> ExperimentConfig:
    """As near to LPN's published ARC config as the shared core allows: a VAE per demonstration, the mean of
    the latents, one pass through the core and no halting. Every pair of a task is asked while the others are
    shown, and one gradient step moves the latent towards explaining those before the asked pair is drawn; the
    weights see the move as a constant. Evaluation takes 20 gradient steps."""
    encoder = PerDemoEncoder(layers=4, inner_width=256, latent=128, kl_reduction="sample")
    base = _with_encoder(etrm_deterministic_arc1(), "lpn", encoder, steps=500_000, batch_size=128)
    model = base.model.model_copy(
        update={"core": CoreConfig(h_cycles=1, l_cycles=1), "act": ActConfig(max_steps=1, exploration=0.0)}
    )
    return base.model_copy(
        update={
            "model": model,
            "data": DataConfig(query="each", translation=False),
            "optimisation": OptimisationConfig(
                learning_rate=4e-4, warmup_steps=99, weight_decay=1e-4, beta2=0.999
            ),
            "objective": ObjectiveConfig(latent_steps=1),
            "evaluation": EvaluationConfig(
                sets=(EvaluationSet(first_tasks=100),),
                views=1,
                weights="raw",
                search=GradientSearch(steps=20),
            ),
        }
    )


def trm_arc1() -> ExperimentConfig:
    """TRM at its published setting on ARC-AGI-1 and the concept tasks: one embedding per augmented puzzle, of
    the training tasks and of the demonstrations of all 400 evaluation tasks."""
    return etrm_deterministic_arc1().model_copy(
        update={
            "name": "trm-arc1",
            "model": TrmModel(),
            "data": DataConfig(
                training_sets=("arc-agi-1/training", "concept"),
                evaluation_demonstrations=True,
                demonstrations_of="set",
                distinct_augmentations=True,
                corner_pair=True,
                query="each",
            ),
            "optimisation": OptimisationConfig(gradient_clip=None),
            "training": TrainingConfig(steps=518_071, batch_size=768, precision="bf16", log_every=50),
            "evaluation": EvaluationConfig(
                sets=(EvaluationSet(first_tasks=None),), views=PUBLISHED_VIEWS, distinct_views=True
            ),
        }
    )


def trm_arc2() -> ExperimentConfig:
    """TRM at its published setting on ARC-AGI-2 and the concept tasks: as trm_arc1, with the demonstrations
    of all 120 evaluation tasks."""
    base = trm_arc1()
    return base.model_copy(
        update={
            "name": "trm-arc2",
            "data": base.data.model_copy(update={"training_sets": ("arc-agi-2/training", "concept")}),
            "evaluation": base.evaluation.model_copy(
                update={"sets": (EvaluationSet(name="arc-agi-2/evaluation", first_tasks=None),)}
            ),
        }
    )


def quick_trm_arc2() -> ExperimentConfig:
    """trm_arc2 at the size of quick, on canvases of 10 and 15: its evaluation has two tasks for 10 alone."""
    small = _quick(trm_arc2())
    return small.model_copy(update={"data": small.data.model_copy(update={"canvas_sizes": (10, 15)})})


def quick_etrm_deterministic_arc1() -> ExperimentConfig:
    """The same as quick, by the name of its system."""
    return quick().model_copy(update={"name": "quick-etrm-deterministic"})


def quick_etrm_iterative() -> ExperimentConfig:
    """etrm_iterative at the size of quick: watch its gradient coverage stay at zero."""
    return _quick(etrm_iterative())


def quick_lpn() -> ExperimentConfig:
    """lpn at the size of quick, with 5 gradient steps per view: minutes on two CPU cores."""
    small = _quick(lpn())
    searched = small.evaluation.model_copy(update={"search": GradientSearch(steps=5)})
    return small.model_copy(update={"evaluation": searched})


def _with_encoder(
    base: ExperimentConfig, name: str, encoder: EncoderConfig, **training: int
) -> ExperimentConfig:
    """`base` with another encoder, length (`steps`) and batch (`batch_size`)."""
    return base.model_copy(
        update={
            "name": name,
            "model": base.model.model_copy(update={"encoder": encoder}),
            "training": base.training.model_copy(update=training),
        }
    )


def _quick(published: ExperimentConfig) -> ExperimentConfig:
    """The system of `published` at the size and on the tasks of `quick`."""
    small = quick()
    arc = published.data.training_sets[0].partition("/")[0]
    sets = tuple(
        each.model_copy(update={"name": f"{arc}/{each.name.partition('/')[2]}"})
        for each in small.evaluation.sets
    )
    kept = {"evaluation_demonstrations", "corner_pair", "query"}
    at_hand = tuple(name for name in published.data.training_sets if name not in FETCHED_SETS)
    return ExperimentConfig(
        name=f"quick-{published.name}",
        model=_small(published.model, small.model),
        data=small.data.model_copy(
            update={"training_sets": at_hand, **published.data.model_dump(include=kept)}
        ),
        optimisation=small.optimisation.model_copy(
            update={"gradient_clip": published.optimisation.gradient_clip}
        ),
        objective=published.objective,
        training=small.training,
        evaluation=small.evaluation.model_copy(update={"sets": sets}),
    )


def _small(model: ModelConfig, small: ModelConfig) -> ModelConfig:
    """`model` with the widths, layers and steps of `small`, and no more cycles than it has itself."""
    cycles = {
        name: min(getattr(model.core, name), getattr(small.core, name)) for name in ("h_cycles", "l_cycles")
    }
    changes: dict[str, object] = {
        "core": small.core.model_copy(update=cycles),
        "act": model.act.model_copy(update={"max_steps": min(model.act.max_steps, small.act.max_steps)}),
    }
    if isinstance(model, EtrmModel):
        changes["encoder"] = model.encoder.model_copy(update=dict(model.encoder.small))
    return model.model_copy(update=changes)


@dataclass(frozen=True)
class Preset:
    """A preset as the launch page offers it: what it is, and in what it differs from what was published."""

    name: str
    title: str
    make: Callable[[], ExperimentConfig]
    about: str = ""  # empty: what `make` says of itself

    @property
    def description(self) -> str:
        about = self.about or " ".join((self.make.__doc__ or "").split())
        differing = [each.differs for each in PUBLISHED_SETTINGS.get(self.name, ()) if each.differs]
        return f"{about} Not as published: {'; '.join(differing)}." if differing else about


# What an encoder was published with, where it was: its preset says more than its encoder.
PUBLISHED = {
    "deterministic": "etrm_deterministic_arc1",
    "variational": "etrm_variational",
    "iterative": "etrm_iterative_trained",
    "per_demo": "lpn",
}


def preset_of_encoder(kind: str) -> str:
    """The name of the preset that trains an encoder as it is meant; `quick_` before it: the small one."""
    return PUBLISHED.get(kind, kind)


def _of_encoder(kind: str) -> Preset:
    """The preset of an encoder that was not published."""
    encoder = ENCODERS[kind]
    return Preset(
        kind,
        f"ETRM {encoder.title or kind}",
        lambda: _with_encoder(etrm_deterministic_arc1(), kind, encoder(), steps=175_000),
        f"ETRM with {encoder.reads or f'the {kind} encoder'}, else as etrm_deterministic. Not published.",
    )


def _quick_of(full: Preset) -> Preset:
    """The small form of a preset."""
    about = f"{full.name} at the size of quick: minutes on two CPU cores."
    return Preset(f"quick_{full.name}", f"Quick {full.title}", lambda: _quick(full.make()), about)


_FULL = (
    Preset("trm_arc1", "TRM, ARC-AGI-1", trm_arc1),
    Preset("trm_arc2", "TRM, ARC-AGI-2", trm_arc2),
    Preset("etrm_deterministic_arc1", "ETRM deterministic, ARC-AGI-1", etrm_deterministic_arc1),
    Preset("etrm_variational", "ETRM variational", etrm_variational),
    Preset("etrm_iterative", "ETRM iterative, as published", etrm_iterative),
    Preset("etrm_iterative_trained", "ETRM iterative, as meant", etrm_iterative_trained),
    Preset("lpn", "LPN on the shared core", lpn),
    *(_of_encoder(kind) for kind in ENCODERS if kind not in PUBLISHED),
)
_QUICK = (  # where there is more to say, or to change, than that it is small
    Preset("quick_trm_arc2", "Quick TRM, ARC-AGI-2", quick_trm_arc2),
    Preset("quick_etrm_deterministic_arc1", "Quick ETRM deterministic", quick_etrm_deterministic_arc1),
    Preset("quick_etrm_iterative", "Quick ETRM iterative, as published", quick_etrm_iterative),
    Preset("quick_lpn", "Quick LPN on the shared core", quick_lpn),
)
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("quick", "Quick check on CPU", quick),
        *_FULL,
        *map(_quick_of, _FULL),
        *_QUICK,  # each in the place of the small form of the same name
    )
}


ALIASES = {  # one config, listed once
    "etrm_deterministic": "etrm_deterministic_arc1",
    "quick_etrm_deterministic": "quick_etrm_deterministic_arc1",
}


def preset(name: str) -> ExperimentConfig:
    """The config of the preset called `name`; InvalidConfig that suggests the right one if unknown."""
    name = ALIASES.get(name, name)
    if name in PRESETS:
        return PRESETS[name].make()
    raise InvalidConfig("The config is not valid.", problems=[not_valid("preset", name, PRESETS)])
