"""docs/published.md: each preset beside what was published, and its weights counted part by part.

`python -m worker.experiments.published` writes it; a test holds that the file is what this module says.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.domain.config.presets import PRESETS
from backend.domain.config.published.setting import SOURCES, PublishedSetting
from backend.domain.config.published.table import PUBLISHED_SETTINGS
from backend.domain.experiment import ExperimentConfig
from worker.models.build import build_reasoner

FILE = Path("docs/published.md")

PARTS = {  # of a context source, by the name of the module that holds it
    "pairs": "reads a demonstration",
    "set": "looks at the set of demonstrations",
    "posterior": "mean and variance of the latent",
    "decode": "latent to context",
    "recursion": "refines the context",
    "y_start": "start of the context",
    "z_start": "start of the context",
}
# As the report's table prints them; its project's own notebook of the same runs has other figures.
PRINTED = {
    "trm_arc1": ("7M", ""),
    "etrm_deterministic_arc1": ("22M", "17M"),
    "etrm_variational": ("23M", "29M"),
    "etrm_iterative": ("15M", "21M"),
    "lpn": ("178M", ""),
}
_INTRODUCTION = """# Presets against what was published

Written by `make published` from the presets and the table in `backend/domain/config/published/`; do not edit.
Where a preset has another value than was published, or the config has no field for it, the last column says
what and why, and so does the preset's description.
"""
_ABOUT_WEIGHTS = """## Weights

Counted in the models that the presets build. The table of the ETRM report prints 22M, 23M and 15M weights.
They are not those of its code: the notebook that compares the same runs (`03_architecture_comparison.ipynb`)
says 17M, 29M and 21M, which is what its code has, and what is counted here. LPN's 178M are the paper's model,
of 8 and 6 layers and width 512; the published config that `lpn` follows is far smaller.
"""


def weights_by_part(config: ExperimentConfig) -> dict[str, int]:
    """How many numbers are learned, by what they are for; TRM's table of puzzles is not counted."""
    found: Counter[str] = Counter()
    for name, parameter in build_reasoner(config, 1).named_parameters():
        owner, _, rest = name.partition(".")
        part = PARTS.get(rest.partition(".")[0], "the rest") if owner == "context" else "core and heads"
        found[part] += parameter.numel()
    return dict(found)


def document() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *_sources(), *_weights(), *_presets()])


def _sources() -> Iterator[str]:
    yield "## Sources\n"
    yield from (f"- **{name}**: {said}." for name, said in SOURCES.items())
    yield ""


def _weights() -> Iterator[str]:
    yield _ABOUT_WEIGHTS
    yield "| preset | printed | in the notebook | counted | of these |\n|---|---|---|---|---|"
    for name, (printed, elsewhere) in PRINTED.items():
        parts = weights_by_part(PRESETS[name].make())
        said = "; ".join(f"{part} {_millions(count)}" for part, count in parts.items())
        yield f"| {name} | {printed} | {elsewhere} | {_millions(sum(parts.values()))} | {said} |"
    yield ""


def _presets() -> Iterator[str]:
    for name, settings in PUBLISHED_SETTINGS.items():
        config = PRESETS[name].make().model_dump(mode="json")
        differing = sum(bool(each.differs) for each in settings)
        yield f"## {name}\n"
        yield f"{PRESETS[name].title}: {len(settings)} settings, {differing} not as published.\n"
        yield "| setting | published | source | preset | difference |\n|---|---|---|---|---|"
        yield from (_row(each, config) for each in settings)
        yield ""


def _row(setting: PublishedSetting, config: dict[str, Any]) -> str:
    published = _text(setting.published)
    if setting.path and setting.says:
        published += f" ({setting.says})"
    shown = _text(_value(config, setting.path)) if setting.path else ""
    name = f"`{setting.path}`" if setting.path else setting.says
    return f"| {name} | {published} | {setting.source} | {shown} | {setting.differs} |"


def _value(config: Any, path: str) -> Any:
    for key in path.split("."):
        config = config[int(key)] if isinstance(config, list) else config[key]
    return config


def _text(value: Any) -> str:
    """A value as a reader of the config writes it; a part of a config field by field."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(member)}" for key, member in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value)


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f}M"


if __name__ == "__main__":
    FILE.write_text(document())
    print(f"Wrote {FILE}.")
