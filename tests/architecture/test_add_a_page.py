"""CONTRIBUTING's worked example "Add a page" is followed as written in a copy of the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## Add a page\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```\w+\n(?:# |\{# )(\S+?)(?:, in PAGES before (\w+))?(?: #\})?\n(.*?)^```", re.M | re.S)
LOOK = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from backend.app import create_app
from backend.db.migrate import upgrade
from backend.db.session import session_scope
from backend.people import service as accounts
from backend.settings import Settings

settings = Settings(home=Path(sys.argv[1]))
upgrade(settings.database_url)
with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
    with session_scope(client.app.state.engine) as session:
        token = accounts.create_token(session, "test")
    client.headers["Authorization"] = f"Bearer {token}"
    page = client.get("/workers", headers={"Accept": "text/html"})
    print(page.status_code, "0 workers" in page.text, "<title>Workers" in page.text)
    print('<a class="item is-further" href="/workers" aria-current="page">' in page.text)
    print([hit["address"] for hit in client.get("/api/v1/search", params={"q": "workers"}).json()["hits"]])
"""


def follow(tree: Path) -> None:
    """Do what the section says: write its files, and put its entry before the page it names."""
    section = SECTION.search((ROOT / "CONTRIBUTING.md").read_text())
    assert section
    for path, before, code in BLOCK.findall(section[1]):
        file = tree / path
        if before:
            text = file.read_text()
            at = text.index(f'    Page(\n        "{before}"')
            file.write_text(text[:at] + code + text[at:])
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(code)


def test_a_page_is_added_as_contributing_says(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for part in ("backend", "frontend", "migrations"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    follow(tree)

    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path / "home")],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines() == ["200 True True", "True", "['/workers']"], done.stderr
