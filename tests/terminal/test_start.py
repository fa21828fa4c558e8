"""What a command loads when it starts: a guard that does not depend on how fast a machine is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from backend.app import create_app
from backend.settings import Settings
from backend.web.routing import Route
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


def test_fastapi_makes_a_route_with_its_first_request(tmp_path: Path) -> None:
    routes = [each for each in create_app(Settings(home=tmp_path)).routes if isinstance(each, Route)]
    assert len(routes) > 100
    assert [route.path for route in routes if "api" in vars(route)] == []
