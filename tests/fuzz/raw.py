"""Bytes over a bare socket, without login: never a traceback, never a 5xx, and the server lives on."""

from __future__ import annotations

import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tests.fuzz.lab import FuzzedLab

SENDERS = 8
PATIENCE = 0.4  # seconds for an answer: what is cut short gets none
BATCH = 250  # requests between two looks at the log
METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"BREW",
    b"",
)
PATHS = (
    b"/",
    b"/login",
    b"/healthz",
    b"/readyz",
    b"/favicon.ico",
    b"/s/abc",
    b"/s/abc/data",
    b"/static/x/css/tokens.css",
    b"/static/x/js/a+b.js",
    b"/api/v1/runs",
    b"/api/v1/sets/a/tasks/b",
    b"/api/openapi.json",
    b"/runs/new",
    b"http://127.0.0.1/login",
    b"http://[evil/",
    b"*",
    b"//evil/..",
    b"/%2e%2e/",
    b"example.com:443",
)
ODD = (
    b"%00",
    b"%ff",
    b"%ED%A0%BD",
    b"%0d%0aX: y",
    b"%",
    b"%zz",
    b"..;/",
    b"\x00",
    b"\xff\xfe",
    b"\t",
    b"{{7*7}}",
    b"a" * 5000,
    b"?" + b"a=" * 300,
    b"?token=%00",
    b"?next=http://[evil",
    b"#x",
    b"%F0%9F%99%82",
    b"+",
    b"\\",
)
HEADERS = (
    b"Host: [evil",
    b"Host: a:b:c",
    b"Host:",
    b"Host: evil.example",
    b"Origin: http://[evil",
    b"Origin: null",
    b"Origin: \xff",
    b"Sec-Fetch-Site: cross-site",
    b"Cookie: etrm_session_0=\xff; ;=;,",
    b"Cookie: " + b"a=b; " * 500,
    b"Authorization: Bearer \xff",
    b"Authorization: Bearer",
    b"Authorization: Basic eA==",
    b"Accept: text/html",
    b"Accept-Encoding: gzip;q=x, \xff",
    b"Content-Type: multipart/form-data",
    b"Content-Encoding: gzip",
    b"Content-Type: multipart/form-data; boundary=a; charset=zz",
    b"Content-Type: application/x-www-form-urlencoded",
    b"Content-Type: application/json; charset=utf-16",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: a",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: xyz",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b"Connection: upgrade",
    b"Range: bytes=9-1",
    b"If-None-Match: \xff",
    b"Last-Event-ID: \xff",
    b"X-Forwarded-For: x",
    b"Connection: close",
    b"X: " + b"y" * 20_000,
    b"bad header",
    b": empty",
    b"X : y",
    b"X: a\x00b",
)
BODIES = (
    b"",
    b"token=%ff%00",
    b"token=" + b"a" * 3000,
    b'--a\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--a--',
    b'--a\r\nContent-Disposition: form-data; name="\xff"; filename="\x00"\r\n\r\n',
    b"{" * 3000,
    b"\xff\xfe{",
    b'{"a":"\\ud83d"}',
    b"5\r\nhello\r\n0\r\n\r\n",
    b"zz\r\nx\r\n",
    b"ffffffffffffffff\r\nx",
    b'5;ext="\xff"\r\nhello\r\n0\r\nT: x\r\n\r\n',
)


def made(source: random.Random, host: bytes) -> bytes:
    """One request, mostly well formed, with some things wrong."""
    path = source.choice(PATHS)
    if source.random() < 0.6:
        path += source.choice(ODD)
    version = source.choice((b"HTTP/1.1",) * 8 + (b"HTTP/1.0", b"HTTP/9.9", b"", b"X"))
    headers = source.sample(HEADERS, source.randint(0, 4))
    if source.random() < 0.9 and not any(each.startswith(b"Host") for each in headers):
        headers.insert(0, b"Host: " + host)
    body = source.choice(BODIES) if source.random() < 0.5 else b""
    if body and source.random() < 0.5:
        headers.append(b"Content-Length: %d" % (len(body) + source.choice((0, 0, 0, 1, -1))))
    whole = b"\r\n".join([b" ".join((source.choice(METHODS), path, version)), *headers, b"", body])
    if source.random() < 0.1:
        whole = whole[: source.randint(0, len(whole))]
    if source.random() < 0.1 and whole:
        at = source.randrange(len(whole))
        whole = whole[:at] + bytes([source.randrange(256)]) + whole[at + 1 :]
    return whole + (whole if source.random() < 0.05 else b"")  # sometimes two at once


def fuzz_raw(lab: FuzzedLab, budget: int, number: int) -> Counter[str]:
    """`budget` requests from the seed `number`; counts statuses, "none": no answer."""
    source, seen = random.Random(number), Counter[str]()
    address = urlsplit(lab.server.url)
    where = (str(address.hostname), int(address.port or 80))
    with ThreadPoolExecutor(SENDERS) as senders:
        for start in range(0, budget, BATCH):
            batch = [made(source, address.netloc.encode()) for _ in range(min(BATCH, budget - start))]
            for sent, status in zip(
                batch, senders.map(lambda each: _status(where, each), batch), strict=True
            ):
                seen[status] += 1
                if status.startswith("5"):
                    lab.note(f"raw (seed {number}): {status} for {sent[:2000]!r}")
            if said := lab.new_tracebacks():
                lab.note(f"raw (seed {number}): {_smallest(lab, where, batch)!r}\n{said[-1500:]}")
            with lab.client() as client:
                assert client.get("/healthz").status_code == 200, "the server does not live on"
    return seen


def _smallest(lab: FuzzedLab, where: tuple[str, int], batch: list[bytes]) -> bytes:
    """The shortest request of a batch that leaves a traceback by itself; b"" if none does."""
    for sent in sorted(batch, key=len):
        _status(where, sent)
        if lab.new_tracebacks():
            return sent
    return b""


def _status(where: tuple[str, int], sent: bytes) -> str:
    try:
        with socket.create_connection(where, timeout=10.0) as sender:
            sender.sendall(sent)
            sender.settimeout(PATIENCE)
            answer = sender.recv(4096)
    except TimeoutError:
        return "none"
    except OSError:
        return "closed"
    parts = answer.split(b" ", 2)
    return parts[1].decode("latin-1") if len(parts) > 1 else "none"
