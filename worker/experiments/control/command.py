"""`etrm control`: train, measure, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from worker.data.sets import BuiltinTasks
from worker.experiments.control.report import Report, write
from worker.experiments.control.results import read_variant, think_longer
from worker.experiments.control.training import train_all
from worker.experiments.control.variants import Scale, replicates, variants
from worker.kit.device import usable_cores
from worker.training.stop import StopSignal

SEARCHED = "e"  # the variant that is asked to think longer


def run(scale: Scale, folder: Path, jobs: int | None, tell: Callable[[str], None]) -> Path | None:
    """Train what is not trained yet, measure it, and write the report; its page, or None if stopped."""
    started = time.monotonic()
    chosen, others, cores = variants(scale), replicates(scale), usable_cores()
    folder.mkdir(parents=True, exist_ok=True)
    with StopSignal().on_signals() as stop:
        train_all((*chosen, *others), folder, jobs or cores, stop, tell)
        searches = [
            result
            for variant in chosen
            if variant.letter == SEARCHED and not stop.requested
            for result in think_longer(variant, folder / variant.folder, BuiltinTasks(), stop)
        ]
    if stop.requested:
        return None
    results, seeds = (
        [read_variant(variant, folder / variant.folder) for variant in group] for group in (chosen, others)
    )
    seconds = time.monotonic() - started
    return write(Report(results, searches, seconds, f"{cores} CPU cores", seeds), folder)
