"""Record a release: `python -m tests.support.releases NAME`."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

from backend.data import service as datasets
from backend.db.migrate import upgrade
from backend.db.session import make_engine, session_scope
from tests.support.releases import contents
from tests.support.releases.defaults import defaults
from tests.support.releases.kept import GOLDEN, Release, asked, blurred


def record(name: str) -> Path:
    """Write the database and what it answers; the folder."""
    folder = GOLDEN / name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "etrm.sqlite3"
        upgrade(f"sqlite:///{path}")
        engine = make_engine(f"sqlite:///{path}")
        with session_scope(engine) as session:
            datasets.seed_built_in(session)
        secret = contents.write(engine, Path(place) / "artifacts")
        engine.dispose()
        _trim(path)
        with (
            path.open("rb") as source,
            (folder / "etrm.sqlite3.gz").open("wb") as target,
            gzip.GzipFile("", "wb", 9, target, mtime=0) as packed,
        ):
            shutil.copyfileobj(source, packed)
        said = json.dumps(defaults(), indent=1, sort_keys=True, ensure_ascii=False)
        (folder / "config_defaults.json").write_text(said + "\n")
        (folder / "secret.txt").write_text(secret + "\n")
        release = Release(name)
        first = asked(release, Path(place) / "1", release.as_sqlite(Path(place) / "1"))
        later = release.as_sqlite(Path(place) / "2")
        _let_time_pass(Path(place) / "2" / "etrm.sqlite3")
        second = asked(release, Path(place) / "2", later)
    with gzip.GzipFile(folder / "answers.json.gz", "wb", 9, mtime=0) as packed:
        packed.write(json.dumps(blurred(first, second), ensure_ascii=False, sort_keys=True).encode())
    return folder


def _trim(path: Path) -> None:
    """Leave out the built-in task sets, which `etrm migrate` puts back: 9 of 10 bytes."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        built_in = "SELECT name FROM task_set WHERE origin = 'built-in'"
        connection.execute(f"DELETE FROM task WHERE set_name IN ({built_in})")
        connection.execute("DELETE FROM task_set WHERE origin = 'built-in'")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("VACUUM")
    connection.close()


def _let_time_pass(path: Path) -> None:
    """What is under way began 100 days before: its duration is not the same on every day."""
    with sqlite3.connect(path) as connection:
        for table, end in (("run", "finished_at"), ("evaluation_share", "ended_at")):
            connection.execute(f"UPDATE {table} SET started_at = started_at - 8.64e6 WHERE {end} IS NULL")
        connection.execute(
            "UPDATE evaluation_job SET started_at = started_at - 8.64e6 WHERE batches_done < batches"
        )
    connection.close()


if __name__ == "__main__":
    made = record(sys.argv[1])
    for file in sorted(made.iterdir()):
        print(f"{file.stat().st_size:>9,} {file}")
