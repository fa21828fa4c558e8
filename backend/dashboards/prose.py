"""Words of a panel: Markdown as HTML that runs nothing and fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict


def prose(text: str) -> Markup:
    """Markdown as HTML; HTML inside it is shown as text, links lead only where links may, and a
    picture of another place is a link."""
    return Markup(_markdown().render(text))


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False, "typographer": False}).enable("table")

    def image(
        renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
    ) -> str:
        """A picture that lies in the text itself; of any other a link: whoever looks would fetch it."""
        address = str(tokens[at].attrs["src"])
        if address.startswith("data:"):
            return renderer.image(tokens, at, options, env)
        return Markup('<a href="{}">{}</a>').format(address, tokens[at].content or address)

    markdown.add_render_rule("image", image)
    return markdown
