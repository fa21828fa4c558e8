"""Expressions: what they mean, and what is said about one that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.kit.errors import InvalidInput
from backend.kit.expressions import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_NAMES,
    check_names,
    looks_like_one,
    names,
    parse,
)
from backend.metrics.expressions import evaluate

NAMES = ("train", "held/out", "a b", "x:min")  # the third stands in backticks
Node = tuple[str, str]  # of the same meaning: as we write it, and as numpy computes it


def nodes() -> st.SearchStrategy[Node]:
    """Trees written in both languages; the brackets of the second are complete."""
    leaves = st.one_of(
        st.sampled_from(NAMES).map(lambda name: (f"`{name}`" if " " in name else name, f"v[{name!r}]")),
        st.floats(0, 1e6).map(lambda number: (repr(number), f"np.float64({number!r})")),
    )

    def larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            st.tuples(st.sampled_from("+-*"), pair).map(
                lambda each: (
                    f"({each[1][0][0]} {each[0]} {each[1][1][0]})",
                    f"({each[1][0][1]} {each[0]} {each[1][1][1]})",
                )
            ),
            pair.map(lambda each: (f"({each[0][0]} / {each[1][0]})", f"divide({each[0][1]}, {each[1][1]})")),
            pair.map(
                lambda each: (f"min({each[0][0]},{each[1][0]})", f"np.minimum({each[0][1]}, {each[1][1]})")
            ),
            pair.map(
                lambda each: (f"MAX({each[0][0]}, {each[1][0]})", f"np.maximum({each[0][1]}, {each[1][1]})")
            ),
            inner.map(lambda each: (f"abs({each[0]})", f"np.abs({each[1]})")),
            inner.map(lambda each: (f"log({each[0]})", f"log({each[1]})")),
            inner.map(lambda each: (f"-{each[0]}", f"(-({each[1]}))")),
        )

    return st.recursive(leaves, larger, max_leaves=12)


def divide(a: Any, b: Any) -> Any:
    return np.where(b == 0, np.nan, a / np.where(b == 0, 1, b))


def log(a: Any) -> Any:
    return np.where(a > 0, np.log(np.where(a > 0, a, 1)), np.where(np.isnan(a) | (a <= 0), np.nan, a))


VALUES = st.lists(
    st.one_of(st.floats(-1e9, 1e9), st.sampled_from([0.0, math.nan, math.inf, -math.inf, 1.0])),
    min_size=5,
    max_size=5,
)


@settings(deadline=None, max_examples=300)
@given(node=nodes(), columns=st.tuples(*[VALUES] * len(NAMES)))
def test_a_value_is_what_numpy_makes_of_it(node: Node, columns: tuple[list[float], ...]) -> None:
    ours, theirs = node
    if "v[" not in theirs:
        return  # an expression names something
    v = {name: np.array(column) for name, column in zip(NAMES, columns, strict=True)}
    found, _ = evaluate(parse(ours), v.__getitem__)

    with np.errstate(all="ignore"):
        expected = eval(theirs, {"np": np, "v": v, "divide": divide, "log": log})
    np.testing.assert_array_equal(np.broadcast_to(found, 5), np.broadcast_to(expected, 5))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a - b * c / d", 2 - 3 * 5 / 7),
        ("a - b - c", 2 - 3 - 5),
        ("d / c / b", 7 / 5 / 3),
        ("-a * -b", 6.0),
        ("- -a", 2.0),
        ("(a - b) * c", -5.0),
        ("2*a", 4.0),
        ("a -1", 1.0),
        ("1e-1 * a", 0.2),
        ("min(a, b, c) + max(d, 1)", 9.0),
        ("log(a)", math.log(2)),
        ('metric("a") + `b`', 5.0),
    ],
)
def test_signs_bind_as_in_arithmetic(text: str, value: float) -> None:
    found, undefined = evaluate(parse(text), dict(a=2, b=3, c=5, d=7, **{'metric("a")': 2}).__getitem__)  # type: ignore[arg-type]
    assert float(found) == pytest.approx(value, rel=1e-15)
    assert not undefined


def test_what_has_no_value_is_counted_and_nan_is_not() -> None:
    values = {"a": np.array([1.0, 0.0, math.nan, 1.0]), "b": np.array([0.0, 0.0, 1.0, 2.0])}

    found, undefined = evaluate(parse("a / b + log(b)"), values.__getitem__)

    assert np.isnan(found).tolist() == [True, True, True, False]
    assert undefined.tolist() == [True, True, False, False]


def test_a_name_may_have_slashes_and_dashes() -> None:
    assert names(parse("accuracy/token - held-out/accuracy:max")) == [
        "accuracy/token",
        "held-out/accuracy:max",
    ]
    assert names(parse("a / b")) == ["a", "b"]
    assert names(parse("log(log) + `log`")) == ["log"]  # a metric may be called like a function


@pytest.mark.parametrize(
    "text", ["train - heldout", "2 * x", "log(x)", "`a b` + 1", "-x", "a/b - c", "x / 2", "a- b"]
)
def test_an_expression_is_told_from_a_name(text: str) -> None:
    assert looks_like_one(text)


@pytest.mark.parametrize("text", ["loss", "accuracy/token", "gradient_norm/all", "a-b", "x:min", "my metric"])
def test_a_name_is_told_from_an_expression(text: str) -> None:
    assert not looks_like_one(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a +", "column 4: expected a number, a name or (, found the end."),
        ("(a + b", "column 7: expected ), found the end."),
        ("a b", "column 3: expected + - * / or the end of the expression, found 'b'."),
        ("a ^ 2", "column 3: '^' means nothing here. Powers are not supported: multiply, x * x."),
        ("a > 2", "column 3: '>' means nothing here."),
        ("sqrt(a)", "column 1: 'sqrt' is not a function. There are abs, log, min, max."),
        ("mins(a, b)", "column 1: 'mins' is not a function. Did you mean 'min'?"),
        ("abs(a, b)", "column 1: abs takes one expression, not 2."),
        ("min(a)", "column 1: min takes two expressions or more."),
        ("1 + 2", "column 1: the expression names nothing that a run has."),
        ("`a", "column 1: the quote ` is never closed."),
        ("a + " + "(" * (MAX_DEPTH + 1), "deep"),
        ("a" * (MAX_LENGTH + 1), "longer than"),
        (" + ".join(f"m{n}" for n in range(MAX_NAMES + 1)), f"{MAX_NAMES + 1} names"),
        ("", "column 1: expected a number, a name or ("),
    ],
)
def test_a_mistake_is_told_by_its_column(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train - heldot", "column 9: No run has 'heldot'. Did you mean 'heldout'?"),
        (
            "1 + train-heldout",
            "column 5: No run has 'train-heldout'. Put spaces around the sign: train - heldout.",
        ),
        ("1 * train/2", "column 5: No run has 'train/2'. Put spaces around the sign: train / 2."),
        ("1 + zzzz", "column 5: No run has 'zzzz'. There are heldout, train."),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_names(parse(text), {"train", "heldout"}, "No run has")
    assert said in str(caught.value)


def test_no_text_is_evaluated_as_code() -> None:
    attempts: list[Callable[[], object]] = [
        lambda: parse("__import__('os')"),
        lambda: parse("a.__class__(b)"),
        lambda: parse("[a for a in b]"),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInput):
            attempt()
