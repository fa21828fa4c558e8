"""README, CONTRIBUTING and the pages of docs/ as data: what they name that must exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


@dataclass(frozen=True)
class Document:
    """One document; `name` is its path from the root."""

    name: str
    text: str

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _FENCE.sub("", self.text)

    @property
    def quoted(self) -> list[str]:
        """Everything in backticks, outside code blocks."""
        return re.findall(r"`([^`]+)`", self.prose)

    @property
    def links(self) -> list[str]:
        """Targets of links and pictures, those of other hosts left out."""
        targets = (link or source for link, source in _LINK.findall(self.prose))
        return [target for target in targets if "://" not in target]

    def commands(self, program: str) -> Iterator[str]:
        """Every command line of `program`, in backticks or as a line of a code block without a language."""
        lines = [line for kind, block in _FENCE.findall(self.text) if not kind for line in block.splitlines()]
        for line in [" ".join(each.split()) for each in self.quoted] + lines:
            for part in re.split(r"\s#\s|\s&&\s|;|\s\|\sjq\b", line.strip()):
                found = re.search(rf"(?:^|\s)(?:\S*/)?{program}(?: (.*))?$", part.strip())
                if found and not re.match(r"python|pip|docker", part.strip()):
                    yield f"{program} {found[1] or ''}".strip()


@cache
def documents() -> list[Document]:
    """All of them, by name."""
    return [Document(str(path.relative_to(ROOT)), path.read_text()) for path in DOCUMENTS]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a Markdown text."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@cache
def files() -> frozenset[str]:
    """Every file of the product, as a path from the root."""
    tops = (
        "backend",
        "worker",
        "frontend",
        "tests",
        "docs",
        "migrations",
        "benchmarks",
        "docker",
        "client",
        ".ci",
    )
    inside = (path for top in tops for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts)
    return frozenset(str(path.relative_to(ROOT)) for path in [*inside, *ROOT.glob("*.*")] if path.is_file())
