"""When a token expires, as people say it: `30d`, `12h`, `4w`."""

from __future__ import annotations

import re

from backend.kit.problems import invalid

_SPAN = re.compile(r"([0-9]{1,4})([hdw])")
_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def lifetime(text: str) -> float | None:
    """Seconds; None for "", which is for ever. InvalidInput for anything but a number with h, d or w."""
    text = text.strip()
    if not text:
        return None
    found = _SPAN.fullmatch(text)
    if found is None or int(found[1]) == 0:
        said = (
            "must be a number of hours, days or weeks: 12h, 30d, 4w. Leave it empty for a token that stays."
        )
        raise invalid("The token was not created.", "expires", said)
    return int(found[1]) * _SECONDS[found[2]]
