"""Aim, as its guide begins: a repository in the working directory."""

import json
import random
import sys
import time
from pathlib import Path

from aim import Repo, Run
from aim.sdk.index_manager import RepoIndexManager
from aim.storage.context import Context


def record(steps):
    rows = [{f"metric {number}": random.random() for number in range(10)} for _ in range(steps)]
    Repo.from_path(".", init=True)
    run = Run(repo=".", system_tracking_interval=None, capture_terminal_logs=False)
    blocked = []
    began = time.perf_counter()
    for step in range(steps):
        called = time.perf_counter()
        for name, value in rows[step].items():
            run.track(value, name=name, step=step)
        blocked.append(1000 * (time.perf_counter() - called))
    run.close()
    # Its server indexes a run once it has changed; until then nothing reads it.
    repo = Repo.from_path(".")
    RepoIndexManager.get_index_manager(repo).index(run.hash)
    metric = Repo.from_path(".").get_run(run.hash).get_metric("metric 9", Context({}))
    assert len(metric.data.indices_list()) == steps
    taken = time.perf_counter() - began
    size = sum(path.stat().st_size for path in Path(".aim").rglob("*") if path.is_file())
    rate, weight = 10 * steps / taken, size / steps / 10
    print(json.dumps({"points_per_s": rate, "blocked_ms": blocked, "bytes_per_point": weight}))


def fill(runs, points):
    Repo.from_path(".", init=True)
    for number in range(runs):
        run = Run(repo=".", system_tracking_interval=None, capture_terminal_logs=False)
        for step in range(points):
            run.track(
                10.0 + number if step == points // 2 + number else 1 / (1 + step), name="loss", step=step
            )
        run.close()


if __name__ == "__main__":
    {"record": record, "fill": fill}[sys.argv[1]](*map(int, sys.argv[2:]))
