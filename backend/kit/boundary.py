"""Where the failure of one part ends: a chart, a card, a row or a panel shows its own error in its place.

A page is made of parts that know nothing of one another, from data that anybody may send. Whoever puts
such parts together asks for each through `shielded`: what fails is logged with its traceback under a trace
id, and comes back as `Broken`, whose text names that id. An unreachable database is no failure of a part: it
passes.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from backend.kit.errors import EtrmError, Unavailable

log = logging.getLogger(__name__)
Part = TypeVar("Part")
PASSING = ("OperationalError", "InterfaceError", "PendingRollbackError")  # SQLAlchemy's: the database is away


@dataclass(frozen=True)
class Broken:
    """What stands in the place of a part that could not be made; the log has the traceback under `trace`."""

    what: str
    trace: str
    reason: str = ""  # a refusal's own words

    @property
    def text(self) -> str:
        """For people."""
        if self.reason:
            return self.reason
        return f"Could not show {self.what} (error {self.trace}). The server's log has the details."


def shielded(what: str, make: Callable[[], Part]) -> Part | Broken:
    """What `make` makes, or why there is nothing. `what` completes "Could not show …": `chart 'loss'`."""
    try:
        return make()
    except Unavailable:
        raise
    except EtrmError as error:
        return Broken(what, "", " ".join([error.message, *map(str, error.problems[:1])]))
    except Exception as error:
        if type(error).__name__ in PASSING:
            raise
        broken = Broken(what, secrets.token_hex(4))
        log.exception("error %s: could not show %s", broken.trace, what)
        return broken


def or_else(made: Part | Broken, otherwise: Part) -> Part:
    """The part, or something plain in its place where nobody could be told more."""
    return otherwise if isinstance(made, Broken) else made
