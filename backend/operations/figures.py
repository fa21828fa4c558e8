"""The lab in figures, read at each scrape: runs by status, workers, live connections, free space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.kit.disk import free_bytes
from backend.runs import queries as runs
from backend.settings import Settings
from backend.web.tally import REGISTRY
from backend.workers import service as workers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # the format that every Prometheus reads


@dataclass(frozen=True)
class Stored:
    """What the database says."""

    runs: dict[str, int]  # status -> number
    idle: int
    busy: int
    out: int  # of service
    offline: int
    utilisation: dict[str, float]  # worker id -> of its device; those online that tell it
    memory_used: dict[str, float]  # worker id -> bytes of its device
    memory: dict[str, float]  # worker id -> bytes that its device has


def page(engine: Engine, settings: Settings, streams: int) -> bytes:
    """Everything, as Prometheus reads it. Unavailable while the database does not answer."""
    registry = CollectorRegistry()
    registry.register(_Lab(read(engine), settings, streams))
    return generate_latest(registry) + generate_latest(REGISTRY)


def read(engine: Engine) -> Stored:
    """The database's part."""
    with reading_scope(engine) as session:
        counts = runs.counts(session)
        listed = workers.listed(session)
    online = [each for each in listed if each.alive]
    idle = sum(each.is_idle for each in online)
    busy = sum(each.current_run_id is not None for each in online)
    return Stored(
        {status.value: count for status, count in counts.items()},
        idle,
        busy,
        len(online) - idle - busy,
        len(listed) - len(online),
        {each.id: each.utilisation for each in online if each.utilisation is not None},
        {each.id: each.memory_used for each in online if each.memory_used is not None},
        {each.id: each.memory_bytes for each in online},
    )


class _Lab(Collector):
    """One reading of the lab's state, as gauges."""

    def __init__(self, stored: Stored, settings: Settings, streams: int) -> None:
        self._stored = stored
        self._settings = settings
        self._streams = streams

    def collect(self) -> Iterable[Metric]:
        yield _gauge("etrm_info", "The version of ETRM Lab.", {version("etrm-lab"): 1}, "version")
        yield _gauge("etrm_streams_open", "Live connections of open pages and scripts.", self._streams)
        yield _gauge("etrm_streams_limit", "How many there may be.", self._settings.streams)
        free = free_bytes(self._settings.artifacts)
        if free is not None:
            yield _gauge("etrm_artifacts_free_bytes", "Free disk space where checkpoints go.", free)
        yield from _of_database(self._stored)


def _of_database(stored: Stored) -> Iterator[Metric]:
    yield _gauge("etrm_runs", "Runs by status.", stored.runs, "status")
    states = {"idle": stored.idle, "busy": stored.busy, "out": stored.out, "offline": stored.offline}
    yield _gauge("etrm_workers", "Workers by state; out: of service.", states, "state")
    for name, text, values in (
        ("utilisation", "How busy the device of each worker online is, 0 to 1.", stored.utilisation),
        ("memory_used_bytes", "Memory in use on that device, by any process.", stored.memory_used),
        ("memory_bytes", "All memory of that device.", stored.memory),
    ):
        yield _gauge(f"etrm_worker_{name}", text, values, "worker")


def _gauge(name: str, text: str, value: float | Mapping[str, float], label: str = "") -> GaugeMetricFamily:
    """A gauge of one value, or of one for each value of a label."""
    if not isinstance(value, Mapping):
        return GaugeMetricFamily(name, text, value=float(value))
    family = GaugeMetricFamily(name, text, labels=[label])
    for each, number in value.items():
        family.add_metric([each], number)
    return family
