"""The wheel alone is the whole product: built, installed apart from the clone, migrated, started, looked at.

Only what it depends on comes from the environment of the tests, so that nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("backend", "worker", "frontend", "migrations")
SECONDS = 600.0  # a bound for a machine with much other work; it takes seconds


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked; built from a copy, because setuptools writes beside the sources."""
    folder = tmp_path_factory.mktemp("sdist")
    copy = folder / "copy"
    for package in PRODUCT:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
    run([sys.executable, "-c", build], cwd=copy)
    (archive,) = folder.glob("*.tar.gz")
    run(["tar", "-xzf", str(archive)], cwd=folder)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """The wheel as a package index would hand it out: built from the source archive."""
    pip_wheel = [
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        str(sdist),
    ]
    run([sys.executable, "-m", "pip", *pip_wheel, str(sdist)], cwd=sdist.parent)
    (built,) = sdist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, which finds its dependencies beside those of the tests.

    Files named *.pth there are not read, so the editable install of the clone stays out of it.
    """
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], cwd=folder)
    python = str(folder / "bin" / "python")
    site = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], cwd=folder).strip()
    dependencies = [place for place in sys.path if Path(place).name == "site-packages"]
    (Path(site) / "dependencies.pth").write_text("\n".join(dependencies))
    pip_install = ["--python", python, "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall"]
    run([sys.executable, "-m", "pip", *pip_install, str(wheel)], cwd=folder)
    return folder


@pytest.fixture
def address(environment: Path, tmp_path: Path) -> Iterator[str]:
    """The login address of an `etrm up` from the wheel, in an empty folder."""
    command = [str(environment / "bin" / "etrm"), "up", "--port", "0", "--no-demo"]
    with (
        (tmp_path / "said").open("w+") as said,
        subprocess.Popen(
            command, cwd=tmp_path, env=bare(tmp_path), stdout=subprocess.PIPE, stderr=said, text=True
        ) as process,
    ):
        assert process.stdout
        address = process.stdout.readline().strip()
        try:
            assert address.startswith("http"), (tmp_path / "said").read_text()
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def bare(home: Path) -> dict[str, str]:
    """An environment with nothing in it but what every shell has, and threads for a shared machine."""
    return {"HOME": str(home), "PATH": os.defpath, "OMP_NUM_THREADS": "1"}


def run(command: list[str], cwd: Path, **variables: str) -> str:
    """Standard output of a command that must succeed. Python's own variables would lead back to the clone."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=variables or env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def product_files() -> set[str]:
    """Every file of the product in the clone, by its path."""
    return {
        str(path.relative_to(ROOT))
        for package in PRODUCT
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_product_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert held == product_files()
    assert len(licences) == 1


def test_modules_templates_and_migrations_come_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    code = "import backend.db.revisions as m, backend.web.assets as a, worker"
    code += "; print(m.MIGRATIONS, a.FRONTEND, m.__file__, worker.__file__)"
    places = run([str(environment / "bin" / "python"), "-c", code], tmp_path, **bare(tmp_path)).split()
    assert len(places) == 4
    for place in places:
        assert Path(place).is_relative_to(environment), place


def test_migrate_makes_a_database(environment: Path, tmp_path: Path) -> None:
    run([str(environment / "bin" / "etrm"), "migrate"], tmp_path, **bare(tmp_path))
    assert (tmp_path / ".etrm" / "etrm.sqlite3").stat().st_size > 0


def test_up_serves_pages_with_their_styles_and_scripts(address: str) -> None:
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        assert browser.get(address).status_code == 200
        page = browser.get(address.partition("/login")[0] + "/")
        assert (page.status_code, page.url.path) == (200, "/")
        assets = re.findall(r'(?:href|src)="(/static/[^"#]+\.(?:css|js))"', page.text)
        assert {asset.rpartition(".")[2] for asset in assets} == {"css", "js"}
        for asset in assets:
            answer = browser.get(str(page.url.join(asset)))
            assert answer.status_code == 200, asset
            assert len(answer.content) > 100, asset
