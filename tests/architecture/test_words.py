"""Phrases that plain English replaced do not come back, in what users read and in what we write for each
other. Rows of `STILTED`: a pattern, and what to write instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.kit import errors

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "backend",
    "worker",
    "client",
    "frontend",
    "migrations",
    "benchmarks",
    "tests",
    "docker",
    "docs",
    ".ci",
)
SUFFIXES = {".py", ".html", ".js", ".css", ".md", ".toml", ".yml", ".sh", ""}
LEFT_OUT = (
    ROOT / "tests" / "golden",  # answers of earlier versions
)

STILTED = {
    r"\b(?:goes|going) on (?:from|where|with|waiting)\b|\bgoes on[.,;]": "resumes, continues",
    r"\banew\b": "again",
    r"\bis never '": "'x' is not a valid …",
    r"\bcannot be had\b": "is unavailable; could not load …",
    r"\botherwise than\b": "differs from",
    r"\bopens nothing\b": "is invalid; was revoked",
    r"\bnobody yet\b": "unassigned",
    r"\b(?:has|have) run out\b": "has expired",
    r"\bused already\b": "has been used",
    r"\bevaluated already\b": "already exists",
    r"\bthere is nothing (?:called|at)\b": "unknown name; page not found",
    r"\bthere is (?:nobody|somebody|a token) called\b": "unknown person; … already exists",
    r"\bthere is no such field\b": "unknown field",
    r"\bNothing (?:has `|waits\.|runs\.)": "No runs match …; Queue is empty",
    r"\bhave other tags\b": "Updated tags on …",
    r"\bcannot be listed like that\b": "Invalid query",
    r"\bis not one that a page gave\b": "Invalid cursor",
    r"\bmore than luck\b": "significant",
    r"\bTrying again; nothing\b": "Reconnecting… No updates will be lost.",
    r"\bKeep as it was\b": "Cancel",
    r"\bits course counts\b": "watch the trend",
    r"\bnot to be trusted\b": "Scores are invalid: …",
    r"\bat most so many\b": "maximum number of",
    r"\bNo worker is alive\b|\bno worker is alive\b": "no worker is online",
    r"\btruth: no vote\b|\btruth got no vote\b": "correct answer got 0 votes",
    r"\bclosed to strangers\b": "log in",
    r"\bthe script said so\b": "reported by the script",
}


def _texts() -> Iterator[Path]:
    inside = (each for folder in FOLDERS for each in (ROOT / folder).rglob("*"))
    for path in sorted([*inside, *ROOT.glob("*")]):
        ours = "__pycache__" not in path.parts and not any(path.is_relative_to(each) for each in LEFT_OUT)
        if ours and path.is_file() and path.suffix in SUFFIXES and path != Path(__file__):
            yield path


def stilted(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, phrase, what to write instead) of each phrase that must not come back."""
    for pattern, plain in STILTED.items():
        for found in re.finditer(pattern, text, re.IGNORECASE):
            yield text.count("\n", 0, found.start()) + 1, found[0], plain


def test_no_stilted_phrase_comes_back() -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{line}: {phrase!r}; write: {plain}"
        for path in _texts()
        for line, phrase, plain in stilted(path.read_text(errors="ignore"))
    ]
    assert lines == []


@pytest.mark.parametrize(
    "text",
    ["priority is never 'hgih'", "stopped; goes on from step 40", "This token opens nothing.", "It goes on."],
)
def test_a_stilted_phrase_is_found_in_any_text(text: str) -> None:
    assert [line for line, *_ in stilted(f"# first line\n{text}\n")] == [2]


def messages() -> Iterator[tuple[str, str]]:
    """(place, text) of what is said by errors: pages and terminals show it as it is, not as Markdown."""
    classes = {name for name, kind in vars(errors).items() if isinstance(kind, type)} | {"Mismatch"}
    for path in sorted([*(ROOT / "backend").rglob("*.py"), *(ROOT / "worker").rglob("*.py")]):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in classes:
                for part in ast.walk(call):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{path.relative_to(ROOT)}:{part.lineno}", part.value


def test_no_error_is_written_in_markdown() -> None:
    said = list(messages())
    assert len(said) > 300
    assert [place for place, text in said if "`" in text] == []
