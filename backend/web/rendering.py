"""Templates: one environment, one way to turn a context into a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from http import HTTPStatus
from typing import Any, Literal

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from backend.kit.boundary import Broken, shielded
from backend.web.assets import FRONTEND, asset, plotly_asset
from backend.web.contexts import Context
from backend.web.drawn import AXES, NOT_YET
from backend.web.format import FILTERS
from backend.web.pages import NAVIGATION, named


@cache
def environment() -> Environment:
    """Strict: a name that no context gives is an error, never an empty place on a page."""
    made = Environment(
        loader=FileSystemLoader(FRONTEND / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(asset=asset, plotly_asset=plotly_asset, AXES=AXES, NOT_YET=NOT_YET)
    made.globals.update(shielded=shielded_html)
    made.globals.update(NAVIGATION=NAVIGATION, page_named=named)
    return made


Wrap = Literal["box", "card", "row"]
_WRAPS: dict[Wrap, Markup] = {
    "box": Markup('<p class="failure" role="status">{}</p>'),
    "card": Markup('<article class="card is-broken"><p class="failure" role="status">{}</p></article>'),
    "row": Markup('<tr class="is-broken"><td class="failure" colspan="99" role="status">{}</td></tr>'),
}


def shielded_html(wrap: Wrap, what: str, macro: Callable[..., Markup], *values: Any) -> Markup:
    """What a template's macro draws of the values, or in its place why it cannot: `wrap` is what it is."""
    made = shielded(what, lambda: macro(*values))
    return _WRAPS[wrap].format(made.text) if isinstance(made, Broken) else made


def render(context: Context, status: int = HTTPStatus.OK) -> HTMLResponse:
    """The page of a context. It shows the state of this moment, so nobody keeps it."""
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    html = environment().get_template(context.template).render(values | context.shared())
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})
