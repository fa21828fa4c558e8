"""Samples drawn ahead and packed, against whole batches drawn when they are wanted."""

from __future__ import annotations

import gc
from concurrent.futures import wait
from threading import current_thread

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.domain.config.presets import quick
from tests.support.dense import dense_batch
from worker.data.batches import BatchStream
from worker.data.loader import Loader, Packed, Sender
from worker.data.sets import BuiltinTasks
from worker.data.training_data import TrainingData, build
from worker.kit.batch import Batch

SLOTS = 24
SIDE = 10


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return build(quick(), BuiltinTasks())


def loader_of(data: TrainingData, position: int = 0, ahead: int = SLOTS) -> Loader:
    stream = BatchStream(data, quick(), SIDE)
    stream.position = position
    return Loader({SIDE: stream}, ahead)


def masks(steps: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """All slots at first, then none, few or many."""
    generator = np.random.default_rng(seed)
    shares = (1.0, 0.0, 0.05, 0.5, 1.0)
    return [generator.random(SLOTS) < shares[step % len(shares)] for step in range(steps)]


def assert_same(batch: Batch, expected: Batch) -> None:
    for name, packed, whole in zip(Batch._fields, batch.rows, expected.rows, strict=False):
        assert torch.equal(packed.to(whole.dtype), whole), name


def dense(stream: BatchStream, wanted: NDArray[np.bool_]) -> Batch:
    """The wanted rows of a whole batch."""
    chosen = torch.from_numpy(wanted)
    return dense_batch(stream, wanted).map(lambda rows: rows[chosen])


def taken(loader: Loader, wanted: NDArray[np.bool_], rows: slice = slice(0, SLOTS)) -> Batch:
    packed = loader.take(SIDE, wanted, rows)
    return loader.streams[SIDE].layout.batch(Sender(torch.device("cpu")).send(packed))


@pytest.mark.parametrize("ahead", [0, 3, SLOTS, 200])
def test_new_samples_are_those_of_whole_batches_however_many_are_drawn_ahead(
    data: TrainingData, ahead: int
) -> None:
    loader, simple = loader_of(data, ahead=ahead), BatchStream(data, quick(), SIDE)
    for wanted in masks(15):
        assert_same(taken(loader, wanted), dense(simple, wanted))
        assert loader.streams[SIDE].position == simple.position, "what was drawn ahead does not count"


def test_a_loader_that_begins_where_another_stopped_goes_on_with_its_samples(data: TrainingData) -> None:
    whole = loader_of(data)
    steps = masks(10)
    for wanted in steps[:6]:
        whole.take(SIDE, wanted, slice(0, SLOTS))
    resumed = loader_of(data, whole.streams[SIDE].position)
    for wanted in steps[6:]:
        assert_same(taken(resumed, wanted), taken(whole, wanted))


def test_processes_that_share_a_batch_take_its_samples_between_them(data: TrainingData) -> None:
    halves = slice(0, SLOTS // 2), slice(SLOTS // 2, SLOTS)
    loaders, simple = [loader_of(data, ahead=SLOTS // 2) for _ in halves], BatchStream(data, quick(), SIDE)
    for wanted in masks(8, seed=1):
        parts = [taken(loader, wanted, rows) for loader, rows in zip(loaders, halves, strict=True)]
        together = Batch.of(torch.cat(each) for each in zip(*(part.rows for part in parts), strict=True))
        assert_same(together, dense(simple, wanted))
        assert {loader.streams[SIDE].position for loader in loaders} == {simple.position}


def test_a_fault_while_drawing_ahead_is_raised_where_the_sample_is_taken(data: TrainingData) -> None:
    loader, everything = loader_of(data), np.ones(SLOTS, dtype=bool)
    threads = []

    def fails(first: int, count: int) -> Packed:
        threads.append(current_thread())
        raise OSError("the disk is gone")

    loader.streams[SIDE].draw = fails  # type: ignore[method-assign]
    loader.take(SIDE, np.zeros(SLOTS, dtype=bool), slice(0, SLOTS))  # the next are drawn ahead
    wait(loader._drawn[SIDE].values())
    with pytest.raises(OSError, match="the disk is gone") as caught:
        loader.take(SIDE, everything, slice(0, SLOTS))
    assert caught.traceback[-1].name == "fails", "the traceback is the thread's own"
    assert threads
    assert current_thread() not in threads


def test_the_thread_ends_with_the_training(data: TrainingData) -> None:
    loader = loader_of(data)
    loader.take(SIDE, np.zeros(SLOTS, dtype=bool), slice(0, SLOTS))
    (thread,) = loader._thread._threads
    assert thread.is_alive()
    del loader
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_the_samples_through_pinned_memory(data: TrainingData) -> None:
    device = torch.device("cuda")
    loader, simple, sender = loader_of(data), BatchStream(data, quick(), SIDE), Sender(device)
    sent, expected = [], []
    for wanted in masks(40):
        sent.append(sender.send(loader.take(SIDE, wanted, slice(0, SLOTS))))
        expected.append(dense(simple, wanted))
    for packed, whole in zip(sent, expected, strict=True):
        assert packed.device.type == "cuda"
        assert_same(loader.streams[SIDE].layout.batch(packed).to(torch.device("cpu")), whole)
