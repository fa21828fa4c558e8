"""Histograms of a script: counted in the lab's bins, sent once whatever dies on the way."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.histograms import bounds, of_codes
from etrm_lab.histogram import BLOCK, Histogram, bin_of
from tests.support.scripts import bring_in, log_of, run_ids, run_of, run_script, running_script
from tests.support.web import WebServer

ID = "k3v9x0q2ac"
numbers = st.lists(st.floats(width=32), max_size=60)


def histograms_of(client: httpx.Client, run_id: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1/runs/{run_id}/histograms")
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()["histograms"]
    return found


@given(numbers)
def test_lists_arrays_and_tensors_are_counted_as_the_lab_counts(values: list[float]) -> None:
    codes = np.array(values, dtype=np.float32).view(np.uint32) >> 21
    expected = of_codes(np.bincount(codes, minlength=2048).tolist())
    for given_as in (values, [values], np.array(values, dtype=np.float64), torch.tensor(values)):
        found = Histogram(given_as)
        assert (tuple(found.bins), tuple(found.counts)) == (expected.bins, expected.counts)
        assert (found.nan, found.infinite) == (expected.nan, expected.infinite)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_lies_between_the_ends_of_its_bin(value: float) -> None:
    low, high = bounds(bin_of(value))
    beyond = abs(value) >= 2.0**128  # what float32 does not hold is in the outermost bin
    assert low <= value <= high or beyond
    assert Histogram(np.array([value])).bins == Histogram([value]).bins == [bin_of(value)]


def test_a_large_array_takes_no_more_memory_than_a_block_of_it() -> None:
    """The weights of a large model are counted beside it: 18 times their own memory would end a training."""
    values = np.random.default_rng(0).normal(size=4 * BLOCK + 3).astype(np.float32)
    values[[0, BLOCK, -1]] = math.nan, math.inf, 0.0
    peaks = []
    tracemalloc.start()
    try:
        for part in (values[:BLOCK], values):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            found = Histogram(part)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    expected = of_codes(np.bincount(values.view(np.uint32) >> 21, minlength=2048).tolist())
    assert (tuple(found.bins), tuple(found.counts)) == (expected.bins, expected.counts)
    assert (found.nan, found.infinite) == (1, 1)


def test_counts_of_numpy_are_taken_at_the_middle_of_their_bins() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    found = Histogram(np_histogram=np.histogram(values, bins=64))
    assert sum(found.counts) == 5000
    assert min(found.bins) < 0 < max(found.bins)


def test_what_is_no_histogram_raises_nothing_and_tells_why() -> None:
    assert "edge" in Histogram(np_histogram=([1, 2], [0, 1])).refused
    for wrong in (None, "text", [1.0, "text"], np.array(["text"]), torch.empty(3, device="meta")):
        found = Histogram(wrong)
        assert found.refused
        assert (found.bins, found.counts, found.nan, found.infinite) == ([], [], 0, 0)
    assert not Histogram([1.0]).refused


def test_a_script_logs_them_by_either_name(tmp_path: Path, server: WebServer, client: httpx.Client) -> None:
    text = """
        import sys
        sys.modules["numpy"] = None  # not installed
        import torch
        import etrm_lab as wandb

        try:
            torch.ones(1).numpy()
        except RuntimeError:
            pass
        else:
            raise SystemExit("this PyTorch has NumPy")
        run = wandb.init(name="mine")
        grid = torch.tensor([[1, 2], [3, 4]])
        for step in range(3):
            run.log({"loss": 0.5, "weights": wandb.Histogram([float(step), 1.0, float("nan")])}, step=step)
        run.log_histogram("activations", [[1.0, 2.0], [3.0, -4.0]], step=7)
        run.log_histogram("words", "no numbers")
        run.log({"more words": wandb.Histogram("no numbers")}, step=7)
        tensor = torch.tensor([[1.0, -2.0], [float("inf"), float("nan")]], requires_grad=True)
        run.log({"tensor": wandb.Histogram(tensor), "halves": wandb.Histogram(tensor.bfloat16())}, step=7)
        table = wandb.Table(columns=["a", "b"])
        table.add_data(1, 2)
        table.add_data(3)
        broken = wandb.Table(data=5)
        run.log({"table": table, "broken": broken, "picture": wandb.Image(grid), "loss": grid.sum()}, step=7)
        run.log_grid("answer", grid)
        run.log_predictions("a", 0, [grid, grid], votes=[1], set="mine", step=7)
        run.finish()
    """
    done = run_script(tmp_path, text, server)
    assert done.returncode == 0, done.stderr
    for told in ("log_histogram('words')", "log_histogram('more words')", "Table: ", "2 grids, but 1 votes"):
        assert told in done.stderr
    (run_id,) = run_ids(tmp_path)
    found = histograms_of(client, run_id)
    steps = {name: each["step"] for name, each in found.items()}
    assert steps == {"activations": [7], "halves": [7], "tensor": [7], "weights": [0, 1, 2]}
    for name in ("tensor", "halves"):
        assert found[name]["bins"] == [[bin_of(-2.0), bin_of(1.0)]]
        assert (found[name]["nan"], found[name]["infinite"]) == ([1], [1])
    assert found["weights"]["nan"] == [1, 1, 1]
    assert found["weights"]["counts"] == [[1, 1], [2], [1, 1]]
    assert found["activations"]["bins"] == [[bin_of(value) for value in (-4.0, 1.0, 2.0, 3.0)]]
    assert run_of(client, run_id)["status"] == "finished"
    lines = "\n".join(log_of(client, run_id))
    assert "a  b\n1  2\n3" in lines
    assert lines.count("12\n34") == 2


BY_LINE = f"""
    import sys
    import etrm_lab

    run = etrm_lab.init(name="mine", resume="{ID}")
    step = run.step
    for line in sys.stdin:
        for _ in range(int(line)):
            step += 1
            run.log({{"weights": etrm_lab.Histogram([float(step + 1)] * 3)}}, step=step)
        print(step)
    run.finish()
