"""Which of the runs of a configuration count where they are pooled over seeds."""

from __future__ import annotations

from backend.domain.seeds import configuration_of, once_per_seed, repeats


def test_of_each_seed_the_best_run_counts_and_without_a_seed_every_run() -> None:
    runs = [("a", 0, 1), ("b", 0, 3), ("c", 1, 1), ("d", 1, 1), ("e", None, 0), ("f", None, 0)]
    once = once_per_seed(runs, lambda run: run[1], lambda run: (run[2],))
    assert [name for name, _, _ in once] == ["b", "c", "e", "f"]


def test_what_was_run_again_is_said() -> None:
    assert repeats([0, 1, None, None]) == ""
    assert repeats([0, 0, 1]) == "seed 0 twice; counted once"
    assert repeats([0, 0, 0, 1, 1]) == "seed 0 3 times, seed 1 twice; each counted once"


def test_scripts_have_their_name_in_common_and_trainings_need_not() -> None:
    assert configuration_of("k", "mlp · seed 0", True) == configuration_of("k", "mlp · seed 1", True)
    assert configuration_of("k", "mlp", True) != configuration_of("k", "mlp-wandb", True)
    assert configuration_of("k", "mlp", False) == configuration_of("k", "other", False)
