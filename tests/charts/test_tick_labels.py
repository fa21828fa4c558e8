"""Labels of the y axis: short, true, told apart, and never wider than the margin they get."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.charts import scale
from backend.charts.tick_labels import LEFT, SHORT, left_margin, y_labels

POWERS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24, "%": 1e-2}
SMALL_POWERS = {"m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18, "z": 1e-21, "y": 1e-24}
LOWEST = st.floats(-1e15, 1e15) | st.floats(-1, 1)
LENGTHS = st.floats(1e-9, 1e15)
UNITS = st.sampled_from(("", "bytes", "share"))


def value_of(label: str) -> float:
    label = label.replace(scale.MINUS, "-")
    power = (POWERS | SMALL_POWERS).get(label[-1])
    return float(label[:-1]) * power if power else float(label)


@pytest.mark.parametrize(
    ("unit", "low", "high", "labels"),
    [
        ("", 0.00098, 0.001, ["9.8e−4", "9.85e−4", "9.9e−4", "9.95e−4", "0.001"]),
        ("", 0.0, 0.001, ["0", "0.0002", "0.0004", "0.0006", "0.0008", "0.001"]),
        ("", -0.5, 0.5, ["−0.4", "−0.2", "0", "0.2", "0.4"]),
        ("", 9_000.0, 12_000.0, ["9k", "10k", "11k", "12k"]),
        ("", 123_456.2, 123_456.9, ["123456.2", "123456.4", "123456.6", "123456.8"]),
        ("share", 0.0, 1.0, ["0%", "20%", "40%", "60%", "80%", "100%"]),
        ("share", 0.99, 0.996, ["99.0%", "99.2%", "99.4%", "99.6%"]),
        ("bytes", 411e6, 413e6, ["411M", "411.5M", "412M", "412.5M", "413M"]),
    ],
)
def test_labels_are_those_one_would_write(unit: str, low: float, high: float, labels: list[str]) -> None:
    assert y_labels(unit, scale.ticks(low, high, scale.Y_TICKS)) == labels


@pytest.mark.parametrize(
    ("unit", "low", "high", "labels"),
    [
        ("", -4.0, 0.0, ["0.0001", "0.001", "0.01", "0.1", "1"]),
        ("", 0.0, 6.0, ["1", "100", "10k", "1M"]),
        ("share", -3.0, 0.0, ["0.1%", "1%", "10%", "100%"]),
    ],
)
def test_labels_of_powers_of_ten(unit: str, low: float, high: float, labels: list[str]) -> None:
    assert y_labels(unit, scale.log_ticks(low, high), log=True) == labels


@given(unit=UNITS, low=LOWEST, length=LENGTHS)
@example(unit="", low=1.00001e-4, length=1e-9)
@example(unit="", low=123_456.789, length=0.01)
@example(unit="bytes", low=412e6, length=5e5)
def test_labels_tell_neighbours_apart_and_say_where_they_stand(unit: str, low: float, length: float) -> None:
    low, high = scale.flat(low, low + length)
    ticks = scale.ticks(low, high, scale.Y_TICKS)
    labels = y_labels(unit, ticks)
    assert len(set(labels)) == len(ticks) >= 2
    for tick, label in zip(ticks, labels, strict=True):
        assert value_of(label) == pytest.approx(tick, rel=1e-9, abs=0.02 * scale.tick_step(low, high, 5))


@given(unit=st.sampled_from(("", "bytes")), magnitude=st.integers(-30, 23), start=st.integers(0, 90))
def test_labels_of_two_digits_fit_the_usual_margin(unit: str, magnitude: int, start: int) -> None:
    size = 10.0**magnitude
    labels = y_labels(unit, scale.ticks(start * size, (start + 10) * size, scale.Y_TICKS))
    assert all(len(label) <= SHORT for label in labels)
    assert left_margin(labels) <= LEFT + 14


@given(low=st.floats(-320, 300), length=st.floats(1e-6, 300))
def test_labels_of_a_logarithmic_axis_differ(low: float, length: float) -> None:
    low, high = scale.flat_exponents(low, low + length)
    labels = y_labels("", scale.log_ticks(low, high), log=True)
    assert len(set(labels)) == len(labels)


def test_the_margin_follows_the_longest_label() -> None:
    assert left_margin([]) == left_margin(["0.5"]) == LEFT
    long = ["1.00001e−4", "1.00002e−4"]
    assert left_margin(long) > LEFT
    assert math.isclose(left_margin([*long, "123456789012"]), left_margin(["123456789012"]))
