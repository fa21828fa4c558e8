"""Does a card hold? Field by field: against itself, against what this lab has, against what it computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError

from backend.domain.ablation.card import (
    FORMAT,
    VERSION,
    Card,
    CardRow,
    Derived,
    derived,
    digest_of,
)
from backend.domain.interventions import AGAIN
from backend.domain.records import Score
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.format import counted, first_of
from backend.kit.model import Model
from backend.kit.text import problems as text_problems

CLOSE = 1e-6  # by which derived numbers may differ: the last digits of a logarithm are the machine's
MOST = 5  # names of a list in words


class Finding(Model):
    """What was held against a field of the card, and how it came out."""

    field: str = Field(examples=["weights.ema", "rows[blank context].passes"])
    verdict: Literal["confirmed", "not confirmed", "not compared"]
    words: str

    @property
    def is_bad(self) -> bool:
        return self.verdict == "not confirmed"


def read(raw: Any) -> Card:
    """A card from its JSON; InvalidInput names every field that is not as a card has it."""
    kind = raw.get("format") if isinstance(raw, Mapping) else None
    if kind != FORMAT:
        raise InvalidInput("This is no ablation card.", "etrm ablate RUN writes one.")
    if raw.get("version") != VERSION:
        text = f"The card is of version {raw.get('version')!r:.20}; this lab reads version {VERSION}."
        raise InvalidInput(text, "Verify it with the version of the lab that its field lab names.")
    if problems := text_problems(raw):
        raise InvalidInput("The card holds what no card does.", problems=problems)
    try:
        return Card.model_validate(raw)
    except ValidationError as error:
        problems = [
            FieldProblem(".".join(map(str, wrong["loc"])), f"{wrong['msg']}.") for wrong in error.errors()
        ]
        raise InvalidInput("The card is not complete.", problems=problems) from None


def against_itself(card: Card) -> list[Finding]:
    """The digest, and every number that follows from the ranks."""
    findings = [_same("digest", card.digest, digest_of(card), "the digest of the rest of the card")]
    numbers = derived([row.ranks for row in card.rows])
    for row, right in zip(card.rows, numbers, strict=True):
        findings += _numbers(row, right)
        others = sorted(row.ranks.keys() - card.tasks.keys())
        text = f"not among the card's tasks: {_some(others)}"
        findings.append(_of(f"{_name(row)}.ranks", not others, "of the card's tasks", text))
    return findings


def of_weights(card: Card, here: Mapping[str, str] | None) -> list[Finding]:
    """The weights against the SHA-256 of the files of the checkpoint here, which are none where they are on
    another machine; None: there is no such checkpoint."""
    if here == {}:
        text = (
            "the files of this checkpoint are not on this server: share the artifacts folder "
            "(ETRM_ARTIFACTS), or use an object store (ETRM_ARTIFACTS_URL), then verify again"
        )
        return [Finding(field="checkpoint.weights", verdict="not confirmed", words=text)]
    if here is None:
        text = (
            "no checkpoint with this manifest is in this lab: import it (etrm run unpack), then verify again"
        )
        return [Finding(field="checkpoint.manifest", verdict="not confirmed", words=text)]
    names = sorted(card.checkpoint.weights.keys() | here.keys())
    return [
        _same(
            f"checkpoint.weights.{name}", card.checkpoint.weights.get(name), here.get(name), "the file here"
        )
        for name in names
    ]


def of_config(differing: Sequence[str]) -> Finding:
    """The config, by the paths of the fields that are another here."""
    text = f"another here: {_some(differing)}"
    return _of("config", not differing, "the same here", text)


def of_checkpoint(card: Card, run: str, step: int) -> list[Finding]:
    """What the card calls the checkpoint, which its manifest has told: by its run and its step here."""
    findings = [
        _same("checkpoint.step", card.checkpoint.step, step, "the step of this checkpoint"),
        _same("asked.step", card.asked.get("step"), step, "the step of this checkpoint"),
    ]
    return [
        *findings,
        _not_compared("checkpoint.run", f"{card.checkpoint.run}, here {run}: its manifest tells it"),
        _not_compared("checkpoint.run_name", "a name is no measurement"),
    ]


def of_writer(card: Card) -> list[Finding]:
    """What no computing can refute, and what changes no answer."""
    return [
        _not_compared("lab", f"version {card.lab} wrote it, by its own word"),
        _not_compared("made_at", "a date is no measurement"),
        _not_compared("asked.workers", "how many share an evaluation changes no answer"),
        _not_compared("asked.batch_size", "it is computed again with the one that the card asks for"),
    ]


def of_tasks(card: Card, here: Mapping[str, str]) -> Finding:
    """The tasks, by their digests here."""
    missing = sorted(card.tasks.keys() - here.keys())
    other = sorted(task for task, digest in card.tasks.items() if task in here and here[task] != digest)
    words = [f"not in {card.set} here: {_some(missing)}"] * bool(missing)
    words += [f"with other grids here: {_some(other)}"] * bool(other)
    same = f"all {counted(len(card.tasks), 'task')} have the same grids here"
    return _of("tasks", not words, same, "; ".join(words))


def of_rows(card: Card, again: Card) -> list[Finding]:
    """The rows against those that this lab computed again.

    On the same kind of device with the same code, numbers must be equal. On another, rounding may turn an
    answer, and the share solved must lie in the interval that the card states.
    """
    theirs = {row.name: row for row in again.rows}
    findings = [_same("set", card.set, again.set, "the set that it was computed again on")]
    for row in card.rows:
        if row.name not in theirs:
            findings.append(Finding(field=_name(row), verdict="not confirmed", words="has no such row here"))
        else:
            findings += _row(row, theirs[row.name], is_worded_alike=card.lab == again.lab)
    names, ours = ([row.name for row in rows] for rows in (card.rows, again.rows))
    findings.append(_of("rows", names == ours, "the same rows here", f"here: {', '.join(ours)}"))
    findings.append(_left_out(card, again))
    findings += _leaks(card, again)
    return findings


def _left_out(card: Card, again: Card) -> Finding:
    here = f"here: {'; '.join(f'{row.name}, {row.why}' for row in again.left_out)}"
    names, ours = ([row.name for row in left_out] for left_out in (card.left_out, again.left_out))
    if names != ours:
        return _of("left_out", False, "", here)
    return _worded("left_out", card.left_out == again.left_out, here, card.lab == again.lab)


def _leaks(card: Card, again: Card) -> Iterable[Finding]:
    stated, here = (of.leaks.model_dump(exclude={"words"}) for of in (card, again))
    yield _of("leaks", stated == here, "the same here", _differing(stated, here))
    is_same = card.leaks.words == again.leaks.words
    yield _worded("leaks.words", is_same, f"here: {again.leaks.words}", card.lab == again.lab)


def is_exact(one: CardRow, other: CardRow) -> bool:
    """Whether both were computed by the same code on the same kind of device: then no number may differ."""
    source, devices = one.cost.code.get("source"), sorted(set(one.cost.devices))
    return bool(source) and one.cost.code == other.cost.code and devices == sorted(set(other.cost.devices))


def _row(row: CardRow, here: CardRow, is_worded_alike: bool) -> list[Finding]:
    name, exact = _name(row), is_exact(row, here)
    protocol, ours = _of_original(row.protocol), _of_original(here.protocol)
    findings = [_of(f"{name}.protocol", protocol == ours, "the same here", _differing(protocol, ours))]
    about = (row.part, row.about) == (here.part, here.about)
    findings.append(_worded(f"{name}.about", about, f"here: {here.part}, {here.about}", is_worded_alike))
    other = [task for task in row.ranks | here.ranks if row.ranks.get(task) != here.ranks.get(task)]
    if exact:
        words = f"{_solved(row)}, computed again: the same answer to every task"
        text = f"{_solved(row)}; computed again {_solved(here)}, another answer to {_some(sorted(other))}"
        findings.append(_of(f"{name}.passes", row.ranks == here.ranks, words, text))
    else:
        (solved, n), (again, m) = row.passes["1"], here.passes["1"]
        low, high = Score(solved, n).interval
        fits = n == m and (not n or low - CLOSE <= again / m <= high + CLOSE)
        stated = f"{_solved(row)}; computed again on another device or by other code {_solved(here)}"
        findings.append(
            _of(f"{name}.passes", fits, f"{stated}, in the interval", f"{stated}, outside the interval")
        )
        turned = f"another answer to {len(other):,} of {counted(n, 'task')} here, which rounding may turn"
        findings.append(_not_compared(f"{name}.ranks", turned))
    return [*findings, *_cost(row, here, exact)]


def _cost(row: CardRow, here: CardRow, exact: bool) -> Iterable[Finding]:
    field = f"{_name(row)}.cost"
    passes = (row.cost.forward_passes, here.cost.forward_passes)
    may_differ = bool(row.protocol.get("search") or row.protocol.get("adaptation"))
    if None not in passes and (exact or not may_differ):
        yield _same(f"{field}.forward_passes", *passes, "computed again")
    else:
        why = "not recorded of both" if None in passes else "on another device it may end sooner"
        yield _not_compared(f"{field}.forward_passes", why)
    yield _not_compared(
        f"{field}.seconds", f"{row.cost.seconds:,.1f} s, here {here.cost.seconds:,.1f} s: the machine's"
    )
    if not exact:
        text = "what computed it is the card's word alone"
        yield from (_not_compared(f"{field}.{name}", text) for name in ("code", "devices"))


def _of_original(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol without the mark that a verification computed it."""
    intervention = str(protocol.get("intervention", "")).removesuffix(AGAIN).removesuffix("; ")
    return {**protocol, "intervention": intervention}


