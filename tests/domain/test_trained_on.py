"""The record of what a run was trained on, and what an evaluation is called because of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.files import read_built_in
from backend.domain.trained_on import (
    LeftOut,
    SetPart,
    Shortage,
    Standing,
    TrainedOn,
    by_name,
    pack,
    standing,
    unpack,
)

IDS = st.lists(st.sampled_from("abcdefgh"), unique=True).map(tuple)


@st.composite
def parts(draw: st.DrawFn) -> SetPart:
    """A part of a set of eight tasks, each with a fate of its own."""
    fates = draw(
        st.lists(st.sampled_from(["whole", "shown", "left out", "not asked"]), min_size=8, max_size=8)
    )
    by = {
        fate: tuple(task for task, its in zip("abcdefgh", fates, strict=True) if its == fate)
        for fate in fates
    }
    left_out = tuple(LeftOut(task, "overlap", f"holds test 1 of {task}") for task in by.get("left out", ()))
    return SetPart(by.get("whole", ()), by.get("shown", ()), left_out, draw(IDS), draw(IDS))


def records() -> st.SearchStrategy[TrainedOn]:
    sets = st.dictionaries(st.sampled_from(["one", "two"]), parts())
    return st.builds(
        TrainedOn, st.integers(0, 16), sets, st.just(""), st.sampled_from(["", "checkpoint file trm.pt"])
    )


@given(records())
def test_a_packed_record_is_the_record(record: TrainedOn) -> None:
    assert unpack(pack(record)) == record


def test_a_packed_record_takes_few_bytes_a_task() -> None:
    ids = tuple(task.id for task in read_built_in("arc-agi-2/training"))
    assert len(pack(TrainedOn(1000, {"arc-agi-2/training": SetPart(ids)}))) < 10 * len(ids)


@given(records(), IDS, IDS)
def test_every_task_of_an_evaluation_is_trained_on_given_away_or_held_out(
    record: TrainedOn, asked: tuple[str, ...], given_away: tuple[str, ...]
) -> None:
    found = standing(record, "one", asked, given_away)
    part = record.sets.get("one", SetPart())
    trained = {each for each in asked if each in part.whole or each in part.before}
    assert found.trained == len(trained)
    assert found.given_away == len({*asked} & {*given_away} - trained)
    assert found.maybe_held_out is (not trained and not {*asked} & {*given_away})
    others = len(asked) - found.trained - found.given_away
    assert found.unknown == (others if record.unknown_start else 0)
    assert found.held_out is (found.maybe_held_out and not found.unknown)
    assert found.held_out == found.words.startswith("held-out")
    assert ("unknown" in found.words) == (found.unknown > 0)


@given(records(), records())
def test_whatever_either_of_two_starts_trained_on_was_trained_on(one: TrainedOn, other: TrainedOn) -> None:
    both = one.and_again(other)
    for name in ("one", "two"):
        assert both.whole(name) == one.whole(name) | other.whole(name)
        part = both.sets.get(name, SetPart())
        assert not {each.task_id for each in part.left_out} & {*part.whole}
    assert one.and_again(one).sets.keys() == one.sets.keys()


@given(records(), records())
def test_a_fork_was_trained_on_what_its_start_was_and_counts_its_own_tasks_alone(
    earlier: TrainedOn, fork: TrainedOn
) -> None:
    both = fork.after(earlier)
    for name in ("one", "two"):
        assert both.whole(name) == {*fork.sets.get(name, SetPart()).whole} | earlier.whole(name)
        assert both.shown(name) >= earlier.shown(name) - both.whole(name)
    assert both.tasks == fork.tasks
    assert both.unknown_start == earlier.unknown_start  # of a start of a start, too


def test_a_start_that_was_known_once_stays_known() -> None:
    """Its run may have been deleted, with its record, before this one was resumed."""
    start = TrainedOn(1, {"one": SetPart(("a",))})
    first = TrainedOn(1, {"two": SetPart(("b",))}, "k3f8a2m9qx", "run k3f8a2m9qx")

    again = first.after(start).and_again(first)

    assert again.unknown_start == ""
    assert again.whole("one") == {"a"}
    assert first.and_again(first).unknown_start == "run k3f8a2m9qx"
    assert first.and_again(first.after(start)).unknown_start == ""


def test_what_an_unknown_start_was_trained_on_is_neither_trained_on_nor_held_out() -> None:
    record = TrainedOn(1, {"one": SetPart(("a",))}, unknown_start="checkpoint file trm.pt")

    mixed, others = standing(record, "one", "abc"), standing(record, "two", "abc", ["b"])

    assert (mixed.words, mixed.held_out, mixed.maybe_held_out) == (
        "1 of 3 trained on, 2 of 3 unknown whether trained on",
        False,
        False,
    )
    assert others.words == "1 of 3 given away by training tasks, 2 of 3 unknown whether trained on"
    assert standing(record, "two", "abc").words == "unknown whether trained on"
    assert standing(record, "one", "a").words == "trained on"
    assert record.shortage.words == (
        "trained on 1 task; unknown what checkpoint file trm.pt, its start, was trained on"
    )


def test_names_decide_only_where_nothing_was_recorded() -> None:
    assert by_name(["one"], "one", 4) == Standing(4, 4, recorded=False)
    assert by_name(["one"], "two", 4).words == "held-out by set name, not recorded"


def test_what_is_missing_is_said_and_more_than_a_fifth_warns() -> None:
    few = Shortage(1, 48, left_out={"overlap": 46, "canvas": 1})
    assert few.words == (
        "trained on 1 of 48 tasks: 46 left out as overlapping the evaluation, 1 fitting no canvas"
    )
    assert few.is_large
    assert not Shortage(40, 50).is_large
    assert Shortage(39, 50).is_large
    # Others stand in for those that overlap: nothing is missing.
    assert Shortage(32, 32, 4, {"overlap": 377}).words == "trained on 32 tasks and the demonstrations of 4"
    assert not Shortage(0, 0).is_large
