"""`etrm control`: train, measure, report."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from backend.kit.format import counted
from worker.experiments.control.jobs import Training
from worker.experiments.control.methods import methods_of
from worker.experiments.control.processes import Job, run_all
from worker.experiments.control.report import Cost, Report, write
from worker.experiments.control.results import MethodResult, VariantResult, read_method, read_variant
from worker.experiments.control.variants import Scale, Variant, trainings, variants
from worker.kit.device import usable_cores
from worker.training.stop import StopSignal


def run(scale: Scale, folder: Path, jobs: int | None, tell: Callable[[str], None]) -> Path | None:
    """Train what is not trained yet, measure it, and write the report; its page, or None if stopped.

    Conflict where the folder holds the trainings of another scale.
    """
    started, cores = _spent(), usable_cores()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = trainings(scale)
    fresh = not any((folder / variant.folder).exists() for variant in chosen)
    with StopSignal().on_signals() as stop:
        run_all(_jobs(scale, folder), jobs or cores, stop, tell)
    if stop.requested:
        return None
    cost = _spent().since(started) if fresh else None
    by_letter = _by_letter(chosen, folder)
    results = [_variant(variant, by_letter[variant.letter]) for variant in variants(scale)]
    measured = _measured(scale, by_letter)
    return write(Report(scale, results, measured, cost, counted(cores, "CPU core")), folder)


def _spent() -> Cost:
    """Of the clock, and of the processors by children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(time.monotonic(), children.ru_utime + children.ru_stime)


def _jobs(scale: Scale, folder: Path) -> list[Job]:
    """What is still to be trained, each followed by its measurement; measurements of what is trained."""
    found = []
    for variant in trainings(scale):
        measurement = partial(_measurement, variant, scale, folder)
        training = _opened(variant, folder).job()
        found.append(replace(training, then=measurement) if training else measurement())
    return [job for job in found if job]


def _measurement(variant: Variant, scale: Scale, folder: Path) -> Job | None:
    return _opened(variant, folder).measurement(
        [
            method.options(decodes)
            for method in methods_of(variant.letter)
            for decodes in method.budgets(scale.budgets)
        ]
    )


def _opened(variant: Variant, folder: Path) -> Training:
    return Training(f"{variant.title}, seed {variant.seed}", variant.config, folder / variant.folder)


def _by_letter(chosen: Sequence[Variant], folder: Path) -> dict[str, list[Training]]:
    """The trainings of each variant, one for each seed."""
    found: dict[str, list[Training]] = {}
    for variant in chosen:
        found.setdefault(variant.letter, []).append(_opened(variant, folder))
    return found


def _variant(variant: Variant, seeds: Sequence[Training]) -> VariantResult:
    return read_variant(variant.letter, variant.title, variant.label, seeds)


def _measured(scale: Scale, by_letter: Mapping[str, Sequence[Training]]) -> list[MethodResult]:
    return [
        read_method(letter, method, decodes, seeds)
        for letter, seeds in by_letter.items()
        for method in methods_of(letter)
        for decodes in method.budgets(scale.budgets)
    ]
