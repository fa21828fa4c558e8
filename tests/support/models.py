"""Small models and random batches that they can read."""

from __future__ import annotations

import torch

from backend.domain.experiment import (
    ENCODERS,
    ActConfig,
    CoreConfig,
    EncoderConfig,
    EtrmModel,
    ExperimentConfig,
    TrmModel,
)
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from worker.kit.batch import FIRST_COLOUR, IGNORE, VOCABULARY, Batch

CORE = CoreConfig(width=16, heads=2, layers=1, h_cycles=2, l_cycles=2, context_tokens=3)
PUZZLES = 6
SMALL_ENCODERS: dict[str, EncoderConfig] = {kind: each(**each.small) for kind, each in ENCODERS.items()}


def etrm(
    encoder: EncoderConfig | None = None,
    *,
    core: CoreConfig = CORE,
    max_steps: int = 4,
    exploration: float = 0.0,
    reencode: bool = True,
    seed: int = 0,
) -> ExperimentConfig:
    """A small ETRM."""
    return ExperimentConfig(
        seed=seed,
        model=EtrmModel(
            core=core,
            act=ActConfig(max_steps=max_steps, exploration=exploration),
            encoder=encoder or DeterministicEncoder(layers=1),
            reencode=reencode,
        ),
    )


def trm(*, embedding_width: int = 20, max_steps: int = 4) -> ExperimentConfig:
    """A small TRM."""
    act = ActConfig(max_steps=max_steps, exploration=0.0)
    return ExperimentConfig(model=TrmModel(core=CORE, act=act, embedding_width=embedding_width))


def random_batch(seed: int, size: int = 4, side: int = 4, demonstrations: int = 3) -> Batch:
    """Random grids; the last place for a demonstration is empty in every second sample."""
    generator = torch.Generator().manual_seed(seed)

    def tokens(*shape: int) -> torch.Tensor:
        return torch.randint(0, VOCABULARY, shape, generator=generator)

    mask = torch.ones(size, demonstrations, dtype=torch.bool)
    mask[::2, -1] = False
    cells = side * side
    inputs = tokens(size, cells)
    labels = torch.randint(FIRST_COLOUR, VOCABULARY, (size, cells), generator=generator)
    labels[:, -2:] = IGNORE
    return Batch(
        inputs=inputs,
        labels=labels,
        demo_inputs=tokens(size, demonstrations, cells),
        demo_outputs=tokens(size, demonstrations, cells),
        demo_mask=mask,
        puzzle=torch.randint(0, PUZZLES, (size,), generator=generator),
    )
