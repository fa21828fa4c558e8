"""What is typed after `etrm` is text: the check that `backend.web.entrance.door` makes of requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.output import OPTION
from backend.kit.text import fault, writable

# The command and the option after which people write several lines: notes, JSON values.
_NOTE, _JSON = ["runs", "note"], "--set"


def check_arguments(arguments: Sequence[str]) -> None:
    """InvalidInput names every argument that has a control character, or bytes that are not UTF-8."""
    if found := list(_problems(arguments)):
        raise InvalidInput("Invalid command line.", "Type it without that character.", found)


def _problems(arguments: Sequence[str]) -> Iterator[FieldProblem]:
    before, command = "", _command(arguments)
    for number, argument in enumerate(arguments, 1):
        option, sign, _ = argument.partition("=")
        name = option if argument.startswith("-") and sign else before
        lines = command == _NOTE or name == _JSON
        if said := fault(argument, lines):
            known_as = name if name.startswith("-") else f"argument {number}"
            yield FieldProblem(writable(known_as), said)
        before = argument


def _command(arguments: Sequence[str]) -> list[str]:
    """The words of the command, after the options of `etrm` itself."""
    words = [each for each in arguments if each != OPTION]
    at = 0
    while at < len(words) and (option := words[at].partition("="))[0] in ("--url", "--token"):
        at += 1 if option[1] else 2
    return words[at : at + 2]
