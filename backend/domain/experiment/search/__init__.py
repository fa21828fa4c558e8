"""Guided refinement: its config, and its words and keys."""

from backend.domain.experiment.search.config import (
    EvolutionarySearch,
    GradientSearch,
    MovingSearch,
    NoSearch,
    RandomSearch,
    SearchConfig,
)
from backend.domain.experiment.search.cost import Cost, cost_of, population_of, steps_of
from backend.domain.experiment.search.words import (
    normalised_key,
    search_key,
    search_label,
    search_of,
    search_words,
)

__all__ = [
    "Cost",
    "EvolutionarySearch",
    "GradientSearch",
    "MovingSearch",
    "NoSearch",
    "RandomSearch",
    "SearchConfig",
    "cost_of",
    "normalised_key",
    "population_of",
    "search_key",
    "search_label",
    "search_of",
    "search_words",
    "steps_of",
]
