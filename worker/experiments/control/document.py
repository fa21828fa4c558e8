"""A report made of sections, as Markdown with its charts beside it and as a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """A chart with the name of its file and what it shows."""

    file: str
    about: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, a table and a chart, each of which may be missing."""

    title: str
    text: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figure: Figure | None = None


@dataclass(frozen=True)
class Document:
    """A title, an introduction and sections."""

    title: str
    text: Sequence[str]
    sections: Sequence[Section]

    def markdown(self) -> str:
        """For `docs/`, with the charts as files under `images/`."""
        parts = [f"# {self.title}", *self.text]
        for section in self.sections:
            parts += [f"## {section.title}", *section.text]
            if section.rows:
                parts.append(_table(section.head, section.rows))
            if section.figure:
                parts.append(f"![{section.figure.about}](images/{section.figure.file})")
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """A page of its own: no other file and no network."""
        parts = [f"<h1>{escape(self.title)}</h1>", *map(_paragraph, self.text)]
        for section in self.sections:
            parts += [f"<h2>{escape(section.title)}</h2>", *map(_paragraph, section.text)]
            if section.rows:
                parts.append(_html_table(section.head, section.rows))
            if section.figure:
                parts.append(f"<figure>{section.figure.svg}</figure>")
        return _PAGE.format(title=escape(self.title), body="\n".join(parts))

    def write(self, folder: Path, page: str, markdown: str) -> Path:
        """All files of it under these names; the page's path."""
        (folder / page).write_text(self.html())
        (folder / markdown).write_text(self.markdown())
        for section in self.sections:
            if section.figure:
                (folder / section.figure.file).write_text(section.figure.svg + "\n")
        return folder / page


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<div class="scroll"><table><thead>{row(head, "th")}</thead><tbody>{body}</tbody></table></div>'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .35rem .8rem .35rem 0; vertical-align: top; }}
tr {{ border-bottom: 1px solid #8886; }}
td:first-child {{ white-space: nowrap; }}
th {{ font-weight: 600; }}
figure {{ margin: 1.5rem 0; background: #fff; border-radius: 6px; }} svg {{ width: 100%; height: auto; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
