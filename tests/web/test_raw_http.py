"""What strangers can send over a bare socket: a clear refusal, never a traceback, and not for ever."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.web import WebServer

HELD_SECONDS = 20.0  # the longest that a request sent by halves may be held


def exchange(server: WebServer, request: bytes, within: float = 30.0) -> bytes:
    """What the server answers until it closes the connection, or falls silent after an answer."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=within) as sender:
        sender.sendall(request)
        return b"".join(_pieces(sender))


def _pieces(sender: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            piece = sender.recv(65536)
        except (ConnectionResetError, TimeoutError):
            return
        if not piece:
            return
        yield piece


def request(server: WebServer, line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    host = b"Host: " + urlsplit(server.url).netloc.encode()
    given = [each for each in headers if each.lower().startswith(b"host:")]
    return b"\r\n".join([line, *(given or [host]), *(h for h in headers if h not in given), b"", body])


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"GET /static/x/css/tokens.css%00 HTTP/1.1", (), 422),
        (b"GET /static/x/css/%2e%2e%2f%00.css HTTP/1.1", (), 422),
        (b"GET /static/x/css/" + b"a" * 4000 + b".css HTTP/1.1", (), 404),
        (b"GET /static/x/js/" + b"a+" * 3000 + b"b.js HTTP/1.1", (), 404),
        (b"GET /static/\xff HTTP/1.1", (), 400),
        (b"POST /login HTTP/1.1", (b"Origin: http://[evil", b"Content-Length: 0"), 403),
        (b"POST /login HTTP/1.1", (b"Origin: null", b"Content-Length: 0"), 403),
        (b"GET /healthz HTTP/1.1", (b"Host: [evil",), 200),
        (b"GET /login HTTP/1.1", (b"Host: [evil",), 403),
        (b"GET /login HTTP/1.1", (b"Host: [evil", b"Accept: text/html"), 403),
        (b"GET /login HTTP/1.1", (b"Host: a:b:c",), 403),
        (b"GET /login HTTP/1.1", (b"Cookie: etrm_session_1=\xff\xfe; =; ;;\x80",), 200),
        (b"GET /runs HTTP/1.1", (b"Authorization: Bearer \xff\xfe",), 401),
        (b"GET http://[evil/login HTTP/1.1", (), 404),
        (b"GET * HTTP/1.1", (), 404),
        (b"OPTIONS * HTTP/1.1", (), 404),
        (b"BREW /login HTTP/1.1", (), 405),
        (b"GET /login HTTP/1.1", (b"X: " + b"a" * 200_000,), 400),
        (b"POST /login HTTP/1.1", (b"Content-Length: " + b"9" * 500,), 400),
        (b"POST /login HTTP/1.1", (b"Content-Length: -1",), 400),
        (b"POST /login HTTP/1.1", (b"Content-Type: multipart/form-data", b"Content-Length: 0"), 422),
        (b"POST /login HTTP/1.1", (b"Content-Type: multipart/form-data; boundary=" + b"b" * 500,), 422),
    ],
)
def test_hostile_requests_are_refused_in_words(
    server: WebServer, line: bytes, headers: tuple[bytes, ...], status: int
) -> None:
    before = server.log.read_text().count("Traceback")
    answer = exchange(server, request(server, line, *headers, b"Connection: close"))
    assert answer.split(b" ", 2)[1] == str(status).encode(), answer[:500]
    assert server.log.read_text().count("Traceback") == before


def test_a_bad_chunk_after_the_answer_leaves_no_traceback(server: WebServer) -> None:
    before = server.log.read_text().count("Traceback")
    head = request(server, b"POST /api/v1/runs HTTP/1.1", b"Transfer-Encoding: chunked")
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as sender:
        sender.sendall(head)
        assert b"401" in sender.recv(65536)
        sender.sendall(b"zz\r\nno chunk\r\n")
        assert b"".join(_pieces(sender)).count(b"HTTP/1.1") == 0
    assert server.log.read_text().count("Traceback") == before


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"POST", b"DELETE"])
@pytest.mark.parametrize("body", [b"zz\r\nno chunk\r\n", b"f" * 21 + b"\r\nx", b"5\r\nhello!!"])
def test_a_bad_chunk_before_the_answer_is_answered_once(
    server: WebServer, method: bytes, body: bytes
) -> None:
    before = server.log.read_text().count("Traceback")
    sent = request(server, method + b" /login HTTP/1.1", b"Transfer-Encoding: chunked", body=body)
    answer = exchange(server, sent)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"\r\n\r\n" if method == b"HEAD" else b"Invalid HTTP request received.")
    with server.stranger() as other:
        assert other.get("/healthz").status_code == 200
    assert server.log.read_text().count("Traceback") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /lo",
        b"GET /login HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nhalf",
        b"POST /login HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"POST /api/v1/runs HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nhalf",
        b"POST /api/v1/runs HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        b"Content-Length: 1000\r\n\r\n{",
    ],
)
@pytest.mark.parametrize("drips", [False, True])
def test_what_is_sent_by_halves_is_cut_off(server: WebServer, sent: bytes, drips: bool) -> None:
    """Whether the sender falls silent or sends a byte a second."""
    address = urlsplit(server.url)
    sent = sent.replace(b"{host}", address.netloc.encode()).replace(b"{token}", server.token.encode())
    began = time.monotonic()
    with socket.create_connection((address.hostname, address.port)) as sender:
        sender.sendall(sent)
        sender.settimeout(1.0)
        while time.monotonic() - began < HELD_SECONDS:
            try:
                if not sender.recv(65536):
                    break
                continue
            except TimeoutError:
                pass
            except OSError:
                break
            if drips:
                try:
                    sender.sendall(b"a")
                except OSError:
                    break
    assert time.monotonic() - began < HELD_SECONDS


def test_a_slow_body_that_keeps_coming_is_taken(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"name": "sl'
        time.sleep(1.0)
        yield b'ow"}'

    headers = {"Content-Type": "application/json"}
    assert client.post("/api/v1/runs/external", content=pieces(), headers=headers).status_code == 201
