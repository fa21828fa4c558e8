"""Histograms over HTTP: a script logs them, a page and other programs read them."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

BINS = {"bins": [-480, 0, 480, 481], "counts": [3, 1, 4, 2], "nan": 1, "infinite": 2}


def log(client: httpx.Client, run_id: str, *histograms: dict[str, Any]) -> httpx.Response:
    return client.post(f"/api/v1/runs/{run_id}/histograms", json={"histograms": list(histograms)})


def test_what_a_script_logs_is_read_with_its_quantiles(client: httpx.Client, external: str) -> None:
    one = {"name": "layer/1", "step": 10, "wall_time": 1000.5, **BINS}
    assert log(client, external, one).json() == {"histograms": 1}
    assert log(client, external, one, {"name": "layer/2", "step": 20, "bins": [], "counts": []}).is_success
    found = client.get(f"/api/v1/runs/{external}/histograms").json()["histograms"]
    assert list(found) == ["layer/1", "layer/2"]
    assert (found["layer/1"]["step"], found["layer/1"]["wall_time"]) == ([10], [1000.5])
    for name in ("bins", "counts", "nan", "infinite"):
        assert found["layer/1"][name] == [BINS[name]]
    assert (found["layer/1"]["low"], found["layer/1"]["high"], found["layer/1"]["not_finite"]) == (
        [-480],
        [481],
        [3],
    )
    # Bin 480 begins at 2^-7, bin 481 a quarter later.
    (quantiles,) = found["layer/1"]["quantiles"]
    assert quantiles == sorted(quantiles)
    assert -1.25 / 128 <= quantiles[0] <= -1 / 128
    assert 1 / 128 <= quantiles[2] <= 1.25 / 128
    assert found["layer/2"]["quantiles"] == [None]
    only = client.get(f"/api/v1/runs/{external}/histograms", params={"names": "layer/2"}).json()
    assert list(only["histograms"]) == ["layer/2"]
    assert client.get(f"/api/v1/runs/{external}").json()["step"] == 20


def test_every_bin_is_a_line_of_a_file(client: httpx.Client, external: str) -> None:
    log(client, external, {"name": "layer", "step": 10, "wall_time": 5.0, **BINS})
    path = f"/api/v1/runs/{external}/histograms/export"
    lines = list(csv.DictReader(io.StringIO(client.get(path).text)))
    assert [(line["low"], line["count"]) for line in lines[2:]] == [
        ("0.0078125", "4"),
        ("0.009765625", "2"),
        ("NaN", "1"),
        ("Infinity", "2"),
    ]
    assert sum(int(line["count"]) for line in lines) == sum(BINS["counts"]) + 3  # type: ignore[arg-type]
    assert len(client.get(path, params={"format": "json"}).json()) == len(lines)
    assert client.get(path, params={"format": "parquet"}).content[:4] == b"PAR1"
    assert client.get(path, params={"format": "xml"}).status_code == 422


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bins": [1, 2, 3]}, "histograms.0.counts"),
        ({"bins": [5, 5, 6, 7]}, "histograms.0.bins"),
        ({"bins": [0, 1, 2, 1020]}, "histograms.0.bins.3"),
        ({"counts": [1, 1, 0, 1]}, "histograms.0.counts.2"),
        ({"name": "a,b"}, "name"),
        ({"step": -1}, "histograms.0.step"),
        ({"edges": [1]}, "histograms.0.edges"),
    ],
)
def test_what_is_no_histogram_is_refused_by_its_field(
    client: httpx.Client, external: str, change: dict[str, Any], field: str
) -> None:
    answer = log(client, external, {"name": "layer", "step": 1, **BINS, **change})
    assert answer.status_code == 422, answer.text
    assert [each["field"] for each in answer.json()["error"]["fields"]] == [field]
    assert client.get(f"/api/v1/runs/{external}/histograms").json()["histograms"] == {}


def test_only_a_run_that_is_logged_takes_them(client: httpx.Client, external: str, queued: str) -> None:
    one = {"name": "layer", "step": 1, **BINS}
    client.post(f"/api/v1/runs/{external}/finish")
    assert log(client, external, one).status_code == 409
    assert log(client, queued, one).status_code == 409
    assert log(client, "aaaaaaaaaa", one).status_code == 404
    unknown = client.get(f"/api/v1/runs/{external}/histograms", params={"names": "layr"})
    assert unknown.status_code == 404
    client.post(f"/api/v1/runs/{queued}/cancel")
