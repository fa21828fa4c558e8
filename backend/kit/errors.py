"""Every error a user can meet: what happened, what to do about it, and its HTTP status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True)
class FieldProblem:
    """One thing wrong with one named field of the user's input."""

    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.field}: {self.message}" if self.field else self.message
        return f"{text} {self.hint}".rstrip()


class EtrmError(Exception):
    """Base of every error with words for the user; one handler turns it into a response."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"

    def __init__(self, message: str, hint: str = "", problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)

    @property
    def causes(self) -> str:
        """What is wrong in one line, field by field; where no field is named, the message."""
        return "; ".join(map(str, self.problems)) or self.message

    def __str__(self) -> str:
        lines = [f"{self.message} {self.hint}".rstrip()]
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines)


class InvalidInput(EtrmError):
    """A form, body, file or option does not say something we can act on."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_input"


class InvalidConfig(InvalidInput):
    """An experiment config has unknown, mistyped or out-of-range fields."""

    code = "invalid_config"


class DeviceMissing(InvalidConfig):
    """A config asks for a device that torch cannot use on this machine."""


class InvalidTaskFile(InvalidInput):
    """A file is not an ARC task in Kaggle or single-task form."""

    code = "invalid_task_file"


class TooLarge(EtrmError):
    """An upload or body is over its limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class NotFound(EtrmError):
    """The run, task, checkpoint or page does not exist."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class Conflict(EtrmError):
    """The thing exists but its state does not allow what was asked."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


class IllegalTransition(Conflict):
    """A run or an evaluation cannot go from the one status to the other."""

    code = "illegal_transition"


class Unauthorised(EtrmError):
    """No token, or a token that is unknown or revoked."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorised"


class Forbidden(EtrmError):
    """The request comes from a host or origin that may not ask this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class CheckpointMissing(NotFound):
    """The run has no checkpoint, or its file is gone."""

    code = "checkpoint_missing"


class CheckpointCorrupt(EtrmError):
    """A checkpoint's bytes do not match its checksum or cannot be read."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "checkpoint_corrupt"


class StorageFull(EtrmError):
    """The disk, a quota or a file size limit leaves no room for what must be written."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "storage_full"


class TrainingDiverged(EtrmError):
    """The loss or a gradient is not finite any more; the run cannot continue."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "training_diverged"


class TooManyRequests(EtrmError):
    """Somebody, or everybody together, asks for more at once than the server gives."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"

    def __init__(self, message: str, hint: str, retry_after: int) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after  # seconds


class Unavailable(EtrmError):
    """The database or broker does not answer at the moment."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    retry_after = 2  # seconds


class Interrupted(EtrmError):
    """The user stopped a command; the message says what became of its work. No response ever has it."""

    code = "interrupted"
