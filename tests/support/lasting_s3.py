"""moto's S3 server, which has everything in its memory, with a file that brings it back after a kill.

`python -m tests.support.lasting_s3 HOST PORT FILE`. A request that changes something is written to the file
before it is carried out, and one that is in the file is carried out again at the next start: so what was
acknowledged is there, and what was not may be, as with any store.
"""

from __future__ import annotations

import io
import pickle
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request


class Lasting:
    """A WSGI application around moto's."""

    def __init__(self, file: Path) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._replay(file)
        self._file = file.open("ab")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        body = Request(environ).get_data()
        kept = {name: value for name, value in environ.items() if isinstance(value, str | dict)}
        with self._lock:
            pickle.dump((kept, body), self._file)
            self._file.flush()
            return self._app({**environ, "wsgi.input": io.BytesIO(body)}, start_response)  # type: ignore[no-any-return]

    def _replay(self, file: Path) -> None:
        with file.open("a+b") as requests:
            requests.seek(0)
            whole = 0
            try:
                while True:
                    kept, body = pickle.load(requests)
                    whole = requests.tell()
                    streams = {"wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr}
                    run_wsgi_app(self._app, {**kept, **streams}, buffered=True)
            except (EOFError, pickle.UnpicklingError):  # the end, or a request that a kill cut off
                requests.truncate(whole)


if __name__ == "__main__":
    host, port, file = sys.argv[1:]
    run_simple(host, int(port), Lasting(Path(file)), threaded=True, request_handler=MotoRequestHandler)
