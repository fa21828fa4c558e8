"""The launch form's seeds and sweep: what a person typed <-> a sweep, with each problem at its input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from backend.domain.experiment import ExperimentConfig
from backend.domain.parameter_search import ParameterSearch, parse_search
from backend.domain.sweeps import (
    Confound,
    Sweep,
    Variation,
    confounds,
    parse_sweep,
    read_axis,
    sweepable,
    value_at,
)
from backend.kit.errors import Conflict, FieldProblem, InvalidInput
from backend.launch.form_values import shown

NAMES_SHOWN = 6
_ROW = re.compile(r"sweep\.(?:path|values)\.(\d{1,4})")

Mode = Literal["grid", "random", "search"]  # search: a parameter search
Planner = Callable[[ExperimentConfig, Sweep], tuple[Variation, ...]]
SearchChecker = Callable[[ExperimentConfig, ParameterSearch], None]
# Mode -> what its fields are called where they are refused.
AXES: Mapping[str, str] = {"grid": "sweep.grid", "random": "sweep.random", "search": "search.fields"}
INPUTS = ("seeds", "count", "objective", "trials", "at_once", "prune_from")  # those that are no rows


@dataclass(frozen=True)
class Row:
    """A swept field: its path and its values as typed. `about` says what the field is and holds now."""

    number: int
    path: str
    values: str
    about: str = ""
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True)
class SweepForm:
    """What stands in the form, what is wrong with it, and which runs it makes."""

    seeds: str = "1"
    mode: Mode = "grid"
    count: str = ""
    name: str = ""
    same_depth: bool = False
    objective: str = "pass@1"
    trials: str = "20"
    at_once: str = "1"
    prune_from: str = ""
    rows: tuple[Row, ...] = ()
    sweep: Sweep | None = None  # None: one run of the config, or a parameter search
    search: ParameterSearch | None = None
    problems: tuple[FieldProblem, ...] = ()
    runs: tuple[str, ...] = field(default=())  # the names of the first
    size: int = 1  # number of runs; 0 while something is wrong
    confounds: tuple[Confound, ...] = ()  # what differs between the runs though nobody swept it

    @property
    def asked(self) -> bool:
        """Whether it asks for anything but one run."""
        return bool(self.rows) or self.seeds not in ("", "1")

    @property
    def blank(self) -> Row:
        """The row that adding starts from."""
        return Row(max((row.number for row in self.rows), default=-1) + 1, "", "")

    @property
    def loose(self) -> list[FieldProblem]:
        """The problems that stand beside no input."""
        placed = {each for row in self.rows for each in row.problems}
        return [
            each
            for each in self.problems
            if each not in placed and not any(each in self.at(name) for name in INPUTS)
        ]

    def at(self, name: str) -> list[FieldProblem]:
        """The problems of one of `INPUTS`."""
        return [each for each in self.problems if each.field in (f"sweep.{name}", f"search.{name}")]


def read(typed: Mapping[str, str]) -> SweepForm:
    """The form as it was sent; a row with nothing in it is none."""
    numbers = sorted({int(found[1]) for name in typed if (found := _ROW.fullmatch(name))})
    rows = [Row(i, _text(typed, f"path.{i}"), _text(typed, f"values.{i}")) for i in numbers]
    return SweepForm(
        seeds=_text(typed, "seeds") or "1",
        mode=_MODES.get(_text(typed, "mode"), "grid"),
        count=_text(typed, "count"),
        name=_text(typed, "name"),
        same_depth=bool(_text(typed, "same_depth")),
        objective=_text(typed, "objective") or "pass@1",
        trials=_text(typed, "trials") or "20",
        at_once=_text(typed, "at_once") or "1",
        prune_from=_text(typed, "prune_from"),
        rows=tuple(row for row in rows if row.path or row.values),
    )


def checked(
    form: SweepForm, config: ExperimentConfig | None, plan: Planner, check: SearchChecker
) -> SweepForm:
    """The form with what it means for a config (None: one that is not valid), by what `plan` says, or `check`
    of a parameter search."""
    form = _explained(form, config)
    if not form.asked:
        return form
    if form.mode == "search" and form.rows:
        return _checked_search(form, config, check)
    try:
        sweep = parse_sweep(_raw(form))
        planned = plan(config, sweep) if config else ()
    except InvalidInput as error:
        return _with_problems(form, error.problems)
    names = tuple(each.config.name for each in planned[:NAMES_SHOWN])
    also = tuple(confounds([each.config.model_dump(mode="json") for each in planned], sweep))
    return replace(form, sweep=sweep, runs=names, size=len(planned), confounds=also)


_MODES: Mapping[str, Mode] = {"random": "random", "search": "search"}


def _checked_search(form: SweepForm, config: ExperimentConfig | None, check: SearchChecker) -> SweepForm:
    try:
        search = parse_search(
            {
                "fields": _axes(form),
                "objective": form.objective,
                "trials": _number(form.trials),
                "seeds": _number(form.seeds),
                "at_once": _number(form.at_once),
                "prune_from": _number(form.prune_from) if form.prune_from else None,
            }
        )
        if config:
            check(config, search)
    except InvalidInput as error:
        return _with_problems(form, error.problems)
    except Conflict as error:  # Optuna is not installed
        return _with_problems(form, [FieldProblem("sweep.mode", error.message, error.hint)])
    return replace(form, search=search, size=search.runs if config else 0)


def _text(typed: Mapping[str, str], name: str) -> str:
    return typed.get(f"sweep.{name}", "").strip()


def _explained(form: SweepForm, config: ExperimentConfig | None) -> SweepForm:
    values = config.model_dump(mode="json") if config else {}
    return replace(form, rows=tuple(replace(row, about=_about(row.path, values)) for row in form.rows))


def _about(path: str, values: Mapping[str, Any]) -> str:
    known = sweepable().get(path)
    if known is None:
        return ""
    now = value_at(values, path)
    return f"{known.title}: {known.takes}." + (f" Now {shown(now)}." if now is not None else "")


def _raw(form: SweepForm) -> dict[str, Any]:
    """The sweep as JSON; InvalidInput with everything that cannot be read."""
    axes, mode = _axes(form), "random" if form.mode == "random" else "grid"
    raw: dict[str, Any] = {"seeds": _number(form.seeds), "same_depth": form.same_depth, mode: axes}
    return raw | ({"count": _number(form.count)} if form.mode == "random" and axes and form.count else {})


def _axes(form: SweepForm) -> dict[str, Any]:
    """Path -> values or range; InvalidInput as `_raw`."""
    problems = list(_unreadable(form))
    axes: dict[str, Any] = {}
    for row in form.rows:
        try:
            axes[row.path] = read_axis("grid" if form.mode == "grid" else "random", row.path, row.values)
        except InvalidInput as error:
            problems += [_of_mode(each, form) for each in error.problems]
    if problems:
        raise InvalidInput("The sweep is not valid.", problems=problems)
    return axes


def _of_mode(problem: FieldProblem, form: SweepForm) -> FieldProblem:
    """A problem of a value, at the field of a parameter search where the form describes one."""
    if form.mode != "search":
        return problem
    return replace(problem, field=problem.field.replace(AXES["random"], AXES["search"], 1))


def _unreadable(form: SweepForm) -> Iterator[FieldProblem]:
    seen = set()
    for row in form.rows:
        if not row.path:
            yield FieldProblem(
                f"{AXES[form.mode]}.", "these values need a field.", "Choose one from the list."
            )
        elif row.path in seen:
            message, hint = "is swept twice.", "Put all its values into one line."
            yield FieldProblem(f"{AXES[form.mode]}.{row.path}", message, hint)
        seen.add(row.path)


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < 10 else text


def _with_problems(form: SweepForm, problems: Sequence[FieldProblem]) -> SweepForm:
    rows = tuple(replace(row, problems=tuple(_of_row(row, form, problems))) for row in form.rows)
    return replace(form, rows=rows, problems=tuple(problems), size=0)


def _of_row(row: Row, form: SweepForm, problems: Sequence[FieldProblem]) -> Iterator[FieldProblem]:
    own = f"{AXES[form.mode]}.{row.path}"
    others = [f"{AXES[form.mode]}.{each.path}" for each in form.rows]
    for problem in problems:
        at = max((each for each in others if f"{problem.field}.".startswith(f"{each}.")), key=len, default="")
        if at == own:
            yield problem
