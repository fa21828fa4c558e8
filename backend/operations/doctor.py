"""`etrm doctor`: look at every part of the lab at once, and wait for none of them for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from backend.kit.errors import EtrmError
from backend.operations.checks import database, machine, services
from backend.operations.checks import settings as environment
from backend.operations.checks.finding import Check, Finding, Level, problem
from backend.settings import InvalidSettings, Settings

PATIENCE = 8.0  # seconds for all checks together, which run side by side
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "settings": environment.check,
        "database": database.check,
        "broker": services.check_broker,
        "web server": services.check_web,
        "object store": services.check_store,
        "artifacts": machine.check_artifacts,
        "devices": machine.check_devices,
        "packages": machine.check_packages,
    }
)


def examine(
    settings: Settings, checks: Mapping[str, Check] = CHECKS, patience: float = PATIENCE
) -> Sequence[Finding]:
    """What every check found, in their order. One that hangs is told of after `patience` seconds; its thread
    is left behind, and ends with the process."""
    runs = [_Run(name, check, settings) for name, check in checks.items()]
    deadline = time.monotonic() + patience
    return [finding for run in runs for finding in run.findings(deadline - time.monotonic(), patience)]


def look() -> Sequence[Finding]:
    """What `examine` finds on the environment's settings, or what is wrong with these."""
    try:
        settings = Settings.load()
    except InvalidSettings as error:
        return [problem("settings", error.message, error.hint)]
    return examine(settings)


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing is a problem."""
    return all(finding.level is not Level.PROBLEM for finding in findings)


class _Run:
    """One check in a thread of its own."""

    def __init__(self, name: str, check: Check, settings: Settings) -> None:
        self._name = name
        self._check = check
        self._settings = settings
        self._found: list[Finding] = []
        self._thread = threading.Thread(target=self._run, name=f"check {name}", daemon=True)
        self._thread.start()

    def findings(self, seconds: float, patience: float) -> list[Finding]:
        """What it has found by then."""
        self._thread.join(max(seconds, 0))
        found = list(self._found)
        if self._thread.is_alive():
            found.append(
                problem(
                    self._name,
                    f"It has not answered within {patience:.0f} s.",
                    "It hangs: see whether its process, its machine and the network are there.",
                )
            )
        return found

    def _run(self) -> None:
        try:
            for finding in self._check(self._settings):
                self._found.append(finding)
        except EtrmError as error:
            self._found.append(problem(self._name, error.message, error.hint))
        except Exception as error:  # noqa: BLE001 — a check that breaks is a finding, too
            text = f"{type(error).__name__}: {error}"
            self._found.append(problem(self._name, f"It could not be examined: {text}.", "Report this."))
