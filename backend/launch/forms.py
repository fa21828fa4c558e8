"""ExperimentConfig's schema -> the fields of the launch form, with what is typed in and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.domain.config.problems import apply_overrides
from backend.kit.errors import FieldProblem
from backend.launch import schema
from backend.launch.form_values import shown
from backend.launch.schema import Schema

# What an input offers to complete: path of the field without row numbers -> name of the list.
SUGGESTED = {
    "data.training_sets": "sets",
    "evaluation.sets.name": "sets",
    "hypothesis.measure": "measures",
    "hypothesis.run_id": "runs",
    "hypothesis.set_name": "sets",
    "hypothesis.stop.measure": "series",
}


@dataclass(frozen=True)
class Field:
    """One input. `base` is its text in the preset or parent that the form started from."""

    path: str
    id: str
    title: str
    description: str
    unit: str
    input: str  # integer, number, boolean, choice, text, integers, texts
    text: str
    base: str | None
    bounds: str
    choices: tuple[str, ...]
    optional: bool
    advanced: bool
    suggests: str
    problems: tuple[FieldProblem, ...]

    node = "field"

    @property
    def changed(self) -> bool:
        return self.base is not None and self.text != self.base

    @property
    def narrow(self) -> bool:
        return self.input in ("integer", "number")


@dataclass(frozen=True)
class Group:
    """A config inside the config: plain fields first, advanced ones folded away."""

    path: str
    title: str
    description: str
    parts: tuple[Part, ...]
    problems: tuple[FieldProblem, ...] = ()

    node = "group"

    @property
    def plain(self) -> list[Part]:
        return [part for part in self.parts if not _is_advanced(part)]

    @property
    def advanced(self) -> list[Field]:
        return [part for part in self.parts if isinstance(part, Field) and part.advanced]

    @property
    def unfolded(self) -> bool:
        """Whether something among the advanced fields wants to be seen."""
        return any(field.problems or field.changed for field in self.advanced)


@dataclass(frozen=True)
class Choice:
    """A config of one kind out of several; each kind has its own fields."""

    path: str
    title: str
    description: str
    kind: str
    base: str | None
    variants: Mapping[str, Group]
    problems: tuple[FieldProblem, ...]

    node = "choice"

    @property
    def changed(self) -> bool:
        return self.base is not None and self.kind != self.base


@dataclass(frozen=True)
class Rows:
    """A list of configs, one row each; `blank` is the row that adding starts from."""

    path: str
    title: str
    description: str
    rows: tuple[Group, ...]
    blank: Group
    problems: tuple[FieldProblem, ...]

    node = "rows"


Json = Mapping[str, Any]
Part = Field | Group | Choice | Rows
_NOTHING = object()  # where the base has no such field; null is a value


def build(values: Json, base: Json, problems: Sequence[FieldProblem] = ()) -> tuple[Group, ...]:
    """The form's sections for a config's JSON (or what a form made of it), in the schema's order."""
    builder = _Builder(problems)
    root = schema.experiment_schema()
    parts = builder.parts(root, "", "", values, base, {})
    loose = tuple(part for part in parts if isinstance(part, Field))
    sections = [part for part in parts if not isinstance(part, Field)]
    return (Group("", "Run", "", loose), *(_as_section(part) for part in sections))


def unplaced(sections: Sequence[Group], problems: Sequence[FieldProblem]) -> list[FieldProblem]:
    """The problems that stand beside no field of the form: unknown keys, mistakes in the JSON itself."""
    placed = {problem for section in sections for part in walk(section) for problem in part.problems}
    return [problem for problem in problems if problem not in placed]


def walk(part: Part) -> Iterator[Part]:
    """The part and everything visible inside it."""
    yield part
    inner: Sequence[Part] = ()
    if isinstance(part, Group):
        inner = part.parts
    elif isinstance(part, Choice):
        inner = [part.variants[part.kind]] if part.kind in part.variants else []
    elif isinstance(part, Rows):
        inner = part.rows
    for each in inner:
        yield from walk(each)


def is_changed(part: Part) -> bool:
    """Whether the part differs from the preset or parent."""
    return isinstance(part, Field | Choice) and part.changed


