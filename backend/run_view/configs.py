"""What configs have at a path, by configuration: the seeds of one share it, and it never changes.

A table of thousands of runs is filtered by fields of configs, which lie in JSON. Whoever asks reads what no
run of a configuration has been asked for yet; the process remembers the answers of the last paths.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache, partial
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session

from backend.domain.config.problems import flatten
from backend.domain.experiment import ExperimentConfig
from backend.domain.experiment.identity import complete, complete_section, is_shared
from backend.kit.boundary import or_else, shielded
from backend.kit.filters.tree import Scalar, Value
from backend.run_view import value_queries as rows
from backend.run_view.filter_names import at_path, is_config_path

KEPT_PATHS = 64
KEPT_LEAVES = 2000  # configurations; about 10 kB each
KEPT_CONFIGURATIONS = 200_000  # of a path, before what was forgotten by the database is forgotten here

_by_path: OrderedDict[str, dict[str, Value]] = OrderedDict()
_leaves: dict[str, dict[str, Value]] = {}  # configuration -> every leaf of its config
_external_paths: dict[str, frozenset[str]] = {}  # configuration of a script -> the paths of its config
_lock = Lock()


def by_configuration(session: Session, path: str) -> dict[str, Value] | None:
    """Configuration -> what its runs have at a path: of all, where the path is a field of our own configs;
    of scripts' runs otherwise, which alone may have it. None where runs of one configuration may differ in
    it, or where one has no key."""
    ours = is_config_path(path)
    keys = rows.configurations(session, external=not ours)
    if "" in keys or not is_shared(path):
        return None
    known = _remembered(path)  # to which other threads may add, and from which none takes away
    if missing := [key for key in keys if key not in known]:
        known.update(_read(session, path, missing, ours))
    return {key: known.get(key) for key in keys}  # none of a run that is deleted meanwhile


def external_paths(session: Session) -> set[str]:
    """Every path that the config of some script's run has."""
    keys = rows.configurations(session, external=True)
    if "" in keys:
        return {path for config in rows.external_configs(session).values() for path in flatten(config)}
    missing = [key for key in keys if key not in _external_paths]
    unknown = rows.configs_of(session, missing, None, external=True) if missing else []
    _external_paths.update({key: frozenset(flatten(config)) for key, config in unknown})
    return set().union(*(_external_paths.get(key, ()) for key in keys))


def leaves(session: Session, keys: Sequence[str]) -> dict[str, dict[str, Value]]:
    """Configuration -> dotted path -> value of every leaf of its config; of a training's with the fields that
    its version did not have yet. What cannot be read is left out."""
    with _lock:
        found = {key: _leaves[key] for key in keys if key in _leaves}
    missing = [key for key in keys if key not in found]
    for external in (False, True) if missing else ():
        for key, config in rows.configs_of(session, missing, None, external):
            read = flatten if external else _completed_leaves
            made = or_else(shielded(f"the config of configuration {key}", partial(read, config)), {})
            found[key] = {path: _plain(value) for path, value in made.items()}
    with _lock:
        if len(_leaves) > KEPT_LEAVES:
            _leaves.clear()
        _leaves.update({key: found[key] for key in missing[:KEPT_LEAVES] if key in found})
    return found


def _completed_leaves(config: dict[str, Any]) -> dict[str, Any]:
    if not config.keys() >= ExperimentConfig.model_fields.keys():  # of a version with fewer sections
        return flatten(complete(config))
    sections = {name: _completed(name, json.dumps(part, sort_keys=True)) for name, part in config.items()}
    return flatten(sections)


def _plain(value: Any) -> Value:
    """A leaf as filters have it: a list as a tuple, and of anything else its JSON."""
    if isinstance(value, list):
        return tuple(_scalar(item) for item in value)
    return _scalar(value)


def _scalar(value: Any) -> Scalar:
    return value if value is None or isinstance(value, str | int | float | bool) else json.dumps(value)


def in_config(section: Any, path: str) -> Value:
    """What a training's config has at a path, by the section that it is stored in: the value, or what the
    field was before there was one: its default."""
    name = section_of(path)
    found = at_path({name: section}, path)
    if found is not None:
        return found
    return at_path({name: _completed(name, json.dumps(section, sort_keys=True))}, path)


def section_of(path: str) -> str:
    return path.partition(".")[0]


def _read(session: Session, path: str, keys: Sequence[str], ours: bool) -> dict[str, Value]:
    found: dict[str, Value] = {}
    section = section_of(path)
    reads = [(None, at_path)] + ([(section, in_config)] if ours else [])
    for part, read in reads:
        for key, stored in rows.configs_of(session, keys, part, external=part is None):
            value = shielded(f"{path} of configuration {key}", partial(read, stored, path))
            found[key] = or_else(value, None)
    return found


def _remembered(path: str) -> dict[str, Value]:
    with _lock:
        known = _by_path.get(path, {})
        if len(known) > KEPT_CONFIGURATIONS:
            known = {}
        _by_path[path] = known
        _by_path.move_to_end(path)
        if len(_by_path) > KEPT_PATHS:
            _by_path.popitem(last=False)
        return known


@lru_cache(maxsize=1024)  # seeds, and whole sweeps, share their sections
def _completed(section: str, stored: str) -> Any:
    return complete_section(section, json.loads(stored))
