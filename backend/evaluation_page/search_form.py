"""The search that the form on a run's page asks for; each kind has fields of its own."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import Depends, Form

from backend.domain.experiment import MovingSearch

Text = Annotated[str, Form()]
FIELDS = {kind.model_fields["kind"].default: frozenset(kind.model_fields) for kind in get_args(MovingSearch)}


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
    """The search's config; what was left empty stands for its default, and fields of other kinds are dropped,
    which a browser without script sends as well. None for no search.
    """
    if not search:
        return None
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
    known = FIELDS.get(search, frozenset())
    return {"kind": search} | {name: value for name, value in given.items() if value and name in known}


AskedSearch = Annotated[dict[str, Any] | None, Depends(asked_search)]
