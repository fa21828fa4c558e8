"""Refusals say what is wrong with which field and what was probably meant."""

from __future__ import annotations

from backend.kit import problems

PRIORITIES = ("high", "normal", "low")


def test_a_value_near_a_valid_one_suggests_it() -> None:
    problem = problems.not_valid("priority", "hgih", PRIORITIES)
    assert str(problem) == "priority: 'hgih' is not a valid priority. Did you mean 'high'?"


def test_a_value_like_none_lists_them_all() -> None:
    problem = problems.not_valid("failure_mode", "zzz", PRIORITIES)
    assert problem.message == "'zzz' is not a valid failure mode."
    assert problem.hint == "Choose one of high, normal, low."


def test_an_unknown_thing_is_not_found_with_the_nearest() -> None:
    assert str(problems.unknown("view", "eightys", ["eighties"])) == (
        "View 'eightys' not found. Did you mean 'eighties'?"
    )
    assert problems.unknown("view", "x", []).hint == "There are none."


def test_a_mistyped_id_suggests_up_to_three() -> None:
    ids = ["abcdefghi1", "abcdefghi2", "abcdefghi3", "abcdefghi4"]
    error = problems.unknown_id("run", "abcdefghi_", ids, "`etrm runs` lists them.")
    assert error.hint.count(" or ") == 2
    assert problems.unknown_id("run", "0", ids, "`etrm runs` lists them.").hint == "`etrm runs` lists them."


def test_a_refusal_names_its_field() -> None:
    error = problems.invalid_query("limit", "must be 1 to 100, not 0.")
    assert str(error) == "Invalid query.\n  limit: must be 1 to 100, not 0."
