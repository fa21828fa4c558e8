"""TensorBoard, written to as PyTorch's SummaryWriter does it: an event with a summary for each value."""

import json
import random
import sys
import time
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def add_scalar(writer, tag, value, step):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def record(steps):
    rows = [{f"metric {number}": random.random() for number in range(10)} for _ in range(steps)]
    writer = EventFileWriter("logs/run")
    blocked = []
    began = time.perf_counter()
    for step in range(steps):
        called = time.perf_counter()
        for name, value in rows[step].items():
            add_scalar(writer, name, value, step)
        blocked.append(1000 * (time.perf_counter() - called))
    writer.close()
    reader = EventAccumulator("logs/run")
    reader.Reload()
    assert reader.Scalars("metric 9")[-1].step == steps - 1
    taken = time.perf_counter() - began
    size = sum(path.stat().st_size for path in Path("logs").rglob("*") if path.is_file())
    rate, weight = 10 * steps / taken, size / steps / 10
    print(json.dumps({"points_per_s": rate, "blocked_ms": blocked, "bytes_per_point": weight}))


def fill(runs, points):
    for number in range(runs):
        writer = EventFileWriter(f"logs/run{number}")
        for step in range(points):
            value = 10.0 + number if step == points // 2 + number else 1 / (1 + step)
            add_scalar(writer, "loss", value, step)
        writer.close()


if __name__ == "__main__":
    {"record": record, "fill": fill}[sys.argv[1]](*map(int, sys.argv[2:]))
