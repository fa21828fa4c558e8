"""The adaptation and the search that the form on a run's page asks for; each kind has fields of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from fastapi import Depends, Form

from backend.domain.experiment import LearningAdaptation, MovingSearch

Text = Annotated[str, Form()]
Kinds = Mapping[str, frozenset[str]]  # kind -> its fields


def _kinds(union: Any) -> Kinds:
    return {kind.model_fields["kind"].default: frozenset(kind.model_fields) for kind in get_args(union)}


SEARCHES, ADAPTATIONS = _kinds(MovingSearch), _kinds(LearningAdaptation)


def asked_adaptation(
    adaptation: Text = "",
    adaptation_steps: Text = "",
    adaptation_learning_rate: Text = "",
    adaptation_batch_size: Text = "",
    adaptation_augmentations: Text = "",
    adaptation_rank: Text = "",
) -> dict[str, Any] | None:
    """The adaptation's config; None for no adaptation."""
    given = {
        "steps": adaptation_steps,
        "learning_rate": adaptation_learning_rate,
        "batch_size": adaptation_batch_size,
        "augmentations": adaptation_augmentations,
        "rank": adaptation_rank,
    }
    return _config(adaptation, given, ADAPTATIONS)


def asked_search(
    search: Text = "",
    search_steps: Text = "",
    search_learning_rate: Text = "",
    search_optimiser: Text = "",
    search_schedule: Text = "",
    search_generations: Text = "",
    search_population: Text = "",
    search_samples: Text = "",
    search_scale: Text = "",
    search_starts: Text = "",
    search_other_starts: Text = "",
    search_act_steps: Text = "",
    search_selection: Text = "",
    search_most_decodes: Text = "",
    search_leave_one_out: Text = "",
) -> dict[str, Any] | None:
    """The search's config; None for no search."""
    given = {
        "steps": search_steps,
        "learning_rate": search_learning_rate,
        "optimiser": search_optimiser,
        "schedule": search_schedule,
        "generations": search_generations,
        "population": search_population,
        "samples": search_samples,
        "scale": search_scale,
        "starts": search_starts,
        "other_starts": search_other_starts,
        "act_steps": search_act_steps,
        "selection": search_selection,
        "most_decodes": search_most_decodes,
        "leave_one_out": search_leave_one_out,
    }
    return _config(search, given, SEARCHES)


def _config(kind: str, given: Mapping[str, str], kinds: Kinds) -> dict[str, Any] | None:
    """What was left empty stands for its default, and fields of other kinds are dropped, which a browser
    without script sends as well."""
    if not kind:
        return None
    known = kinds.get(kind, frozenset())
    return {"kind": kind} | {name: value for name, value in given.items() if value and name in known}


AskedAdaptation = Annotated[dict[str, Any] | None, Depends(asked_adaptation)]
AskedSearch = Annotated[dict[str, Any] | None, Depends(asked_search)]
