"""The processes that share each batch of one run: this one alone, or those that torchrun started.

Every process has its own rows of the batch and a copy of all weights. Gradients are summed over all, so
each makes the same step. What the host must know (who stops, which slots are free) goes over the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from backend.domain.experiment import TrainingConfig
from backend.kit.errors import FieldProblem, InvalidConfig

# The others wait at a barrier while the first evaluates, which can take days; a dead one is seen by torchrun.
_PATIENCE = timedelta(days=30)


class ProcessLost(RuntimeError):
    """Another process that shares the batch died."""


@contextmanager
def _together() -> Iterator[None]:
    """Around what all processes do together."""
    try:
        yield
    except RuntimeError as error:  # torch's word for a connection that broke
        raise ProcessLost(f"another process of this run died: {error}") from error


Value = TypeVar("Value", np.bool_, np.int64)


class Ranks(AbstractContextManager["Ranks"]):
    """This process among `count`, numbered by `index`. With one process nothing is sent anywhere."""

    def __init__(self, index: int = 0, count: int = 1) -> None:
        self.index = index
        self.count = count
        self._control: dist.ProcessGroup | None = None

    @classmethod
    def of_environment(cls) -> Ranks:
        """As torchrun numbered this process; alone where there is no torchrun."""
        return cls(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))

    def __enter__(self) -> Ranks:
        """Meet the other processes."""
        if self.count > 1:
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
            self._control = dist.new_group(backend="gloo", timeout=_PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error the others hang in a collective call until torchrun ends them: do not wait for them.
        if self.count > 1 and error is None:
            dist.destroy_process_group()

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that records, saves and evaluates."""
        return self.index == 0

    def rows(self, training: TrainingConfig) -> slice:
        """This process's rows of the batch; InvalidConfig if the batch cannot be shared."""
        parts = self.count * training.accumulate
        if training.batch_size % parts:
            raise InvalidConfig(
                "The batch cannot be shared.",
                problems=[
                    FieldProblem(
                        "training.batch_size",
                        f"{training.batch_size} is not a multiple of {self.count} processes x "
                        f"{training.accumulate} parts.",
                        f"Try {parts * max(1, round(training.batch_size / parts))}.",
                    )
                ],
            )
        size = training.batch_size // self.count
        return slice(self.index * size, (self.index + 1) * size)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes its sum over all processes, in place. All pass the same shapes."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _together():
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(
            list(tensors), [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]
        )

    def gather(self, rows: Tensor) -> Tensor:
        """Everyone's rows (n, ...), in order of the processes: (count x n, ...)."""
        if self.count == 1:
            return rows
        sent = rows.contiguous()
        # Collectives know no booleans.
        as_sent = sent.view(torch.uint8) if sent.dtype == torch.bool else sent
        received = [torch.empty_like(as_sent) for _ in range(self.count)]
        with _together():
            dist.all_gather(received, as_sent)
        return torch.cat(received).view(sent.dtype)

    def sum_parameters(self, gradients: Sequence[torch.nn.Parameter]) -> None:
        """The gradients of the whole batch. A weight without one here but elsewhere gets it."""
        if self.count == 1:
            return
        here = np.array([parameter.grad is not None for parameter in gradients])
        anywhere = self.exchange(here).reshape(self.count, -1).max(0)
        for parameter, needed in zip(gradients, anywhere, strict=True):
            if needed and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.sum([parameter.grad for parameter in gradients if parameter.grad is not None])

    def exchange(self, values: NDArray[Value]) -> NDArray[Value]:
        """Everyone's values (n,), in order of the processes: (count x n,). Waits for no GPU."""
        if self.count == 1:
            return values
        sent = torch.from_numpy(values.astype(np.int64))
        received = [torch.empty_like(sent) for _ in range(self.count)]
        with _together():
            dist.all_gather(received, sent, group=self._control)
        everyone: NDArray[Value] = torch.cat(received).numpy().astype(values.dtype)
        return everyone

    def total(self, number: int) -> int:
        """The sum of everyone's number."""
        return int(self.exchange(np.array([number])).sum())

    def any(self, flag: bool) -> bool:
        """Whether anyone says so."""
        return bool(self.exchange(np.array([flag])).any())

    def wait(self) -> None:
        """Return when everyone is here."""
        if self.count > 1:
            with _together():
                dist.barrier(group=self._control)


ALONE = Ranks()
