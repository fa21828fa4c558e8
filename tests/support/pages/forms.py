"""The launch form as a browser without JavaScript sends it."""

from __future__ import annotations

from html.parser import HTMLParser


class Form(HTMLParser):
    """What a browser would send of the launch form."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._off = 0  # depth of fieldsets that are disabled
        self._select = ""
        self._area = ""
        self._template = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self._template |= tag == "template"
        if tag == "fieldset" and (self._off or "disabled" in found):
            self._off += 1
        if self._off or self._template:
            return
        name, kind = found.get("name", ""), found.get("type", "text")
        if tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in found):
            self.sent[name] = found.get("value", "on")
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in found and self._select:
            self.sent[self._select] = "?"
        elif tag == "textarea":
            self._area = name

    def handle_data(self, data: str) -> None:
        if self._select and self.sent.get(self._select) == "?":
            self.sent[self._select] = data.strip()
        if self._area:
            self.sent[self._area] = self.sent.get(self._area, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "fieldset" and self._off:
            self._off -= 1
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""
        elif tag == "template":
            self._template = False
