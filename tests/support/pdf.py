"""As much of a PDF as tests ask of it."""

from __future__ import annotations

import re


def objects(content: bytes) -> dict[int, bytes]:
    """Number -> the text of each object, found by way of the file's own table of places."""
    assert content.startswith(b"%PDF-")
    start = re.search(rb"startxref\s+(\d+)\s+%%EOF\s*$", content)
    assert start
    table = content[int(start[1]) :]
    head = re.match(rb"xref\s+0 (\d+)\s+", table)
    assert head
    places = re.findall(rb"(\d{10}) \d{5} ([nf])", table)[: int(head[1])]
    assert len(places) == int(head[1])
    found = {}
    for number, (place, kind) in enumerate(places):
        if kind == b"n":
            text = content[int(place) :]
            assert text.startswith(b"%d 0 obj" % number)
            found[number] = text[: text.index(b"endobj")]
    return found


def page_size(content: bytes) -> tuple[float, float]:
    """Width and height in points of the only page."""
    boxes = [re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", text) for text in objects(content).values()]
    (box,) = filter(None, boxes)
    return float(box[1]), float(box[2])


def embedded_fonts(content: bytes) -> int:
    """How many fonts there are; AssertionError unless each is embedded, as TrueType."""
    parts = objects(content).values()
    fonts = [text for text in parts if re.search(rb"/Type /Font\b", text)]
    descriptors = [text for text in parts if b"/Type /FontDescriptor" in text]
    assert fonts
    assert not any(re.search(rb"/Subtype /Type[13]\b", text) for text in fonts)
    assert descriptors
    assert all(b"/FontFile2" in text for text in descriptors)
    return len(descriptors)
