"""A lab to be fuzzed: a real server with something of everything, and one token for each role."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.people import service as accounts
from tests.support.databases import PostgresDatabases, SqliteFiles, postgres_server
from tests.support.web import WebServer

ROLES = ("viewer", "editor", "admin")
TASK = {"train": [{"input": [[1, 2]], "output": [[2, 1]]}], "test": [{"input": [[1]], "output": [[2]]}]}
PANELS = [
    {"id": "loss", "kind": "curves", "metric": "loss", "by": "run"},
    {"id": "seeds", "kind": "curves", "metric": "loss", "by": "seed"},
    {"id": "bars", "kind": "bars", "measure": "pass@1"},
    {"id": "grids", "kind": "grids"},
    {"id": "results", "kind": "table", "table": "results"},
    {"id": "encoder", "kind": "table", "table": "encoder"},
    {"id": "config", "kind": "table", "table": "config", "by": "run"},
]


@dataclass
class FuzzedLab:
    """A server, its tokens by role, and ids that exist. `findings` are what went wrong, in words."""

    server: WebServer
    tokens: dict[str, str]
    ids: dict[str, str]
    findings: list[str] = field(default_factory=list)
    _read: int = 0

    def client(self, role: str = "editor") -> httpx.Client:
        """A client with the token of a role."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=60.0)

    def note(self, finding: str) -> None:
        """Write down what went wrong, and show it at once."""
        self.findings.append(finding)
        print(f"FOUND {finding}", flush=True)

    def new_tracebacks(self) -> str:
        """What the server has logged since the last call, if there is a traceback in it; else ""."""
        written = self.server.log.read_text(errors="replace")
        new, self._read = written[self._read :], len(written)
        return new if "Traceback" in new else ""


@contextmanager
def fuzzed_lab(kind: str) -> Iterator[FuzzedLab]:
    """A lab on a fresh database, `sqlite` or `postgres`."""
    with tempfile.TemporaryDirectory() as name, _database(kind, Path(name)) as url:
        folder = Path(name)
        server = WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": url})
        try:
            yield FuzzedLab(server, *_furnished(server))
        finally:
            server.stop()


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield SqliteFiles(folder).new()
        return
    with postgres_server() as url:
        yield PostgresDatabases(url).new()


def _furnished(server: WebServer) -> tuple[dict[str, str], dict[str, str]]:
    with session_scope(server.engine) as session:
        datasets.seed_built_in(session)
        for role in ROLES:
            accounts.add_person(session, f"a-{role}", role)
        tokens = {role: accounts.create_token(session, f"token-{role}", f"a-{role}") for role in ROLES}
    with server.client() as client:
        run = client.post("/api/v1/runs/external", json={"name": "mine", "config": {"lr": 0.1}}).json()["id"]
        metrics = {"step": [0, 1, 2], "values": {"loss": [0.9, "NaN", 0.3]}}
        client.post(f"/api/v1/runs/{run}/metrics", json=metrics)
        client.post("/api/v1/sets", json={"name": "mini", "tasks": {"one": TASK}})
        made = client.post("/api/v1/dashboards", json={"name": "board", "content": {"panels": PANELS}})
        slug = str(made.raise_for_status().json()["slug"])
        client.put("/api/v1/views/mine", json={"query": "filter=status = running"})
    ids = {"run_id": run, "slug": slug, "name": "mini", "task_id": "one"}
    return tokens, ids
