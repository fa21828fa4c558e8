"""Whole batches drawn when they are wanted: what training, which draws ahead and sends only new samples, is
compared with."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from worker.data.batches import BatchStream
from worker.kit.batch import Batch


def dense_batch(stream: BatchStream, wanted: NDArray[np.bool_]) -> Batch:
    """New samples in the rows where `wanted` (B,) is True, in order; the other rows are empty. All int64."""
    packed = np.zeros((len(wanted), stream.layout.stride), dtype=np.uint8)
    packed[wanted] = stream.draw(stream.position, int(wanted.sum()))
    stream.position += int(wanted.sum())
    batch = stream.layout.batch(torch.from_numpy(packed))
    return batch.map(lambda tensor: tensor if tensor.dtype == torch.bool else tensor.long())
