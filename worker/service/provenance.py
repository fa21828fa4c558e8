"""What this process computes with: code, packages, machine and task sets, for the record of a run."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.domain.arc.task import Task
from backend.domain.experiment import ExperimentConfig
from backend.domain.provenance import Provenance
from backend.kit.errors import EtrmError
from backend.kit.secrets_in_text import without_secrets
from worker.data.sets import TaskSource
from worker.kit import sources
from worker.service import machine

_DRIVER = Path("/proc/driver/nvidia/version")


class ReadAhead:
    """A TaskSource that hands on what it read before: a set is read once for its digest and for training."""

    def __init__(self, source: TaskSource) -> None:
        self._source = source
        self._ahead: dict[str, tuple[Task, ...]] = {}

    def peek(self, set_name: str) -> tuple[Task, ...]:
        """The tasks, which the next call of `tasks` returns again."""
        self._ahead[set_name] = self._source.tasks(set_name)
        return self._ahead[set_name]

    def tasks(self, set_name: str) -> tuple[Task, ...]:
        return self._ahead.pop(set_name, None) or self._source.tasks(set_name)


def collect(config: ExperimentConfig, source: ReadAhead) -> tuple[Provenance, sources.Checkout]:
    """What a training of `config` is computed with by this process, and where its code comes from.

    Loads torch. What cannot be found out is left empty: it must not keep a training from its work.
    """
    code = sources.checkout() or sources.Checkout()
    names = dict.fromkeys((*config.data.training_sets, *(each.name for each in config.evaluation.sets)))
    packages = _packages()
    cuda, devices = _gpus()
    found = Provenance(
        version=packages.get("etrm-lab", ""),
        source=sources.digest(),
        commit=code.commit,
        remote=without_secrets(code.remote)[0][:1000],
        python=platform.python_version(),
        packages=packages,
        cuda=cuda,
        driver=_driver(),
        devices=devices,
        processor=machine.cpu_name(),
        platform=platform.platform()[:200],
        host=socket.gethostname()[:200],
        command=_command(),
        sets={name: digest for name in names if (digest := _digest_of(name, source))},
    )
    return found, code


def _command() -> str:
    """As it was typed, without secrets; a letter that is not UTF-8 as a question mark."""
    typed = " ".join(sys.orig_argv).encode(errors="replace").decode()
    return without_secrets(typed)[0][:4000]


def digest_of(tasks: Sequence[Task]) -> str:
    """SHA-256 of the tasks: ids and all grids, in the order of the ids."""
    total = hashlib.sha256()
    for task in sorted(tasks, key=lambda each: each.id):
        pairs = [f"{pair.input.digits}>{pair.output.digits}" for pair in task.demonstrations]
        pairs += [f"{test.input.digits}?{test.output.digits if test.output else ''}" for test in task.tests]
        total.update("\n".join([task.id, *pairs, ""]).encode())
        if task.pool:
            total.update(b"".join(task.pool.layout))
    return total.hexdigest()


def _digest_of(name: str, source: ReadAhead) -> str:
    try:
        return digest_of(source.peek(name))
    except EtrmError:
        return ""  # the training says what is wrong with the set


def _packages() -> dict[str, str]:
    """Name -> version of what is installed, read off the names of its folders: opening each takes long.

    A folder inside a package holds that package's own copies. Setuptools adds its folder to the path once it
    is imported, as PyTorch does to compile: two starts would differ by what they had imported.
    """
    found = {}
    for folder in reversed(sys.path):  # what comes first in the path is what is imported
        if os.path.isfile(os.path.join(folder, os.pardir, "__init__.py")):
            continue
        for info in _names_in(folder):
            if info.endswith(".dist-info"):
                name, _, version = info.removesuffix(".dist-info").rpartition("-")
                found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return dict(sorted(found.items())[:2000])


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder or os.curdir)
    except OSError:  # an archive, not there, or not ours to read: Python passes over it, too
        return []


def _gpus() -> tuple[str, list[str]]:
    """CUDA's version and the names of the GPUs."""
    import torch

    if not torch.cuda.is_available():
        return "", []
    count = min(torch.cuda.device_count(), 64)
    return torch.version.cuda or "", [torch.cuda.get_device_name(index) for index in range(count)]


def _driver() -> str:
    try:
        text = _DRIVER.read_text()
    except OSError:
        return ""
    found = re.search(r"\b\d{3}\.\d+(?:\.\d+)*\b", text)
    return found[0] if found else ""
