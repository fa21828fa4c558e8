"""A recorded fixture: weights, a batch, and what the published code computed from them on a CPU in float32.

NAME.json holds kind, settings and losses; NAME.safetensors holds weights, a batch, the outputs of some
evaluation steps and the gradients of one training step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backend.kit.errors import InvalidInput
from worker.kit.batch import Batch
from worker.models.build import build_reasoner
from worker.models.published import load_published
from worker.models.published_config import config_from_published
from worker.models.reasoner import Reasoner

LOSS = "stablemax_cross_entropy"
KINDS = ("trm", "etrm", "etrmtrm")

Numbers = dict[str, Tensor]


@dataclass(frozen=True)
class Fixture:
    """One recorded model. Whatever is asked of it and not recorded is a KeyError that names it."""

    spec: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def steps(self) -> int:
        """How many ACT steps of evaluation are recorded."""
        return len(self.spec["eval_metrics"])

    @property
    def batch(self) -> Batch:
        """The recorded batch of B samples."""
        return Batch(
            inputs=self.tensors["batch.inputs"].long(),
            labels=self.tensors["batch.labels"].long(),
            demo_inputs=self.tensors["batch.demo_inputs"].long(),
            demo_outputs=self.tensors["batch.demo_labels"].long(),
            demo_mask=self.tensors["batch.demo_mask"].bool(),
            puzzle=self.tensors["batch.puzzle_identifiers"].long(),
        )

    def model(self) -> Reasoner:
        """Our model of the recorded settings with the recorded weights; InvalidInput where we have none."""
        if self.spec.get("loss", LOSS) != LOSS:
            raise InvalidInput(f"loss {self.spec['loss']!r} is not supported, only {LOSS!r} is")
        settings = self.spec["config"]
        config = config_from_published(self.spec["kind"], settings, self.spec.get("kl_weight", 0.0))
        reasoner = build_reasoner(config, settings.get("num_puzzle_identifiers", 1))
        load_published(reasoner, dict(_below("weights.", self.tensors)))
        return reasoner

    def restarts(self, step: int) -> Tensor | None:
        """Samples (B,) bool that the published evaluation starts over after `step`; None where it never does.

        Only the iterative evaluation does, where the recorded halting logit says stop.
        """
        if self.spec["kind"] != "etrmtrm":
            return None
        return self.tensors[f"eval.{step}.q_halt_logits"] > 0

    def encoded(self) -> Numbers:
        """What the encoder gave, as far as it was recorded."""
        numbers = {"context": self.tensors["eval.context"]} if "eval.context" in self.tensors else {}
        return numbers | ({"KL": _scalar(self.spec["eval_kl_loss"])} if "eval_kl_loss" in self.spec else {})

    def step(self, step: int) -> Numbers:
        """Outputs and losses of one ACT step of evaluation."""
        losses = self.spec["eval_metrics"][step]
        return {
            "logits": self.tensors[f"eval.{step}.logits"],
            "halting logits": self.tensors[f"eval.{step}.q_halt_logits"],
            "loss": _scalar(losses["loss"]),
            "token loss": _scalar(losses["lm_loss"]),
            "halting loss": _scalar(losses["q_halt_loss"]),
        }

    @property
    def training_loss(self) -> Tensor:
        """Loss of the training step, summed over the batch, penalties included."""
        return _scalar(self.spec["train_loss"])

    @property
    def gradients(self) -> dict[str, Tensor | None]:
        """Gradients of the training step by published name; None for a parameter without one."""
        return dict(_below("grad.", self.tensors)) | dict.fromkeys(self.spec["params_without_gradient"])


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    return ((name.removeprefix(prefix), t) for name, t in tensors.items() if name.startswith(prefix))


def _scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
