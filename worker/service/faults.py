"""Faults of the node, told from faults of the run: the one place that decides what a failure is blamed on.

A run that fails of itself fails anywhere: its config, its data, its memory. What lies with the machine (a
full or dying disk, a GPU that fell off its bus) would fail every other run there too. So the child leaves
with `NODE_FAULT`, and its worker puts the run back and takes itself out (`worker.service.node`). What a check
of the machine finds after any failure counts as well, so only what no check sees needs to be known here.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from backend.kit.errors import DeviceMissing, StorageFull

NODE_FAULT = 77  # exit status of a child that met a fault of its machine
_ERRNOS = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE", "ENODEV", "ENXIO", "EREMOTEIO", "ENOTCONN")
    if hasattr(errno, name)
)
# How torch begins what CUDA, cuDNN and NCCL report; most of it says that the device or its driver is broken.
_DEVICE_ERRORS = (
    "CUDA error",
    "CUDA driver error",
    "cuDNN error",
    "NCCL error",
    "No CUDA GPUs are available",
)
# What a program does wrong by itself, on any device.
_OF_THE_PROGRAM = (
    "out of memory",
    "device-side assert",
    "illegal memory access",
    "misaligned address",
    "invalid configuration argument",
    "invalid argument",
    "no kernel image",
)


def is_of_the_node(error: BaseException) -> bool:
    """Whether the machine is to blame, and another might carry the run through."""
    return any(_blames_the_node(each) for each in _causes(error))


def _blames_the_node(error: BaseException) -> bool:
    if isinstance(error, StorageFull | DeviceMissing):
        return True
    if isinstance(error, OSError):
        return error.errno in _ERRNOS
    text = str(error)
    return (
        isinstance(error, RuntimeError)
        and any(each in text for each in _DEVICE_ERRORS)
        and not any(each in text for each in _OF_THE_PROGRAM)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__
