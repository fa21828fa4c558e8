"""What `etrm-lab` answers: text or, with --json, one JSON document; errors have the form of `etrm`'s."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any, NoReturn

from etrm_lab.exit_codes import ExitCode

OPTION = "--json"


# What the error of a command that ends so is called in JSON, as the API calls it.
_NAMES = {
    ExitCode.FAILED: "invalid_input",
    ExitCode.USAGE: "usage",
    ExitCode.NOT_FOUND: "not_found",
    ExitCode.NOT_ALLOWED: "unauthorised",
    ExitCode.UNAVAILABLE: "unavailable",
    ExitCode.INTERRUPTED: "interrupted",
}


class Failure(Exception):
    """Ends a command: what is wrong, what to do about it, and with which code."""

    def __init__(
        self, message: str, hint: str = "", code: ExitCode = ExitCode.FAILED, field: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.code, self.field = message, hint, code, field

    def tell(self, as_json: bool) -> None:
        """Print it on standard error."""
        if not as_json:
            print(f"Error: {self.message} {self.hint}".rstrip(), file=sys.stderr)
            return
        fields = [{"field": self.field, "message": self.message, "hint": ""}] if self.field else []
        body = {"code": _NAMES[self.code], "message": self.message, "hint": self.hint, "fields": fields}
        print(json.dumps({"error": body}, indent=2), file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Arguments of a command, which takes --json wherever it stands; what is wrong is a Failure with it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.add_argument(
            OPTION,
            action="store_true",
            dest="json",
            default=argparse.SUPPRESS,
            help="print one JSON document",
        )

    def error(self, message: str) -> NoReturn:
        """Wrong usage, with the argument's name."""
        if OPTION not in sys.argv:
            super().error(message)
        named = re.match(r"argument ([^:]+): |.* required: (.+)|unrecognized arguments: (.+)", message)
        field = next((name for name in named.groups() if name), "") if named else ""
        raise Failure(f"{message}.", f"See {self.prog} --help.", ExitCode.USAGE, field or "arguments")
