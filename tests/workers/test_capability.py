"""What a run asks of a machine, against what a worker offers."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.config.presets import quick
from backend.workers.capability import ANYTHING, Needs, Offer, needs_of

CPU = Offer("cpu", 16 << 30)
GPU = Offer("cuda", 80 << 30, frozenset({"a100", "fast"}))


@pytest.mark.parametrize(
    ("needed", "on_cpu", "on_gpu"),
    [
        (Needs(), [], []),
        (Needs("cpu"), [], []),  # a machine with a GPU has a CPU, too
        (Needs("cuda"), ["a GPU (training.device cuda)"], []),
        (Needs(memory_gib=16), [], []),
        (Needs(memory_gib=40), ["40 GiB of memory (placement.memory_gib)"], []),
        (Needs(labels=("a100",)), ["the label a100 (placement.labels)"], []),
        (
            Needs("cuda", labels=("fast", "b200")),
            ["a GPU (training.device cuda)", "the label fast and b200 (placement.labels)"],
            ["the label b200 (placement.labels)"],
        ),
    ],
)
def test_what_is_missing_is_named(needed: Needs, on_cpu: list[str], on_gpu: list[str]) -> None:
    assert needed.missing(CPU) == on_cpu
    assert needed.missing(GPU) == on_gpu


def test_a_config_says_what_it_needs() -> None:
    assert needs_of(quick().model_dump(mode="json")) == ANYTHING
    config = {"training": {"device": "cuda"}, "placement": {"labels": ["a"], "memory_gib": 24}}
    assert needs_of(config) == Needs("cuda", 24.0, ("a",))


@pytest.mark.parametrize(
    "broken",
    [{}, {"training": 3}, {"training": {"device": 4}}, {"placement": [1]}, {"placement": {"labels": 7}}],
)
def test_what_cannot_be_read_asks_for_nothing(broken: dict[str, Any]) -> None:
    assert needs_of(broken) == ANYTHING
