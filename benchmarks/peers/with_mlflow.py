"""MLflow, as its guide begins: no server, no settings."""

import json
import random
import sys
import time
from pathlib import Path

import mlflow
from mlflow.entities import Metric


def record(steps):
    rows = [{f"metric {number}": random.random() for number in range(10)} for _ in range(steps)]
    mlflow.set_experiment("record")
    blocked = []
    with mlflow.start_run() as run:
        mlflow.log_metrics({"warm up": 0.0}, step=0)
        before = size()
        began = time.perf_counter()
        for step in range(steps):
            called = time.perf_counter()
            mlflow.log_metrics(rows[step], step=step)
            blocked.append(1000 * (time.perf_counter() - called))
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "metric 9")
        assert len(history) == steps
        taken = time.perf_counter() - began
    weight = (size() - before) / steps / 10
    print(json.dumps({"points_per_s": 10 * steps / taken, "blocked_ms": blocked, "bytes_per_point": weight}))


def size():
    return sum(
        path.stat().st_size for path in Path(".").rglob("*") if path.is_file() and path.suffix != ".log"
    )


def fill(runs, points):
    mlflow.set_experiment("fill")
    client = mlflow.MlflowClient()
    for number in range(runs):
        with mlflow.start_run() as run:
            for first in range(0, points, 1000):
                metrics = [
                    Metric(
                        "loss", 10.0 + number if step == points // 2 + number else 1 / (1 + step), step, step
                    )
                    for step in range(first, min(first + 1000, points))
                ]
                client.log_batch(run.info.run_id, metrics=metrics)
            print(json.dumps({"run": run.info.run_id}))


if __name__ == "__main__":
    {"record": record, "fill": fill}[sys.argv[1]](*map(int, sys.argv[2:]))
