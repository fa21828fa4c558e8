"""A stream that also hands every line written to it to somebody."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TextIO


class LineWriter(io.TextIOBase):
    """Passes text on to `stream` and each full, non-blank line to `take`."""

    def __init__(self, stream: TextIO, take: Callable[[str], None]) -> None:
        self._stream = stream
        self._take = take
        self._begun = ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        *lines, self._begun = (self._begun + text).replace("\r", "\n").split("\n")
        for line in lines:
            if line.strip():
                self._take(line.rstrip())
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()
