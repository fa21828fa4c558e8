"""A search in one line, as it stands beside every number that was found with it."""

from __future__ import annotations

from backend.domain.experiment import GradientSearch, NoSearch, RandomSearch, search_label, search_words


def test_every_setting_that_changes_a_search_is_named() -> None:
    assert search_label(NoSearch()) == search_words("") == ""
    assert search_label(GradientSearch(steps=5)) == "gradient 5 x 0.1"
    every = GradientSearch(
        steps=5, optimiser="normalised", start="random", leave_one_out=True, most_decodes=90
    )
    said = "gradient 5 x 0.1, normalised, from random, leave one out, at most 90"
    assert search_label(every) == search_words(every.model_dump_json()) == said
    assert search_label(RandomSearch(samples=7, scale=0.25)) == "random 7 x 0.25"
