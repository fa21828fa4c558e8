"""What the database answers to filters and orders is what the evaluator in Python answers, run by run."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick, trm_arc1
from backend.domain.experiment.identity import key_of_json, key_of_training
from backend.domain.seeds import configuration_of
from backend.domain.statistics import average
from backend.kit.errors import InvalidInput
from backend.kit.filters import tree
from backend.kit.filters.parser import parse
from backend.metrics.tables import Series
from backend.people.tables import Person
from backend.run_view.conditions import InSql
from backend.run_view.filter_names import bind
from backend.run_view.seeds import LINE_NAMES, counted_lines
from backend.run_view.value_queries import Narrowed
from backend.run_view.values import RunLine, RunValues
from backend.runs.group_tables import RunGroup
from backend.runs.tables import Alarm, Run
from backend.runs_table import search as run_search
from backend.runs_table.configurations import VariationRow, variations

STEPS = (100, 300)
LAST = (0.1, 0.5, 0.5, math.nan, math.inf, -math.inf)
NAMES = ("plain", "LPN 1", "lpn 2", "K\u0130ng", "\u212aelvin", "Straße", "50%_off/", "plain")
SCRIPTS: tuple[dict[str, Any], ...] = (
    {},
    {"lr": 0.1, "optimiser": {"name": "Adam", "betas": [0.9, 0.99]}, "loss": 0.5, "placement": {"x": 1}},
    {"lr": "0.1", "optimiser.name": "adam", "layers": [{"width": 1}, {"width": 2}, {"width": None}]},
    {"lr": True, "training": {"steps": 300}, "optimiser": {"name": None}, "seed": 7},
    {"lr": 1, "model": {"kind": "mine"}, "flag": False, "loss": "high"},
)


def fill(session: Session, keys: bool) -> list[str]:
    """Runs with every kind of value and of gap, many of them equal; their ids."""
    owners = list(session.scalars(insert(Person).returning(Person.id), [{**PERSON, "name": n} for n in "ab"]))
    groups = [{"id": f"group{n}aaaa", "name": name, **GROUP} for n, name in enumerate(("wide", "deep"))]
    session.execute(insert(RunGroup), groups)
    rows, series, alarms = [], [], []
    for n in range(40):
        external = n % 4 == 3
        config = deepcopy(SCRIPTS[n // 4 % len(SCRIPTS)]) if external else training(n)
        key = (key_of_json if external else key_of_training)(config)
        run_id = f"run{n * 7 % 40:02d}aaaaa"
        score = {"1": [n % 3, n % 5 + 2], "2": [n % 3 / 2, 4]} if n % 3 else {}
        rows.append(
            {
                "id": run_id,
                "name": NAMES[n % len(NAMES)],
                "origin": "external" if external else "training",
                "variant": "" if external else "deterministic",
                "variation": key if keys or n % 5 else "",
                "seed": None if external else n % 3,
                "status": ("finished", "failed", "lost")[n % 3],
                "config": config,
                "owner_id": (*owners, None)[n % 3],
                "project": ("", "arc")[n % 2],
                "group_id": (None, "group0aaaa", "group1aaaa")[n % 3],
                "step": n % 4,
                "created_at": float(n // 3),
                "started_at": None if n % 4 == 0 else float(n % 6),
                "finished_at": 4.5 if n % 3 != 2 else None,
                "beat_at": 3.5,
                "tags": [[], ["a"], ["a", "B"], ["á"]][n % 4],
                "notes": ("", "seen")[n % 2],
                "scores": score,
                "verdict": ("", "supported")[n % 2],
                "archived_at": 1.0 if n % 9 == 8 else None,
            }
        )
        last = LAST[n % len(LAST)]
        finite = {"min_value": last, "max_value": last} if math.isfinite(last) else {}
        empty = {"min_value": None, "max_value": None}
        for name in ("loss", "odd name", "lr")[: n % 3 + (n % 5 == 0)]:
            of_run = {"run_id": run_id, "name": name, "last_step": n % 7 - 1, "last_value": last}
            series.append({**of_run, **empty, **finite})
        if n % 5 == 1:
            alarms.append({**ALARM, "run_id": run_id, "name": "collapse"})
    session.execute(insert(Run), rows)
    session.execute(insert(Series), series)
    session.execute(insert(Alarm), alarms)
    return [row["id"] for row in rows]


PERSON: dict[str, Any] = {"role": "editor", "created_at": 0.0}
GROUP: dict[str, Any] = {"sweep": {}, "config": {}, "created_at": 0.0}
ALARM: dict[str, Any] = {"step": 1, "value": 0.0, "threshold": 0.0, "text": ""}


def training(n: int) -> dict[str, Any]:
    """One of six configs, of several versions: some lack fields, and one cannot be read."""
    config = (trm_arc1() if n % 2 else quick()).model_dump(mode="json")
    config["training"]["steps"] = STEPS[n % len(STEPS)]
    config["name"], config["seed"] = f"n{n}", n % 3
    if n % 5 == 0:
        del config["optimisation"]["learning_rate"]
    if n % 16 == 2:
        config["training"] = {"steps": "many"}
    return config


NUMBERS = st.sampled_from(["0", "1", "2", "0.5", "50%", "100", "300", "-1", "NaN", "Infinity", "-Infinity"])
HUGE = st.sampled_from(["9007199254740993", "99999999999999999999999999", "1e300"])
TEXTS = st.sampled_from(
    ["", "a", "B", "LPN", "lpn", "k", "i", "ß", "%_", "adam", "plain", "wide", "group0aaaa"]
)
QUOTED = TEXTS.map(lambda text: f'"{text}"')
SCALARS = st.one_of(NUMBERS, HUGE, QUOTED, st.sampled_from(["true", "false", "none"]))
NUMERIC = ("seed", "step", "duration", "pass1", "pass2", "created", "started", "finished")
TEXTUAL = (
    "id",
    "name",
    "origin",
    "variant",
    "tag",
    "group",
    "owner",
    "project",
    "notes",
    "alarm",
    "variation",
)
METRICS = ("loss", "loss:min", "loss:max", "`odd name`", 'metric("odd name"):max', 'metric("lr")', "lr")
CONFIGS = (
    "training.steps",
    "config.training.steps",
    "model",
    "optimisation.learning_rate",
    "evaluation.sets.name",
    "evaluation.sets.0.name",
    "optimiser.name",
    "optimiser.betas",
    "layers.width",
    "layers.1.width",
    "placement.x",
    "config.seed",
    "flag",
    "config.lr",
)
ANY = st.sampled_from((*METRICS, *CONFIGS))
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "contains"])
IN = st.sampled_from(["in", "not in"])


def lists(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=3).map(lambda chosen: f"[{', '.join(chosen)}]")


def comparisons(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.one_of(values, st.just("none"))
    either = st.one_of(some, lists(some))
    return st.one_of(
        st.tuples(names, SIGNS, either),
        st.tuples(names, IN, either),
        st.tuples(either, st.sampled_from(["==", "!=", "<", ">=", "in", "not in", "contains"]), names),
        st.tuples(names, SIGNS, names),
    ).map(" ".join)


COMPARISONS = st.one_of(
    comparisons(ANY, SCALARS),
    comparisons(st.sampled_from(NUMERIC), NUMBERS),
    comparisons(st.sampled_from(TEXTUAL), QUOTED),
    comparisons(st.just("archived"), st.sampled_from(["true", "false"])),
    comparisons(st.just("status"), st.sampled_from(['"finished"', '"failed"'])),
    comparisons(st.just("learning"), st.sampled_from(['"not learning"'])),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda parts: st.one_of(
        parts.map("not ({})".format),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: f"({' and '.join(some)})"),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: f"({' or '.join(some)})"),
    ),
    max_leaves=4,
)
SORTS = st.tuples(
    st.sampled_from(["", "-"]), st.sampled_from((*NUMERIC, *TEXTUAL, *METRICS, *CONFIGS, "archived"))
).map(lambda pair: pair[0] + pair[1].strip("`"))


def run_by_run(
    session: Session, every: list[str], filter_text: str, sort: str
) -> list[tuple[RunLine, tree.Value]]:
    """(run, value) as the evaluator says of each run by its own row, newest first."""
    by, extra = sort.removeprefix("-"), run_search._extra_names(session, [])
    expression = bind(written, extra, lenient=True) if (written := parse(filter_text)) else None
    names = [name.text for name in tree.names(expression)] if expression else []
    of_a_row = ("archived", "variation", "name", "origin", *LINE_NAMES)
    values = RunValues.of_runs(session, [*names, by, *of_a_row], every)
    return [
        (line, values.value(line, by))
        for line in values.lines
        if (expression is None or tree.matches(expression, values.of(line)))
        and ({"archived", "id"} & set(names) or not values.value(line, "archived"))
    ]


def pages(session: Session, filter_text: str, sort: str, limit: int) -> list[str]:
    """The same as pages of the table show it."""
    ids: list[str] = []
    cursor = None
    while True:
        page = run_search.find(
            session, filter_text, limit, cursor, sort=sort, metrics=(), lenient=("filter", "sort")
        )
        ids += [run.id for run in page.runs]
        cursor = page.next_cursor
        if cursor is None:
            return ids


def over_seeds(session: Session, filter_text: str, sort: str) -> list[list[str]]:
    """The runs of every row of the table of configurations, page by page."""
    rows: list[VariationRow] = []
    while page := variations(session, filter_text, sort, [], "", len(rows), 3):
        rows += page
    return [list(row.runs) for row in rows]


def of_row(line: RunLine) -> str:
    """What the runs of one row of means have in common."""
    of = line.columns
    return configuration_of(of["variation"] or line.id, of["name"], of["origin"] == "external")


def means(found: list[tuple[RunLine, tree.Value]], sort: str) -> list[list[str]]:
    """The same by the values of the runs, of each seed one."""
    of_runs = {line.id: value for line, value in found}
    groups: dict[str, list[RunLine]] = {}
    for line, _ in found:
        groups.setdefault(of_row(line), []).append(line)
    pairs: list[tuple[tree.Value, list[str]]] = []
    for lines in groups.values():
        by_when = sort.removeprefix("-") == "created"
        values = [of_runs[line.id] for line in (lines if by_when else counted_lines(lines))]
        numbers = [
            value for value in values if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        order = average(numbers) if numbers and not by_when else values[0]
        pairs.append((order, [line.id for line in lines]))
    return tree.in_order(pairs, sort.startswith("-"))


@pytest.mark.parametrize("keys", [True, False], ids=["keys", "some-without-a-key"])
def test_filters_and_orders(engine: Engine, keys: bool) -> None:
    with session_scope(engine) as session:
        every = fill(session, keys)

    @given(filter_text=st.one_of(FILTERS, st.just("")), sort=SORTS, limit=st.sampled_from([7, 50]))
    @example('name contains "k" and not (loss < 0.5)', "-loss", 7)
    @example('group in [none, "wide"] or owner == none', "layers.width", 7)
    @example("lr == 0.1 or loss == NaN", "-config.lr", 7)
    @example("pass1 >= 50%", "-pass1", 7)
    def agree(filter_text: str, sort: str, limit: int) -> None:
        with reading_scope(engine) as session:
            try:
                found = run_by_run(session, every, filter_text, sort)
            except InvalidInput:
                return  # a value of another kind than the name: nobody is asked
            expected = tree.in_order([(value, line.id) for line, value in found], sort.startswith("-"))
            assert pages(session, filter_text, sort, limit) == expected
            assert over_seeds(session, filter_text, sort) == means(found, sort)

    agree()


@pytest.mark.parametrize(
    "filter_text",
    [
        "loss < 0.5",
        'metric("lr"):max == 0.5',
        "training.steps == 100",
        'optimiser.name == "adam"',
        "pass1 > 0",
        "duration > 2",
        'name contains "lpn"',
        'tag == "a"',
        'alarm == "collapse"',
        'owner == "a"',
        'group == "wide"',
        'status in ["failed"] and not archived == true',
    ],
)
def test_what_people_mostly_ask_is_left_to_the_database(engine: Engine, filter_text: str) -> None:
    with session_scope(engine) as session:
        every = fill(session, keys=True)
    with reading_scope(engine) as session:
        expression = bind(parse(filter_text), {"optimiser.name"})  # type: ignore[arg-type]
        narrowed = Narrowed()
        assert InSql(session, narrowed).narrow(expression) is None
        assert 0 < len(RunValues(session, [], narrowed).lines) < len(every)
