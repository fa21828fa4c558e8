"""The hypothesis that a stored config states: of a training, or one that a script gave its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.domain.experiment import Hypothesis, HypothesisConfig, NoHypothesis

_ANY: TypeAdapter[HypothesisConfig] = TypeAdapter(HypothesisConfig)


def hypothesis_of(config: Mapping[str, Any]) -> Hypothesis | None:
    """What is judged at the end; None where there is nothing, or something of another meaning."""
    try:
        stated: HypothesisConfig = _ANY.validate_python(config.get("hypothesis"))
    except ValidationError:  # a script's own key of that name
        return None
    return None if isinstance(stated, NoHypothesis) else stated
