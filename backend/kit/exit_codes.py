"""With which code a command ends: the same for a lab elsewhere and on this machine, and for the client."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from http import HTTPStatus
from types import MappingProxyType

from backend.kit.errors import EtrmError, Interrupted


class ExitCode(IntEnum):
    """What became of a command; `MEANINGS` says it to people."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130  # 128 + SIGINT, as shells say it


MEANINGS: Mapping[ExitCode, str] = MappingProxyType(
    {
        ExitCode.DONE: "Done.",
        ExitCode.FAILED: "Refused, failed, or a check found a problem.",
        ExitCode.USAGE: "Wrong usage; the message names the option or argument.",
        ExitCode.NOT_FOUND: "No such run, evaluation, file or other thing.",
        ExitCode.NOT_ALLOWED: "The token is missing or wrong, or may not do this.",
        ExitCode.UNAVAILABLE: "The lab, its database or broker does not answer, or has no room.",
        ExitCode.INTERRUPTED: "Stopped with Ctrl-C.",
    }
)

_OF_STATUS: Mapping[HTTPStatus, ExitCode] = MappingProxyType(
    {
        HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
        HTTPStatus.UNAUTHORIZED: ExitCode.NOT_ALLOWED,
        HTTPStatus.FORBIDDEN: ExitCode.NOT_ALLOWED,
        HTTPStatus.TOO_MANY_REQUESTS: ExitCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE: ExitCode.UNAVAILABLE,
        HTTPStatus.INSUFFICIENT_STORAGE: ExitCode.UNAVAILABLE,
    }
)


def code_of(error: EtrmError) -> ExitCode:
    """The code of a command that ended with this error."""
    if isinstance(error, Interrupted):
        return ExitCode.INTERRUPTED
    return _OF_STATUS.get(error.status, ExitCode.FAILED)
