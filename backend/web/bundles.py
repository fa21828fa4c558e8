"""Several style sheets or modules as one file: a page asks for one of each, whatever it is made of.

Made when first asked for, from the files as they are; there is no build. Our modules import by name from
relative paths and export declarations, nothing else: that is all that is understood here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

IMPORT = re.compile(r'^import \{ ([^}]+) \} from "(\.[^"]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
OTHER = re.compile(r"^(?:import|export) .*|\bimport\(.*", re.MULTILINE)


def style_sheet(files: Sequence[Path]) -> bytes:
    """The sheets one after another, in this order."""
    return b"\n".join(file.read_bytes() for file in files)


def module(entries: Sequence[Path], folder: Path) -> bytes:
    """One module that does what the entries do, each file below `folder` once and after what it imports."""
    files = list(dict.fromkeys(file for entry in entries for file in _with_imports(entry.resolve(), ())))
    parts = [_part(file, folder.resolve()) for file in files]
    return "\n".join(["const modules = {};", *parts]).encode()


def _with_imports(file: Path, importers: tuple[Path, ...]) -> Iterator[Path]:
    """What the file imports, and it after them. ValueError for a circle."""
    if file in importers:
        raise ValueError(f"{file.name} imports itself by way of {importers[-1].name}.")
    for _, path in IMPORT.findall(file.read_text()):
        yield from _with_imports((file.parent / path).resolve(), (*importers, file))
    yield file


def _part(file: Path, folder: Path) -> str:
    """The file as a function that gives its exports."""

    def imported(found: re.Match[str]) -> str:
        names = found[1].replace(" as ", ": ")
        return f"const {{ {names} }} = modules[{_name(file.parent / found[2], folder)}];"

    text = file.read_text()
    exports = ", ".join(name for _, name in EXPORT.findall(text))
    body = EXPORT.sub(r"\1", IMPORT.sub(imported, text))
    if unknown := OTHER.search(body):
        raise ValueError(f"{file.name}: {unknown[0]!r} is not understood; import and export by name.")
    return f"modules[{_name(file, folder)}] = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();"


def _name(file: Path, folder: Path) -> str:
    return f'"{file.resolve().relative_to(folder).as_posix()}"'
