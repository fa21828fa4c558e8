"""Values as JSON in bytes, arrays of numbers included, for what is sent often: figures, curves, events."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson


def dumped(value: Any) -> bytes:
    """The value as JSON: NaN and infinity, which JSON does not have, are null.

    An array needs consecutive numbers in memory, which it has unless it is a view with gaps.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # a whole number beyond 64 bits, or half of a surrogate pair: in a script's config
        return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    """The value without arrays, NaN and infinity."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
