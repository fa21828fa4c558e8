"""Recorded releases: open their database in today's code, ask it, and hold the answers against the record."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, MetaData, create_engine, insert, select, text

from backend.db.migrate import upgrade
from tests.support.lab import etrm
from tests.support.releases.answers import answers
from tests.support.web import WebServer

GOLDEN = Path(__file__).parents[2] / "golden" / "releases"
ANY = "(differs from one asking to the next)"
CLOSE = {"rel_tol": 1e-6, "abs_tol": 1e-9}  # sums in another order, another database's arithmetic
OF_PAGES = {"rel_tol": 1e-3, "abs_tol": 0.11}  # a rounded number whose last digit may fall the other way


class Release:
    """One folder of `tests/golden/releases`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = GOLDEN / name

    @property
    def secret(self) -> str:
        """Of the share link of its dashboard."""
        return (self.folder / "secret.txt").read_text().strip()

    @property
    def answers(self) -> dict[str, Any]:
        """What the version that wrote it answered."""
        found: dict[str, Any] = json.loads(gzip.decompress((self.folder / "answers.json.gz").read_bytes()))
        return found

    @property
    def defaults(self) -> dict[str, Any]:
        """What `defaults` said in that version."""
        found: dict[str, Any] = json.loads((self.folder / "config_defaults.json").read_text())
        return found

    def as_sqlite(self, folder: Path) -> str:
        """URL of the database as that version left it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "etrm.sqlite3"
        path.write_bytes(gzip.decompress((self.folder / "etrm.sqlite3.gz").read_bytes()))
        return f"sqlite:///{path}"

    def as_postgres(self, folder: Path, url: str) -> str:
        """The same rows in the empty PostgreSQL database of `url`, at the revision of that version."""
        source = create_engine(self.as_sqlite(folder))
        with source.connect() as reading:
            revision = reading.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
            upgrade(url, revision)
            target = create_engine(url)
            stored, wanted = MetaData(), MetaData()
            stored.reflect(source)
            wanted.reflect(target)
            with target.begin() as writing:
                writing.execute(text("SET session_replication_role = replica"))  # rows in any order
                for table in wanted.sorted_tables:
                    if table.name == "alembic_version":
                        continue
                    rows = reading.execute(select(stored.tables[table.name])).mappings()
                    converted = [_as_postgres_has_it(dict(row), table) for row in rows]
                    if converted:
                        writing.execute(insert(table), converted)
                    if "id" in table.c and not isinstance(table.c["id"].type, type(text(""))):
                        _go_on_counting(writing, table.name)
            target.dispose()
        source.dispose()
        return url


def _as_postgres_has_it(row: dict[str, Any], table: Any) -> dict[str, Any]:
    """SQLite's numbers as booleans, where PostgreSQL has such."""
    return {
        name: bool(value) if isinstance(table.c[name].type, Boolean) and value is not None else value
        for name, value in row.items()
    }


def _go_on_counting(connection: Any, table: str) -> None:
    """The next row's number comes after those that were copied."""
    sequence = connection.execute(text(f"SELECT pg_get_serial_sequence('{table}', 'id')")).scalar_one()
    if sequence:
        connection.execute(text(f"SELECT setval('{sequence}', (SELECT coalesce(max(id), 1) FROM {table}))"))


def releases() -> list[Release]:
    """All that are recorded, oldest first."""
    return [Release(folder.name) for folder in sorted(GOLDEN.iterdir())]


def asked(release: Release, folder: Path, url: str) -> dict[str, Any]:
    """Migrate the database as a user does, and ask a server on it everything."""
    folder.mkdir(parents=True, exist_ok=True)
    done = etrm(folder, "migrate", ETRM_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    server = WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": url})
    try:
        with server.client() as client:
            return answers(client, release.secret)
    finally:
        server.stop()


def blurred(first: Any, second: Any) -> Any:
    """The first answer, with `ANY` where the second differs: what depends on when and where one asks."""
    if _is_page(first) and _is_page(second):
        both = Counter(first["numbers"]) & Counter(second["numbers"])
        return {"numbers": sorted(both.elements()), "places": first["places"]}
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return {key: blurred(first[key], second[key]) for key in first}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [blurred(*both) for both in zip(first, second, strict=True)]
    assert not isinstance(first, list), "how much is listed depends on when one asks"
    return first if repr(first) == repr(second) else ANY


def _by_column(table: list[list[Any]]) -> list[dict[str, Any]]:
    """The rows of a CSV file by their header: a further column is welcome anywhere."""
    header, *rows = table
    return [dict(zip(header, row, strict=True)) for row in rows]


def _is_page(answer: Any) -> bool:
    return isinstance(answer, dict) and set(answer) == {"numbers", "places"}


def differences(recorded: Any, now: Any, where: str = "") -> Iterator[str]:
    """What was answered otherwise, one line each. What is new beside it is none."""
    if recorded == ANY:
        return
    if _is_page(recorded):
        yield from _of_page(recorded, now, where)
    elif isinstance(recorded, dict) and isinstance(now, dict):
        for key, value in recorded.items():
            if key in now:
                yield from differences(value, now[key], f"{where} {key}")
            else:
                yield f"{where}: no {key}"
    elif where.endswith("format=csv"):
        yield from differences(_by_column(recorded), _by_column(now), f"{where} rows")
    elif isinstance(recorded, list) and isinstance(now, list):
        if len(recorded) != len(now):
            yield f"{where}: {len(recorded)} entries, now {len(now)}"
            return
        for at, (before, after) in enumerate(zip(recorded, now, strict=True)):
            yield from differences(before, after, f"{where} {at}")
    elif not _alike(recorded, now):
        yield f"{where}: {recorded!r}, now {now!r}"


def _alike(before: Any, after: Any) -> bool:
    numbers = (int, float)
    if isinstance(before, numbers) and isinstance(after, numbers):
        return math.isclose(before, after, **CLOSE) or (math.isnan(before) and math.isnan(after))
    return bool(before == after)


def _of_page(recorded: dict[str, Any], now: dict[str, Any], where: str) -> Iterator[str]:
    """Every number and every place that the page showed must still be there, in whatever order."""
    gone = set(recorded["places"]) - set(now["places"])
    if gone:
        yield f"{where}: leads no longer to {', '.join(sorted(gone))}"
    left = sorted(map(float, now["numbers"]))
    for number in sorted(map(float, recorded["numbers"])):
        match = next((at for at, each in enumerate(left) if math.isclose(each, number, **OF_PAGES)), None)
        if match is None:
            yield f"{where}: no longer shows {number:g}"
        else:
            del left[match]
