"""What a command loads when it starts: a guard that does not depend on how fast a machine is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.lab import environment


def loaded(home: Path, *command: str) -> set[str]:
    """Names of the packages that a Python program imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))


def test_the_list_of_runs_loads_neither_an_orm_nor_a_web_framework(home: Path) -> None:
    modules = loaded(home, "-m", "backend.cli", "runs")
    assert "backend.runs.brief" in modules
    assert (
        modules & {"alembic", "celery", "fastapi", "httpx", "numpy", "plotly", "redis", "sqlalchemy"} == set()
    )


def test_the_web_application_starts_without_what_few_requests_need(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "-c", "import backend.app; backend.app.create_app()")
    assert "fastapi" in modules
    needless = {"alembic", "celery", "kombu", "markdown_it", "plotly", "psycopg", "redis"}
    assert modules & needless == set()


MADE = """
from backend.app import create_app
from backend.web.routing import Route
routes = [each for each in create_app().routes if isinstance(each, Route)]
print(len(routes), sum("api" in vars(route) for route in routes))
"""


def test_fastapi_makes_a_route_with_its_first_request(tmp_path: Path) -> None:
    """In a process of its own: applications of one process share their routes."""
    done = subprocess.run(
        [sys.executable, "-c", MADE], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    routes, made = map(int, done.stdout.split())
    assert routes > 100
    assert made == 0
