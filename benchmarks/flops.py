"""Floating-point operations of a training step, counted from its shapes, and what a card could do.

Counted are the products that the algorithm asks for, a multiplication and an addition each: forward once,
backward twice (to the inputs and to the weights). What a kernel computes again to save memory is not work.
"""

from __future__ import annotations

from backend.domain.experiment import EtrmModel
from backend.domain.experiment.encoders.deterministic import DeterministicEncoder
from worker.kit.batch import VOCABULARY
from worker.models.layers import INNER_MULTIPLE

# Dense bf16 products per second, by the maker's data sheets.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}


def peak_of(device_name: str) -> float | None:
    """The peak of a card known by name; PCIe cards, slower by their clock, are not told apart."""
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)


def step_flops(model: EtrmModel, cells: int, samples: int, places: int, encoded: int) -> float:
    """Of a step over `samples` on a canvas of `cells`, `encoded` demonstrations read, `places` attended to.

    `places` are those of the set (samples x K), empty or not. The deterministic encoder only.
    """
    assert isinstance(model.encoder, DeterministicEncoder)
    core, encoder = model.core, model.encoder
    length = core.context_tokens + cells
    passes = core.l_cycles + 1
    weighted = (core.h_cycles - 1 + 3) * passes  # all cycles but the last are forward alone
    refined = weighted * core.layers * samples * _block(core.width, core.expansion, length)
    read = encoder.layers * encoded * _block(core.width, core.expansion, 2 * cells)
    projected = 2 * core.width**2 * encoded
    asked = encoder.set_layers * _set_layer(core.width, core.expansion, samples, core.context_tokens, places)
    heads = 2 * samples * core.width * (cells * VOCABULARY + 2)
    return refined + 3 * (read + projected + asked + heads)


def _block(width: int, expansion: float, length: int) -> float:
    """One block over `length` tokens, forward."""
    linear = 4 * width**2 + 3 * width * _inner(width, expansion)
    return 2.0 * length * linear + 4 * length**2 * width


def _set_layer(width: int, expansion: float, samples: int, queries: int, places: int) -> float:
    """Queries of every sample look at its places, forward."""
    asked = samples * queries
    linear = asked * (2 * width**2 + 3 * width * _inner(width, expansion)) + places * 2 * width**2
    return 2.0 * linear + 4 * queries * places * width


def _inner(width: int, expansion: float) -> int:
    return -(-round(expansion * width * 2 / 3) // INNER_MULTIPLE) * INNER_MULTIPLE


def view_flops(model: EtrmModel, cells: int, demonstrations: int, act_steps: int, encodings: int) -> float:
    """Of one view in evaluation, all forward: `encodings` of its demonstrations and `act_steps` steps."""
    assert isinstance(model.encoder, DeterministicEncoder)
    core, encoder = model.core, model.encoder
    length = core.context_tokens + cells
    block = _block(core.width, core.expansion, length)
    step = core.h_cycles * (core.l_cycles + 1) * core.layers * block
    read = encoder.layers * demonstrations * _block(core.width, core.expansion, 2 * cells)
    asked = encoder.set_layers * _set_layer(
        core.width, core.expansion, 1, core.context_tokens, demonstrations
    )
    heads = 2 * core.width * (cells * VOCABULARY + 2)
    return act_steps * (step + heads) + encodings * (read + 2 * core.width**2 * demonstrations + asked)
