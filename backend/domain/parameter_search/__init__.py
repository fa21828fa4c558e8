"""Parameter searches: a sweep whose next configurations are chosen by what the earlier ones reached.

Pure: what a search is, how sure the objective of a trial is, and what is to be done next.
"""

from backend.domain.parameter_search.definition import Better, ParameterSearch, parse_search
from backend.domain.parameter_search.estimates import Estimate, Value, estimate, is_worse
from backend.domain.parameter_search.planning import (
    Ending,
    Plan,
    Report,
    Seed,
    Trial,
    TrialStatus,
    best_of,
    plan,
    words,
)
from backend.domain.parameter_search.space import Configuration, check_fields, experiment_of

__all__ = [
    "Better",
    "Configuration",
    "Ending",
    "Estimate",
    "ParameterSearch",
    "Plan",
    "Report",
    "Seed",
    "Trial",
    "TrialStatus",
    "Value",
    "best_of",
    "check_fields",
    "estimate",
    "experiment_of",
    "is_worse",
    "parse_search",
    "plan",
    "words",
]
