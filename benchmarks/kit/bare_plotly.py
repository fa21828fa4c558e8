"""The yardstick: the least that a chart by Plotly takes in this browser, on this machine, at this moment.

A bare page with Plotly's script and one line of 1,000 points, from a server that does nothing else. Figures
of real pages are to be read as multiples of it: a busy machine is slower, and so is this.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

PAGE = b"""<!doctype html><title>floor</title><div id="chart"></div>
<script src="/plotly.min.js"></script>
<script>
  const line = { y: Array.from({ length: 1000 }, Math.random) };
  Plotly.newPlot("chart", [line]).then(() => (window.at = performance.now()));
</script>"""


@contextmanager
def floor_server() -> Iterator[str]:
    """Address of the bare page while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        is_script = self.path == "/plotly.min.js"
        body = _script() if is_script else PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Cache-Control", "public, max-age=31536000, immutable" if is_script else "no-store")
        if is_script:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: standard error is for what goes wrong."""


@cache
def _script() -> bytes:
    return gzip.compress((files("plotly") / "package_data" / "plotly.min.js").read_bytes(), 6)
