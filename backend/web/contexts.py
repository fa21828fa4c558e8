"""What every template is given, and the base of what each page adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from backend.web.pages import named
from backend.web.visitor import who


@dataclass(frozen=True)
class Context:
    """Base: the template, the title of the page and its place in the navigation.

    `nav` names the page of `backend.web.pages` that is marked as the current one.
    """

    template: ClassVar[str]
    nav: ClassVar[str] = ""
    page: ClassVar[str] = ""  # which module of ours drives it
    sheets: ClassVar[Sequence[str]] = ()  # style sheets besides those of every page

    @property
    def page_title(self) -> str:
        """The title of its page in the navigation; a page about one thing has that thing's name."""
        return named(self.nav).title

    def shared(self) -> dict[str, Any]:
        """What base.html needs of every page."""
        return {
            "page_title": self.page_title,
            "nav": self.nav,
            "page": self.page,
            "sheets": list(self.sheets),
            "role": who.get().role,
            "is_logged_in": bool(who.get().session_id),  # rather than let in by a token: it can log out
        }


@dataclass(frozen=True)
class OfflinePage(Context):
    """What an installed application shows where the lab cannot be reached: nobody's, and of no page."""

    template = "web/offline.html"

    style: str  # the address of its style sheet

    @property
    def page_title(self) -> str:
        return "No connection"
