"""Nested Python values with tensors inside <-> named tensors and JSON: state on disk without pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def pack(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """The tensors of a tree of dicts, lists, tuples and plain values, by path; and the rest as JSON.

    Tensors are copied to the CPU. Named tuples come back as plain tuples, dictionary keys as they were.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _pack(tree, "", tensors)


def unpack(skeleton: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree that `pack` took apart; its tensors lie on the CPU."""
    if not isinstance(skeleton, dict):
        return skeleton
    ((kind, content),) = skeleton.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: unpack(value, tensors) for key, value in content}
    members = [unpack(member, tensors) for member in content]
    return tuple(members) if kind == "tuple" else members


def _pack(tree: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, Tensor):
        name = path.lstrip("/") or "value"
        tensors[name] = tree.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(tree, Mapping):
        return {"dict": [[key, _pack(value, f"{path}/{key}", tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        return {kind: [_pack(member, f"{path}/{i}", tensors) for i, member in enumerate(tree)]}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"{path}: a {type(tree).__name__} cannot be written to a checkpoint")


def map_trees(change: Callable[..., Tensor], *trees: Any) -> Any:
    """One tree of what `change` makes of the tensors in the same place of all trees. Tuples become plain."""
    first = trees[0]
    if isinstance(first, Tensor):
        return change(*trees)
    if isinstance(first, Mapping):
        return {key: map_trees(change, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, list | tuple):
        members = (map_trees(change, *each) for each in zip(*trees, strict=True))
        return tuple(members) if isinstance(first, tuple) else list(members)
    return first


def to_device(tree: Any, device: torch.device) -> Any:
    """The tree with its tensors on `device`."""
    if isinstance(tree, Tensor):
        return tree.to(device)
    if isinstance(tree, Mapping):
        return {key: to_device(value, device) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(to_device(member, device) for member in tree)
    return tree
