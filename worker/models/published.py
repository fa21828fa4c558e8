"""Parameter names of published TRM and ETRM checkpoints as ours, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from backend.kit.errors import InvalidInput
from worker.models.context.deterministic import DeterministicSource
from worker.models.context.iterative import IterativeSource
from worker.models.context.per_demo import PerDemoSource
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.context.variational import VariationalSource
from worker.models.reasoner import Reasoner

WRAPPERS = ("_orig_mod.", "module.", "model.")  # torch.compile, data parallel, the loss head
NOT_WEIGHTS = (".local_weights", ".local_ids", ".cos_cached", ".sin_cached")


class Layout(NamedTuple):
    """One of our names, a prefix that ends in a dot or, with `leaves`, the names below a numbered layer.

    # stands for the number.
    """

    ours: str
    published: str
    leaves: Mapping[str, str] | None = None


BLOCK = {
    "attention.qkv.weight": "self_attn.qkv_proj.weight",
    "attention.out.weight": "self_attn.o_proj.weight",
    "mlp.gate_up.weight": "mlp.gate_up_proj.weight",
    "mlp.down.weight": "mlp.down_proj.weight",
    "attention_residual.scale": "gamma_1",
    "mlp_residual.scale": "gamma_2",
}
SET_LAYER = {
    "attention.query.weight": "q_proj.weight",
    "attention.key.weight": "k_proj.weight",
    "attention.value.weight": "v_proj.weight",
    "attention.out.weight": "o_proj.weight",
    "mlp.gate_up.weight": "mlp.gate_up_proj.weight",
    "mlp.down.weight": "mlp.down_proj.weight",
    "attention_residual.scale": "gamma_1",
    "mlp_residual.scale": "gamma_2",
}
CLS_BLOCK = BLOCK | {"attention.qkv.weight": "qkv_proj.weight", "attention.out.weight": "o_proj.weight"}
SILU_BLOCK = {
    "attention.qkv.weight": "qkv_proj.weight",
    "attention.out.weight": "o_proj.weight",
    "up.weight": "mlp.fc1.weight",
    "down.weight": "mlp.fc2.weight",
}
CORE = (
    Layout("core.embedding.weight", "inner.embed_tokens.embedding_weight"),
    Layout("core.y_start", "inner.H_init"),
    Layout("core.z_start", "inner.L_init"),
    Layout("core.recursion.blocks.#.", "inner.L_level.layers.#.", BLOCK),
    Layout("token_head.weight", "inner.lm_head.weight"),
    Layout("halt_head.weight", "inner.q_head.weight"),
    Layout("halt_head.bias", "inner.q_head.bias"),
)
PAIR_EMBEDDING = (
    Layout("context.pairs.embedding.input.weight", "encoder.grid_encoder.input_embed.embedding_weight"),
    Layout("context.pairs.embedding.output.weight", "encoder.grid_encoder.output_embed.embedding_weight"),
)
PAIRS = (
    *PAIR_EMBEDDING,
    Layout("context.pairs.blocks.#.", "encoder.grid_encoder.layers.#.", BLOCK),
    Layout("context.pairs.pool.score.weight", "encoder.grid_encoder.pool_weight_proj.weight"),
    Layout("context.pairs.pool.query", "encoder.grid_encoder.pool_query"),
    Layout("context.pairs.pool.attention.query.weight", "encoder.grid_encoder.pool_q_proj.weight"),
    Layout("context.pairs.pool.attention.key.weight", "encoder.grid_encoder.pool_k_proj.weight"),
    Layout("context.pairs.pool.attention.value.weight", "encoder.grid_encoder.pool_v_proj.weight"),
    Layout("context.pairs.pool.attention.out.weight", "encoder.grid_encoder.pool_o_proj.weight"),
    Layout("context.pairs.out.weight", "encoder.grid_encoder.pool_proj.weight"),
)
SET = (
    Layout("context.set.queries", "encoder.set_encoder.query_tokens"),
    Layout("context.set.layers.#.", "encoder.set_encoder.layers.#.", SET_LAYER),
)
CLS = Layout("context.pairs.cls", "encoder.grid_encoder.cls_token")
MEAN = Layout("context.posterior.mean.weight", "encoder.mu_proj.weight")
LOG_VARIANCE = Layout("context.posterior.log_variance.weight", "encoder.logvar_proj.weight")
SOURCES: dict[type, tuple[Layout, ...]] = {
    PuzzleEmbedding: (Layout("context.table", "inner.puzzle_emb.weights"),),
    DeterministicSource: (*PAIRS, *SET),
    VariationalSource: (
        *PAIR_EMBEDDING,
        CLS,
        Layout("context.pairs.blocks.#.", "encoder.grid_encoder.layers.#.", CLS_BLOCK),
        *SET,
        MEAN,
        LOG_VARIANCE,
        Layout("context.posterior.mean.bias", "encoder.mu_proj.bias"),
        Layout("context.posterior.log_variance.bias", "encoder.logvar_proj.bias"),
        Layout("context.decode.weight", "encoder.decode_proj.weight"),
    ),
    PerDemoSource: (
        Layout("context.pairs.embedding.colour", "encoder.grid_encoder.color_embed.weight"),
        Layout("context.pairs.embedding.row", "encoder.grid_encoder.pos_row_embed.weight"),
        Layout("context.pairs.embedding.column", "encoder.grid_encoder.pos_col_embed.weight"),
        Layout("context.pairs.embedding.channel", "encoder.grid_encoder.channel_embed.weight"),
        CLS,
        Layout("context.pairs.blocks.#.", "encoder.grid_encoder.layers.#.", SILU_BLOCK),
        MEAN,
        LOG_VARIANCE,
        Layout("context.decode.weight", "encoder.output_proj.weight"),
    ),
    IterativeSource: (
        *PAIRS,
        Layout("context.y_start", "encoder.z_e_H_init"),
        Layout("context.z_start", "encoder.z_e_L_init"),
        Layout("context.recursion.blocks.#.", "encoder.L_level.layers.#.", BLOCK),
    ),
}
OWN_SOURCE = Layout("context.", "encoder.")


def published_names(reasoner: Reasoner) -> dict[str, str]:
    """Our name -> published name, of every parameter and buffer of `reasoner`.

    An encoder that was never published keeps our names, below `encoder.`.
    """
    layouts = CORE + SOURCES.get(type(reasoner.context), (OWN_SOURCE,))
    return {name: _published_name(name, layouts) for name in reasoner.state_dict()}


def _published_name(name: str, layouts: tuple[Layout, ...]) -> str:
    for ours, published, leaves in layouts:
        whole = name == ours or (ours.endswith(".") and name.startswith(ours))
        if leaves is None and whole:
            return published + name.removeprefix(ours)
        found = re.fullmatch(re.escape(ours).replace(r"\#", r"(\d+)") + r"(.+)", name) if leaves else None
        if leaves and found and found[2] in leaves:
            return published.replace("#", found[1]) + leaves[found[2]]
    raise AssertionError(f"{name} has no published name")


def strip_wrappers(name: str) -> str:
    """A checkpoint's name without the prefixes that wrappers left, in whatever order they stand."""
    while True:
        wrapper = next((w for w in WRAPPERS if name.startswith(w)), None)
        if wrapper is None:
            return name
        name = name.removeprefix(wrapper)


