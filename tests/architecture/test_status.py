"""Nobody writes the status of a run or an evaluation but `transition`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME = "backend/runs/transition.py"
OTHERS = {
    "backend/parameter_search/service.py",  # of searches and trials: running, stopped, complete, pruned, …
    "backend/sequential/service.py",  # its own status: running, decided, undecided, failed
    "backend/study/service.py",  # its own status: running, stopped, finished
    "backend/terminal/remote.py",  # the HTTP status of an answer, in the error made of it
    "backend/web/errors.py",  # the HTTP status of an answer
}
MAKES = {"fresh_run", "add", "put"}  # a new row begins with a status; `put` leaves that of an old one


def writes(tree: ast.AST) -> Iterator[int]:
    """Lines that assign `x.status`, or give a function that may write rows a `status`."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="status", ctx=ast.Store()):
                yield node.lineno
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value="status"), _]):
                yield node.lineno
            case ast.Call(func=func) if _name(func) == "values" and any(map(_is_status, _keys(node))):
                yield node.lineno
            case ast.keyword(arg="set_", value=ast.Dict(keys=keys)) if any(map(_is_status, keys)):
                yield node.lineno
            case ast.Call(func=func) if _passes_status(node) and _name(func).islower():
                if _name(func) not in MAKES:
                    yield node.lineno


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _keys(call: ast.Call) -> Iterator[ast.expr | None]:
    for given in call.args:
        if isinstance(given, ast.Dict):
            yield from given.keys


def _is_status(key: ast.expr | None) -> bool:
    return (isinstance(key, ast.Constant) and key.value == "status") or (
        isinstance(key, ast.Attribute) and key.attr == "status"
    )


def _passes_status(call: ast.Call) -> bool:
    """Whether it is given a status that is not its caller's own parameter, handed on to be read by."""
    return any(
        keyword.arg == "status" and not (isinstance(keyword.value, ast.Name) and keyword.value.id == "status")
        for keyword in call.keywords
    )


def test_only_the_home_of_transitions_writes_a_status() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("backend", "worker")
        for path in (ROOT / folder).rglob("*.py")
        if str(path.relative_to(ROOT)) not in OTHERS
        for line in writes(ast.parse(path.read_text()))
    }
    assert {place.split(":")[0] for place in found} == {HOME}, sorted(found)


@pytest.mark.parametrize(
    "code",
    [
        "run.status = 'failed'",
        "run.status, run.cause = 'failed', ''",
        "setattr(run, 'status', 'failed')",
        "session.execute(update(Run).values(status='failed'))",
        "session.execute(update(Run).values({Run.status: 'failed'}))",
        "session.execute(update(Run).values({'status': 'failed'}))",
        "insert(Run).on_conflict_do_update(index_elements=['id'], set_={'status': 'failed'})",
        "lease.write(session, held, status=RunStatus.FAILED)",
    ],
)
def test_every_way_to_write_one_is_found(code: str) -> None:
    assert list(writes(ast.parse(code)))