"""


def test_a_script_that_is_killed_and_resumed_has_every_step_once(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    last = -1
    for steps in (20, 1, 30):
        with running_script(tmp_path, BY_LINE, server.url, server.token) as script:
            assert script.stdin
            assert script.stdout
            script.stdin.write(f"{steps}\n")
            script.stdin.flush()
            assert int(script.stdout.readline()) == last + steps
            last += steps
    with running_script(tmp_path, BY_LINE, server.url, server.token) as script:
        script.communicate()
    found = histograms_of(client, ID)["weights"]
    assert found["step"] == list(range(last + 1))
    assert found["counts"] == [[3]] * (last + 1)
    assert found["bins"] == [[bin_of(step + 1.0)] for step in range(last + 1)]
    assert run_of(client, ID)["status"] == "finished"


def test_those_of_tensorboard_come_in(tmp_path: Path, server: WebServer, client: httpx.Client) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    values = np.random.default_rng(0).normal(size=1000)
    counts, edges = np.histogram(values, bins=200)
    old = HistogramProto(
        min=edges[0], max=edges[-1], num=1000, bucket_limit=edges[1:].tolist(), bucket=counts.tolist()
    )
    writer = EventFileWriter(str(tmp_path / "logs"))
    for summary in (Summary(value=[Summary.Value(tag="old", histo=old)]), histogram_pb("new", values, 200)):
        writer.add_event(Event(step=5, wall_time=1_700_000_000.0, summary=summary))
    writer.close()
    done = bring_in(tmp_path, server, "tensorboard", "logs")
    assert done.returncode == 0, done.stderr
    assert "0 points, 2 histograms" in done.stdout
    found = histograms_of(client, done.stdout.split(": ")[0])
    assert {*found} == {"old", "new"}
    for each in found.values():
        assert each["step"] == [5]
        assert sum(each["counts"][0]) == 1000
        assert each["quantiles"][0][2] == pytest.approx(float(np.median(values)), abs=0.05)
        assert each["quantiles"][0][4] == pytest.approx(float(np.quantile(values, 0.95)), rel=0.15)


def test_the_journal_holds_them_as_json(tmp_path: Path) -> None:
    done = run_script(
        tmp_path, "import etrm_lab; etrm_lab.init(name='a').log_histogram('x', [1, 2, 2], step=4)"
    )
    assert done.returncode == 0, done.stderr
    (journal,) = (tmp_path / "etrm-runs").glob("*.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    (found,) = [each for each in records if each["kind"] == "histogram"]
    assert (found["name"], found["step"], found["counts"], math.isfinite(found["wall_time"])) == (
        "x",
        4,
        [1, 2],
        True,
    )
