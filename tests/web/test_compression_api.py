"""Answers travel small, and what is no text or still grows travels as it is."""

from __future__ import annotations

import httpx
import pytest

from tests.support.web import WebServer


@pytest.mark.parametrize("path", ["/runs/new", "/api/openapi.json"])
def test_pages_and_json_are_compressed_for_those_who_take_it(client: httpx.Client, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers

    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert len(raw) < len(plain.content) / 4


def test_an_event_stream_is_not_held_back_to_be_compressed(server: WebServer) -> None:
    with server.client() as client, client.stream("GET", "/api/v1/events") as stream:
        assert "content-encoding" not in stream.headers
        assert next(stream.iter_raw())
