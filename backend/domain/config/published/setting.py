"""One published value of a setting, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SOURCES = {
    "TRM code": "TinyRecursiveModels (Samsung SAIL Montreal), commit e7b6871: README, config, data",
    "TRM paper": "Less is More: Recursive Reasoning with Tiny Networks, arXiv 2510.04871, section 6",
    "TRM checkpoint": "the public ARC-AGI-1 checkpoint of step 518,071 with its all_config.yaml",
    "ETRM code": "the ETRM project, commit 109b070: config, dataset, jobs-final.txt (runs F1 to F3)",
    "ETRM report": "the ETRM project's report, sections 4.1 and 4.3",
    "LPN code": "lpn (Bonnet, Macfarlane), commit 0adfe56: src/configs/arc_train.yaml, src/train.py",
    "LPN paper": "Searching Latent Program Spaces, arXiv 2411.08706, section 5.7 and table 16",
}


@dataclass(frozen=True)
class PublishedSetting:
    """One published value. `path` is empty where the config has no field for it."""

    path: str
    published: Any  # as the field's JSON; words where there is no field
    source: str
    differs: str = ""  # what the preset has in its place, and why; empty where it has the published value
    says: str = ""  # more of the value; without a field, what it is about


def stated(path: str, published: Any, source: str, differs: str = "", says: str = "") -> PublishedSetting:
    return PublishedSetting(path, published, source, differs, says)


def with_others(
    settings: Sequence[PublishedSetting], *others: PublishedSetting
) -> tuple[PublishedSetting, ...]:
    """The settings with others in place of those of the same name, and at the end where there is none."""
    changed = {_name(each): each for each in others}
    kept = [changed.pop(_name(each), each) for each in settings]
    return (*kept, *changed.values())


def _name(setting: PublishedSetting) -> str:
    """The path of its field, or what it is about where there is none."""
    return setting.path or setting.says
