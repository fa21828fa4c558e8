"""What counts as different code, packages or machine between runs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from backend.domain.provenance import Provenance, aspects, differences, differing_sets

ONE = Provenance(
    commit="1" * 40,
    source="a" * 64,
    python="3.11.7",
    packages={"torch": "2.7.1", "numpy": "2.2"},
    processor="EPYC",
    sets={"mine": "c" * 64},
)


def changed(**fields: object) -> Provenance:
    return Provenance.model_validate(ONE.model_dump() | fields)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (changed(), []),
        (changed(source="b" * 64), ["code"]),
        (changed(commit="2" * 40), []),  # only pages or documents changed between these commits
        (changed(source="", commit="2" * 40), ["code"]),
        (changed(packages={"torch": "2.8.0"}), ["PyTorch"]),
        (changed(packages={"torch": "2.7.1", "numpy": "2.3"}), []),
        (changed(devices=["H100", "H100"], cuda="12.6"), ["device"]),  # CUDA is known of one only
        (changed(python="3.12.1", processor="Xeon"), ["Python", "device"]),
        (Provenance(), []),  # nothing is known of it
    ],
)
def test_only_what_is_known_of_both_differs(other: Provenance, expected: list[str]) -> None:
    assert differences([ONE, other]) == expected
    assert differences([other, ONE]) == expected


def test_uncommitted_changes_are_other_code() -> None:
    script = Provenance(commit="1" * 40)
    edited = script.model_copy(update={"diff": "d" * 64})
    assert differences([script, edited]) == ["code"]
    assert edited.code_name == "1111111111 + uncommitted changes"
    assert aspects(script)["code"] == "1111111111"


def test_a_set_that_holds_other_tasks_is_named() -> None:
    other = changed(sets={"mine": "d" * 64, "more": "e" * 64})
    assert differing_sets([ONE, other]) == ["mine"]


def test_the_lock_is_that_of_the_packages_in_any_order() -> None:
    turned = changed(packages={"numpy": "2.2", "torch": "2.7.1"})
    assert ONE.lock == turned.lock != changed(packages={"torch": "2.7.1"}).lock
    assert Provenance().lock == ""


@pytest.mark.parametrize("field", ["commit", "diff", "source"])
def test_a_digest_that_is_none_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Provenance.model_validate({field: "master"})