def _numbers(row: CardRow, right: Derived) -> Iterable[Finding]:
    """The numbers of a row against what follows from its ranks."""
    stated = {**{f"pass@{k}": score for k, score in row.passes.items()}, "low": row.low, "high": row.high}
    follow = {
        **{f"pass@{k}": score for k, score in right.passes.items()},
        "low": right.low,
        "high": right.high,
    }
    if row.against or right.against:
        stated |= {f"against.{key}": value for key, value in _fields(row.against).items()}
        follow |= {f"against.{key}": value for key, value in _fields(right.against).items()}
    names = [*stated, *(name for name in follow if name not in stated)]
    wrong = [name for name in names if not _is_close(stated.get(name), follow.get(name))]
    if not wrong:
        yield Finding(field=_name(row), verdict="confirmed", words="its numbers follow from its ranks")
    for name in wrong:
        text = (
            f"{_text(stated.get(name))} does not follow from the ranks, which give {_text(follow.get(name))}"
        )
        yield Finding(field=f"{_name(row)}.{name}", verdict="not confirmed", words=text)


def _fields(against: Model | None) -> dict[str, Any]:
    return against.model_dump() if against else {}


def _is_close(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_is_close, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=0, abs_tol=CLOSE)
    return bool(one == other)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return "; ".join(f"{name} is {one.get(name)!r}, here {other.get(name)!r}" for name in names)


def _solved(row: CardRow) -> str:
    solved, n = row.passes["1"]
    return f"{solved:g}/{n}"


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "/".join(map(_text, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _name(row: CardRow) -> str:
    return f"rows[{row.name}]"


def _some(names: Sequence[str]) -> str:
    return first_of(names, MOST)


def _same(field: str, stated: Any, right: Any, what: str) -> Finding:
    return _of(field, stated == right, f"as {what}", f"{stated} is not {what}: {right}")


def _not_compared(field: str, words: str) -> Finding:
    """Of what need not be alike, or cannot be computed again."""
    return Finding(field=field, verdict="not compared", words=words)


def _worded(field: str, is_same: bool, otherwise: str, is_worded_alike: bool) -> Finding:
    """Of words that follow from the rest. Another release of the lab may say them in another way."""
    if is_same or is_worded_alike:
        return _of(field, is_same, "the same here", otherwise)
    return _not_compared(field, f"worded by another version of the lab; {otherwise}")


def _of(field: str, is_right: bool, words: str, otherwise: str) -> Finding:
    verdict: Literal["confirmed", "not confirmed"] = "confirmed" if is_right else "not confirmed"
    return Finding(field=field, verdict=verdict, words=words if is_right else otherwise)
