"""The only place where a config becomes a model."""

from __future__ import annotations

import torch

from backend.domain.experiment import EtrmModel, ExperimentConfig, TrmModel
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.context.source import ContextSource, encoder_source
from worker.models.core import Core
from worker.models.reasoner import Reasoner


def build_reasoner(config: ExperimentConfig, puzzle_rows: int) -> Reasoner:
    """A new model on the CPU, its weights a pure function of the config.

    `puzzle_rows` is the size of TRM's table; encoders have none and ignore it.
    """
    generator = torch.Generator().manual_seed(config.seed)
    model = config.model
    return Reasoner(
        core=Core(model.core, generator),
        context=_context_source(model, puzzle_rows, generator),
        act=model.act,
        reencode=model.reencode if isinstance(model, EtrmModel) else True,
        generator=generator,
    )


def _context_source(
    model: TrmModel | EtrmModel, puzzle_rows: int, generator: torch.Generator
) -> ContextSource:
    core = model.core
    if isinstance(model, TrmModel):
        return PuzzleEmbedding(puzzle_rows, model.embedding_width, core.context_tokens, core.width)
    return encoder_source(core, model.encoder, generator)