def to_published(reasoner: Reasoner) -> dict[str, Tensor]:
    """The state of `reasoner` by published names, without wrappers' prefixes."""
    names = published_names(reasoner)
    return {names[name]: tensor for name, tensor in reasoner.state_dict().items()}


def load_published(reasoner: Reasoner, state: Mapping[str, Tensor]) -> None:
    """Put a published state into `reasoner`; InvalidInput unless names and shapes all agree."""
    ours = {published: name for name, published in published_names(reasoner).items()}
    theirs = {strip_wrappers(name): tensor for name, tensor in state.items()}
    theirs = {name: tensor for name, tensor in theirs.items() if not name.endswith(NOT_WEIGHTS)}
    missing, unknown = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
    if missing or unknown:
        what = [f"{name} is missing" for name in missing] + [f"{name} is unknown" for name in unknown]
        raise InvalidInput(f"The published weights do not fit the model: {_first(what)}.")
    expected = {name: tensor.shape for name, tensor in reasoner.state_dict().items()}
    wrong = [
        f"{name} is {tuple(tensor.shape)}, the model has {tuple(expected[ours[name]])}"
        for name, tensor in theirs.items()
        if tensor.shape != expected[ours[name]]
    ]
    if wrong:
        raise InvalidInput(f"The published weights do not fit the model: {_first(wrong)}.")
    reasoner.load_state_dict({ours[name]: tensor for name, tensor in theirs.items()})


def _first(problems: list[str]) -> str:
    rest = len(problems) - 1
    return problems[0] + (f" (and {rest} more)" if rest else "")
