"""Where a training loop reports to. The loop knows this protocol only; null objects replace ifs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from backend.domain.histograms import Histogram
from backend.domain.records import (
    Alarm,
    Checkpoint,
    EvaluationKey,
    EvaluationSummary,
    Progress,
    Ruling,
    TestOutcome,
)
from backend.domain.snapshots import Snapshot
from backend.domain.trained_on import TrainedOn


class LostRun(Exception):
    """Another attempt has the run by now: this process has to leave it alone."""


class Recorder(Protocol):
    """Receives everything a run emits. Methods return at once; `trained_on` and `flush` wait until all that
    came before is durable, `settle` until it would survive a kill of this process."""

    def trained_on(self, record: TrainedOn) -> TrainedOn:
        """Take what a start of the run trains on, and return it with all that is known of the run it starts
        from and of its own earlier starts."""
        ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def histograms(self, step: int, groups: Mapping[str, Histogram]) -> None: ...

    def contexts(self, snapshot: Snapshot) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def log(self, text: str, level: str = "info") -> None: ...

    def alarm(self, alarm: Alarm) -> None: ...

    def ruled(self, ruling: Ruling) -> None: ...

    def checkpoint(self, checkpoint: Checkpoint) -> None: ...

    def release(self, paths: Sequence[str], remove: Callable[[str], None]) -> None:
        """The training keeps these checkpoints no longer: `remove` is called, on any thread, with each that
        nothing else needs, once everything reported before is durable."""
        ...

    def evaluation_started(self, key: EvaluationKey) -> None: ...

    def outcome(self, key: EvaluationKey, outcome: TestOutcome) -> None: ...

    def evaluation_finished(self, summary: EvaluationSummary) -> None: ...

    def settle(self) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class NullRecorder:
    """Forgets everything: benchmarks and notebooks."""

    def trained_on(self, record: TrainedOn) -> TrainedOn:
        return record

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def histograms(self, step: int, groups: Mapping[str, Histogram]) -> None:
        pass

    def contexts(self, snapshot: Snapshot) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        pass

    def log(self, text: str, level: str = "info") -> None:
        pass

    def alarm(self, alarm: Alarm) -> None:
        pass

    def ruled(self, ruling: Ruling) -> None:
        pass

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        pass

    def release(self, paths: Sequence[str], remove: Callable[[str], None]) -> None:
        for path in paths:
            remove(path)

    def evaluation_started(self, key: EvaluationKey) -> None:
        pass

    def outcome(self, key: EvaluationKey, outcome: TestOutcome) -> None:
        pass

    def evaluation_finished(self, summary: EvaluationSummary) -> None:
        pass

    def settle(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
