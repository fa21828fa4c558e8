"""Why a queued run waits for its turn, in words: a person's limit, and the runs of others that go first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.kit.format import counted
from backend.runs.order_queries import Standing


@dataclass(frozen=True)
class Turn:
    """How many runs are taken before this one, and what of that is not explained by the order in which people
    queued them; the texts are empty where there is nothing to explain."""

    ahead: int = 0
    limit: str = ""
    others: str = ""


AT_ONCE = Turn()


def turns(order: Sequence[Standing]) -> dict[str, Turn]:
    """Run -> its turn, of all queued runs in order."""
    return {
        run.id: Turn(at, limit_words(run), _first(run, passing) if passing and not run.is_held else "")
        for at, (run, passing) in enumerate(_passing(order))
    }


def ahead_of(new: Standing, order: Sequence[Standing]) -> list[str]:
    """The runs that are taken before a new one. Where it would be the turn of several people at once, the new
    run comes last."""
    level = new.running + new.nth
    return [
        run.id
        for run in order
        if not run.is_held
        and (run.priority > new.priority or (run.priority == new.priority and run.running + run.nth <= level))
    ]


def limit_words(run: Standing) -> str:
    """`ana may have 2 runs at once: 1 running, 1 ahead`; empty where the limit does not keep it back."""
    if run.limit is None or not run.is_held:
        return ""
    ahead = f", {run.nth - 1} ahead" if run.nth > 1 else ""
    return f"{run.owner} may have {counted(run.limit, 'run')} at once: {run.running} running{ahead}"


def _passing(order: Sequence[Standing]) -> Iterator[tuple[Standing, list[Standing]]]:
    """Each run with the last run of every other person that goes before it, though it was queued later."""
    latest: dict[tuple[int, int], Standing] = {}  # (priority, person) -> the one queued last so far
    for run in order:
        yield (
            run,
            [
                other
                for (priority, owner), other in latest.items()
                if priority == run.priority and owner != run.owner_id and other.position > run.position
            ],
        )
        key = (run.priority, run.owner_id)
        if key not in latest or latest[key].position < run.position:
            latest[key] = run


def _first(run: Standing, passing: Sequence[Standing]) -> str:
    """`bo goes first: ana has 2 running, bo 0`."""
    names = " and ".join(other.owner for other in passing[:2])
    if len(passing) > 2:
        names = f"{passing[0].owner} and {counted(len(passing) - 1, 'other person', 'other people')}"
    verb = "goes" if len(passing) == 1 else "go"
    if fewer := [other for other in passing if other.running < run.running]:
        has = f"{run.owner} has {counted(run.running, 'run')} running"
        return f"{names} {verb} first: {has}, {fewer[0].owner} {fewer[0].running}"
    return f"{names} {verb} first: people take turns"
