"""Refuse input: what is wrong with which field, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from backend.kit.errors import FieldProblem, InvalidInput, NotFound
from backend.kit.format import first_of

MOST_NAMED = 50  # of the names that there are: a script's metrics or sets may be thousands
NEAR_ID = 0.5  # similarity from which an id is suggested for another; names need difflib's 0.6


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name most like `name`, or None if none is at least `cutoff` like it."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(
    name: str, known: Iterable[str], otherwise: str = "", most: int = 1, cutoff: float = 0.6
) -> str:
    """`Did you mean 'x'?` (or `'x' or 'y'?`, up to `most`); `otherwise` if nothing known is like `name`."""
    close = get_close_matches(name, list(map(str, known)), n=most, cutoff=cutoff)  # of an enum: its values
    return f"Did you mean {' or '.join(map(repr, close))}?" if close else otherwise


def one_of(name: str, known: Iterable[str]) -> str:
    """The hint for a name that is not among `known`: the nearest, or all there are."""
    names = list(map(str, known))
    choices = f"Choose one of {first_of(names, MOST_NAMED)}." if names else "There are none."
    return did_you_mean(name, names, choices)


def not_valid(field: str, value: object, known: Iterable[str], noun: str = "") -> FieldProblem:
    """`'hgih' is not a valid priority.`, with the nearest of `known`. `noun`: where it is not the field."""
    message = f"{value!r} is not a valid {noun or field.replace('_', ' ')}."
    return FieldProblem(field, message, one_of(str(value), known))


def invalid(summary: str, field: str, message: str, hint: str = "") -> InvalidInput:
    """The refusal of one field; `summary` says what did not happen."""
    return InvalidInput(summary, problems=[FieldProblem(field, message, hint)])


def invalid_query(field: str, message: str, hint: str = "") -> InvalidInput:
    """The refusal of a list, table or page because of one of its parameters."""
    return invalid("Invalid query.", field, message, hint)


def unknown(noun: str, name: str, known: Iterable[str], otherwise: str = "") -> NotFound:
    """`Task set 'x' not found.`, with the nearest of `known`, else `otherwise` or all there are."""
    hint = did_you_mean(name, known, otherwise) if otherwise else one_of(name, known)
    return NotFound(f"{noun.capitalize()} {name!r} not found.", hint)


def unknown_id(noun: str, given: str, ids: Iterable[str], otherwise: str) -> NotFound:
    """`Run 'x' not found.`, with up to three ids like it; `otherwise` says where all are listed."""
    return NotFound(f"{noun.capitalize()} {given!r} not found.", nearest_ids(given, ids, otherwise))


def nearest_ids(given: str, ids: Iterable[str], otherwise: str) -> str:
    """The hint for a mistyped id: up to three like it, else `otherwise`."""
    return did_you_mean(given, ids, otherwise, most=3, cutoff=NEAR_ID)
