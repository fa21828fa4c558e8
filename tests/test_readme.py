"""The README says what is there: its paths, settings and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def file_map() -> list[str]:
    """Every path of the file map; a name without a folder lies beside the first of its line."""
    paths = []
    for line in README.partition("## Where things are")[2].splitlines():
        names = re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("| `") else []
        folder = names[0].rpartition("/")[0] if names and not names[0].endswith("/") else ""
        paths += names[:1] + [
            f"{folder}/{name}" if folder and "/" not in name else name for name in names[1:]
        ]
    return paths


@pytest.mark.parametrize("path", file_map())
def test_a_path_of_the_file_map_exists(path):
    assert (ROOT / path).exists()


def test_every_part_of_the_worker_and_the_backend_is_on_the_map():
    mapped = " ".join(file_map())
    for package in ("backend", "worker"):
        for part in (ROOT / package).iterdir():
            if part.is_dir() and list(part.glob("*.py")):
                assert f"{package}/{part.name}/" in mapped


def test_the_settings_table_names_every_setting_and_no_other():
    table = set(re.findall(rf"^\| `({PREFIX}\w+)` \|", README, re.MULTILINE))
    assert table == {PREFIX + name.upper() for name in Settings.model_fields}
