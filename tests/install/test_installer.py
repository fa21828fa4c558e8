"""What `make install` decides: the PyTorch build, where uv looks, what it says, and what the locks hold."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / ".ci" / "locks").glob("*.txt"))


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`.ci/install.py`, with its log in a folder of the test."""
    spec = importlib.util.spec_from_file_location("installer", ROOT / ".ci" / "install.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "installer", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LOG", tmp_path / "install.log")
    return module


@pytest.mark.parametrize(
    ("environ", "system", "driver", "build"),
    [
        ({}, "Linux", False, "cpu"),
        ({}, "Linux", True, "default"),
        ({}, "Darwin", False, "default"),
        ({"ETRM_TORCH": ""}, "Linux", False, "cpu"),
        ({"ETRM_TORCH": "cu130"}, "Linux", False, "cu130"),
        ({"ETRM_TORCH": "cpu"}, "Linux", True, "cpu"),
        ({"ETRM_TORCH": "default"}, "Linux", False, "default"),
    ],
)
def test_the_build_of_pytorch_fits_the_machine(installer, environ, system, driver, build):
    assert installer.choose_build(environ, system, driver).name == build


@pytest.mark.parametrize("wrong", ["gpu", "cuda", "cu13", "cpu/../x"])
def test_an_unknown_build_is_refused_with_the_choices(installer, wrong):
    with pytest.raises(installer.Failed, match=r"is not a build of PyTorch\. Use cpu, cu130"):
        installer.choose_build({"ETRM_TORCH": wrong}, "Linux", False)


@pytest.mark.parametrize(
    ("installed", "build", "fits"),
    [
        ("2.13.0+cpu", "cpu", True),
        ("2.13.0", "cpu", False),
        ("2.13.0", "default", True),
        ("2.13.0+cpu", "default", False),
        ("2.13.0+cu130", "cu130", True),
        ("2.12.0+cpu", "cpu", False),
    ],
)
def test_an_installed_build_is_recognised(installer, monkeypatch, installed, build, fits):
    monkeypatch.setattr(installer, "version", lambda name: installed)
    assert installer.Build(build, "").is_installed("2.13.0") is fits


@pytest.fixture
def locked(installer: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Locks that would be installed (3 GB). What pip itself installs goes into a folder; no index answers."""
    taken: list[str] = []
    monkeypatch.setattr(installer, "locked", taken.extend)
    monkeypatch.setattr(installer, "TORCH_INDEX", "http://127.0.0.1:9/whl")
    monkeypatch.setattr(installer, "version", lambda name: "none")
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "target"))
    return taken


def test_without_the_index_of_cpu_builds_the_default_build_is_taken_and_its_size_told(
    installer, locked, capsys
):
    installer.install_torch(installer.Build("cpu", "no NVIDIA driver found"))
    assert locked == ["torch"]
    assert "5 GB on disk" in capsys.readouterr().err


def test_a_build_that_was_asked_for_is_never_replaced_by_another(installer, locked):
    with pytest.raises(installer.Failed, match=r"could not get torch==.*\+cu130 from http.*/whl/cu130"):
        installer.install_torch(installer.Build("cu130", "from ETRM_TORCH"))
    assert locked == []


def test_a_cpu_build_in_a_folder_of_wheels_is_taken(installer, locked, monkeypatch, tmp_path):
    name = f"torch-{installer.pinned_torch()}+cpu"
    info = f"{name}.dist-info"
    with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("torch/__init__.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {name[6:]}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    installer.install_torch(installer.Build("cpu", "no NVIDIA driver found"))
    assert (tmp_path / "target" / "torch" / "__init__.py").exists()
    assert locked == []


def test_uv_looks_where_pip_looks_unless_told_otherwise(installer):
    pip = {"index-url": "https://mirror/simple", "find-links": "/wheels\n/more", "timeout": "180"}
    env = installer.uv_environment({"HOME": "/home/me", "UV_DEFAULT_INDEX": "https://own/simple"}, pip)
    assert env["UV_FIND_LINKS"] == "/wheels,/more"
    assert env["UV_DEFAULT_INDEX"] == "https://own/simple"
    assert env["HOME"] == "/home/me"
    assert installer.uv_environment({}, pip)["UV_DEFAULT_INDEX"] == "https://mirror/simple"


def test_the_settings_of_pip_are_read_and_the_environment_is_strongest(installer, monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://file/simple\nno-index = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable/simple")
    settings = installer.pip_settings()
    assert settings["index-url"] == "https://variable/simple"
    assert settings["no-index"] == "true"


def test_a_long_step_says_that_it_is_still_at_work(installer, monkeypatch, capsys):
    monkeypatch.setattr(installer, "REPORT_INTERVAL", 0.2)
    code = "import sys, time; print('Downloading torch', flush=True); time.sleep(2)"
    installer.run([sys.executable, "-c", code], "packages")
    said = capsys.readouterr().err
    assert len(re.findall(r"^  packages: \d+ s\. Downloading torch$", said, re.MULTILINE)) == 1, said


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("a\nERROR: Could not install: [Errno 28] No space left on device\n", "the disk is full"),
        (
            "ERROR: Could not find\nERROR: No matching distribution found for torch\n",
            "found for torch (Python 3",
        ),
        ("  error: Failed to fetch x\n", "could not install: Failed to fetch x"),
        ("broken\r\n", "could not install: broken"),
        ("", "could not install: unknown"),
    ],
)
def test_a_failure_is_explained_in_one_line(installer, output, said):
    explained = installer.explain(output)
    assert said in explained
    assert "\n" not in explained


def test_the_locks_pin_what_pyproject_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    wanted += [Requirement(text) for extra in project["optional-dependencies"].values() for text in extra]
    pins = {
        canonicalize_name(name): version
        for lock in LOCKS
        for name, version in re.findall(r"^([\w.-]+)==([^ ;\\]+)", lock.read_text(), re.MULTILINE)
    }
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not locked; run make lock"
        assert requirement.specifier.contains(pins[name]), f"{name} {pins[name]}; run make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_pin_has_hashes_and_no_lock_names_an_index(lock):
    text = lock.read_text()
    entries = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text
    assert "index" not in text
