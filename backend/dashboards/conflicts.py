"""Two people change one dashboard at once: what each of them has, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

from backend.domain.dashboards import AnyPanel, Content, ProsePanel
from backend.kit.errors import Conflict, FieldProblem

NOTHING = "nothing"


def conflict(slug: str, now: tuple[str, Content], given: tuple[str, Content], versions: str) -> Conflict:
    """The refusal of a change: names and contents as they are now and as they were sent."""
    return Conflict(
        f"Dashboard {slug!r} was changed meanwhile ({versions}).",
        "Put both together, save yours as a copy, or reload the page.",
        problems=list(_differences(now, given)),
    )


def _differences(now: tuple[str, Content], given: tuple[str, Content]) -> Iterator[FieldProblem]:
    if now[0] != given[0]:
        yield _problem("name", now[0], given[0])
    theirs, yours = ({panel.id: panel for panel in content.panels} for content in (now[1], given[1]))
    for panel_id in dict.fromkeys([*theirs, *yours]):
        if theirs.get(panel_id) != yours.get(panel_id):
            field = f"content.panels.{panel_id}"
            yield _problem(field, _shown(theirs.get(panel_id)), _shown(yours.get(panel_id)))
    if now[1].source != given[1].source:
        yield _problem("content.source", now[1].source.model_dump_json(), given[1].source.model_dump_json())


def _problem(field: str, now: str, given: str) -> FieldProblem:
    return FieldProblem(field, f"was changed meanwhile. It is now: {now}", f"Yours: {given}")


def _shown(panel: AnyPanel | None) -> str:
    """A panel's words, or what else it is made of."""
    if panel is None:
        return NOTHING
    return panel.text if isinstance(panel, ProsePanel) else panel.model_dump_json(exclude_defaults=True)
