"""Trackio, as its guide begins: a local project."""

import contextlib
import json
import os
import random
import sys
import time
from pathlib import Path

import trackio
from trackio.sqlite_storage import SQLiteStorage


def record(steps):
    rows = [{f"metric {number}": random.random() for number in range(10)} for _ in range(steps)]
    with contextlib.redirect_stdout(sys.stderr):
        trackio.init(project="record", name="run")
    blocked = []
    began = time.perf_counter()
    for step in range(steps):
        called = time.perf_counter()
        trackio.log(rows[step], step=step)
        blocked.append(1000 * (time.perf_counter() - called))
    with contextlib.redirect_stdout(sys.stderr):
        trackio.finish()
    logs = SQLiteStorage.get_logs("record", "run")
    assert logs[-1]["step"] == steps - 1, logs[-1]
    taken = time.perf_counter() - began
    folder = Path(os.environ["TRACKIO_DIR"])
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    rate, weight = 10 * steps / taken, size / steps / 10
    print(json.dumps({"points_per_s": rate, "blocked_ms": blocked, "bytes_per_point": weight}))


if __name__ == "__main__":
    {"record": record}[sys.argv[1]](*map(int, sys.argv[2:]))