class _Builder:
    """Walks schema and values together."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self._problems = problems

    def parts(
        self, node: Schema, prefix: str, scope: str, values: Any, base: Any, kinds: Mapping[str, str]
    ) -> tuple[Part, ...]:
        """Everything in a config; `scope` keeps ids apart where kinds share paths."""
        values, base = _mapping(values), _mapping(base)
        return tuple(
            self._part(
                child, f"{prefix}{key}", scope, values.get(key), base.get(key, _NOTHING), kinds, optional
            )
            for key, child, optional in schema.properties(node)
        )

    def _part(
        self,
        node: Schema,
        path: str,
        scope: str,
        value: Any,
        base: Any,
        kinds: Mapping[str, str],
        optional: bool,
    ) -> Part:
        if schema.variants(node):
            return self._choice(node, path, scope, value, base, kinds)
        if "properties" in node:
            return self._group(node, path, scope, value, base, kinds)
        if schema.is_rows(node):
            return self._rows(node, path, scope, value, base)
        return self._field(node, path, scope, value, base, optional)

    def _group(
        self, node: Schema, path: str, scope: str, value: Any, base: Any, kinds: Mapping[str, str]
    ) -> Group:
        parts = self.parts(node, f"{path}.", scope, value, base, kinds)
        return Group(path, node["title"], node["description"], parts, self._at(path))

    def _choice(
        self, node: Schema, path: str, scope: str, value: Any, base: Any, kinds: Mapping[str, str]
    ) -> Choice:
        kind, base_kind = str(_mapping(value).get("kind", "")), _mapping(base).get("kind")
        groups = {}
        for name, variant in schema.variants(node).items():
            inside = {**kinds, path: name}
            own = value if name == kind else _defaults(path, inside)
            # Another kind's fields are compared with nothing: that it is another kind says it all.
            own_base = base if name == base_kind else _NOTHING
            groups[name] = self._group(variant, path, f"{scope}{name}-", own, own_base, inside)
        problems = (*self._at(f"{path}.kind"), *self._at(path))
        return Choice(path, node["title"], node["description"], kind, base_kind, groups, problems)

    def _rows(self, node: Schema, path: str, scope: str, value: Any, base: Any) -> Rows:
        row, _ = schema.value_node(node["items"])
        bases = base if isinstance(base, list) else []
        values = value if isinstance(value, list) else []
        rows = [
            self._group(row, f"{path}.{i}", scope, each, bases[i] if i < len(bases) else _NOTHING, {})
            for i, each in enumerate(values)
        ]
        blank = {key: child.get("default") for key, child, _ in schema.properties(row)}
        first = next(iter(blank))
        template = self._group(row, f"{path}.{len(values)}", scope, {**blank, first: ""}, _NOTHING, {})
        return Rows(path, node["title"], node["description"], tuple(rows), template, self._at(path))

    def _field(self, node: Schema, path: str, scope: str, value: Any, base: Any, optional: bool) -> Field:
        return Field(
            path=path,
            id=f"{scope}{path}",
            title=node["title"],
            description=node.get("description", ""),
            unit=node.get("unit", ""),
            input=schema.input_type(node),
            text=shown(value),
            base=None if base is _NOTHING else shown(base),
            bounds=schema.bounds(node),
            choices=tuple(node.get("enum", ())),
            optional=optional,
            advanced=bool(node.get("advanced")),
            suggests=SUGGESTED.get(".".join(step for step in path.split(".") if not step.isdigit()), ""),
            problems=self._at(path, within=schema.input_type(node) in ("integers", "texts")),
        )

    def _at(self, path: str, within: bool = False) -> tuple[FieldProblem, ...]:
        """Problems of a path; `within` also those of members of its list."""
        return tuple(
            problem
            for problem in self._problems
            if path and (problem.field == path or (within and problem.field.startswith(f"{path}.")))
        )


def _is_advanced(part: Part) -> bool:
    return isinstance(part, Field) and part.advanced


def _as_section(part: Part) -> Group:
    """Top-level configs are sections; a choice or list there gets a section around it."""
    return part if isinstance(part, Group) else Group(part.path, part.title, part.description, (part,))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _defaults(path: str, kinds: Mapping[str, str]) -> Any:
    """The default config of a kind at `path`, with the kinds around it as they are."""
    raw: dict[str, Any] = {}
    for place, kind in kinds.items():
        inner = raw
        for step in place.split("."):
            inner = inner.setdefault(step, {})
        inner["kind"] = kind
    found: Any = apply_overrides(raw, ())
    for step in path.split("."):
        found = found[step]
    return found
