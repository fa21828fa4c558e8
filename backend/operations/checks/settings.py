"""The environment: names that nothing reads, and values that contradict each other or the machine."""

from __future__ import annotations

import ipaddress
import os
import resource
from collections.abc import Iterator, Mapping

from sqlalchemy.engine import make_url

from backend.kit.problems import did_you_mean
from backend.operations.checks.finding import Finding, ok, warning
from backend.settings import PREFIX, Settings

PART = "settings"
OF_OTHERS = {  # variables that are no settings, and the file that reads them
    "ETRM_TORCH": ".ci/install.py",
    "ETRM_POSTGRES_PASSWORD": "docker-compose.yml",
    "ETRM_HYPOTHESIS": "tests/conftest.py",
}
FILES_BESIDES = 200  # descriptors that the web server needs besides its streams


def check(settings: Settings) -> Iterator[Finding]:
    """Every contradiction, or that there is none."""
    found = [*_unknown_names(os.environ), *_contradictions(settings)]
    yield from found or [ok(PART, f"home {settings.home}, artifacts {settings.artifacts}")]


def _unknown_names(environment: Mapping[str, str]) -> Iterator[Finding]:
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in (*known, *OF_OTHERS):
            yield warning(
                PART,
                f"{name} is set and not a setting.",
                did_you_mean(name, known, "Unset it, or see the README for the names."),
            )


def _contradictions(settings: Settings) -> Iterator[Finding]:
    is_sqlite = make_url(settings.database_url).get_backend_name() == "sqlite"
    if settings.nodes > 1 and is_sqlite:
        yield warning(
            PART,
            f"ETRM_NODES is {settings.nodes}, but an SQLite file serves one machine.",
            "Set ETRM_DATABASE_URL to a PostgreSQL database.",
        )
    if settings.nodes > 1 and settings.broker_url is None:
        yield warning(
            PART,
            f"ETRM_NODES is {settings.nodes}, but the embedded broker serves one machine.",
            "Set ETRM_BROKER_URL to a Redis or Valkey server.",
        )
    if not _is_loopback(settings.host) and not settings.public_hosts:
        yield warning(
            PART,
            f"ETRM_HOST is {settings.host}, and neither ETRM_ALLOWED_HOSTS nor ETRM_PUBLIC_URL is set: "
            "browsers that use another name are refused.",
            "Set ETRM_ALLOWED_HOSTS to the names under which browsers reach the lab.",
        )
    if settings.streams_per_person > settings.streams:
        yield warning(
            PART,
            "ETRM_STREAMS_PER_PERSON is more than ETRM_STREAMS: one person can take all live connections.",
            "Lower ETRM_STREAMS_PER_PERSON.",
        )
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and settings.streams + FILES_BESIDES > files:
        yield warning(
            PART,
            f"ETRM_STREAMS is {settings.streams}, but a process may open no more than {files} files.",
            "Raise the limit (ulimit -n), or lower ETRM_STREAMS.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
