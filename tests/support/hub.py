"""A small server that answers like the Hugging Face Hub where a file is fetched from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "5" * 40  # of its one revision
HUGE = 9_000_000_000  # bytes that `huge` claims to have
REPOSITORY = "lab/trm"


@contextmanager
def hub(folder: Path) -> Iterator[str]:
    """The address of a hub with one repository: the files of a folder, and `huge`."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            file = next(
                (
                    folder / path.removeprefix(start)
                    for revision in ("main", COMMIT)
                    if path.startswith(start := f"/{REPOSITORY}/resolve/{revision}/")
                ),
                None,
            )
            if file is None or not (file.name == "huge" or file.is_file()):
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound" if file is None else "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = b"" if file.name == "huge" else file.read_bytes()
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(HUGE if file.name == "huge" else len(content)))
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
