"""Which worker may take which run: what a run asks of a machine, against what a worker offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.workers.service import WorkerState

GIB = 2**30


@dataclass(frozen=True)
class Offer:
    """What a worker has. `device` is cpu or cuda; `memory_bytes` is the device's."""

    device: str
    memory_bytes: int = 0
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Needs:
    """What a run asks for. `device` auto takes any; `memory_gib` 0 and no labels ask for nothing."""

    device: str = "auto"
    memory_gib: float = 0.0
    labels: tuple[str, ...] = ()

    def missing(self, offer: Offer) -> list[str]:
        """What the run asks for and the worker lacks, in words; empty: it may take the run."""
        found = []
        if self.device == "cuda" != offer.device:
            found.append("a GPU (training.device cuda)")
        if self.memory_gib * GIB > offer.memory_bytes:
            found.append(f"{self.memory_gib:g} GiB of memory (placement.memory_gib)")
        lacking = [label for label in self.labels if label not in offer.labels]
        if lacking:
            found.append(f"the label {' and '.join(lacking)} (placement.labels)")
        return found


ANYTHING = Needs()


def needs_of(config: Mapping[str, Any]) -> Needs:
    """What a stored config asks for; one that cannot be read asks for nothing, and fails where it starts."""
    return needs(_section(config, "training").get("device"), _section(config, "placement"))


def needs(device: Any, placement: Any) -> Needs:
    """The same from the parts of it that count."""
    placed = placement if isinstance(placement, Mapping) else {}
    memory, labels = placed.get("memory_gib"), placed.get("labels")
    return Needs(
        device if isinstance(device, str) else "auto",
        float(memory) if isinstance(memory, int | float) else 0.0,
        tuple(str(each) for each in labels) if isinstance(labels, Sequence) and labels else (),
    )


def offer_of(worker: WorkerState) -> Offer:
    """What a worker said of itself."""
    return Offer(worker.device, worker.memory_bytes, frozenset(worker.labels))


def able(needed: Needs, among: Sequence[WorkerState]) -> list[WorkerState]:
    """Those that have what is needed."""
    return [worker for worker in among if not needed.missing(offer_of(worker))]


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}
