"""The documents are a contract: every command, link, path, variable and address that they name exists."""

from __future__ import annotations

import re
import shlex
import tomllib
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from backend.api_routes import V1, docs, figures, health
from backend.cli.app import app as etrm
from backend.db.base import Base
from backend.run_view.filter_names import CONFIG_PATHS
from backend.schema import __all__ as table_names
from backend.settings import PREFIX, Settings
from backend.web.pages import PAGES
from tests.support.documents import ROOT, Document, anchors, documents, files
from worker.cli.app import app as torch_commands

EXAMPLES = {
    "mine.json",
    "report.html",
    "config.json",
    "backend/workers/pages.py",
}  # of a reader, not of this tree
CODE = r"\.(?:py|js|css|html|md|toml|yml|sh|txt|svg)"
TOPS = r"(?:backend|worker|frontend|tests|docs|migrations|benchmarks|docker|client|\.ci)"

each_document = pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)


@each_document
def test_every_relative_link_leads_somewhere(document: Document) -> None:
    folder = (ROOT / document.name).parent
    for link in document.links:
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / document.name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@each_document
def test_every_path_and_module_exists(document: Document) -> None:
    known = files()
    words = [word.strip("\"',:") for each in document.quoted for word in each.split()]
    assert [word for word in words if not is_there(word, known)] == []


def is_there(quoted: str, known: frozenset[str]) -> bool:
    """Whether what stands in backticks is no path of ours, or one that exists."""
    if quoted in EXAMPLES or "$" in quoted:
        return True
    if re.fullmatch(rf"{TOPS}/[\w./*-]*", quoted):
        return any(fnmatch(path, f"{quoted.rstrip('/')}{end}") for path in known for end in ("", "/*"))
    if re.fullmatch(rf"[\w-]+{CODE}", quoted):
        return quoted in {Path(path).name for path in known}
    if re.fullmatch(rf"[\w./-]+/[\w-]+{CODE}", quoted):
        return quoted.removeprefix("../") in known
    if re.fullmatch(r"(?:backend|worker)(?:\.\w+)+", quoted):
        return names_code(quoted)
    return True


def names_code(dotted: str) -> bool:
    """Whether a dotted name is a module, or something written in one."""
    path = ROOT / dotted.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module = path.parent.with_suffix(".py")
    return module.is_file() and bool(re.search(rf"\b{path.name}\b", module.read_text()))


@each_document
def test_every_command_of_etrm_is_known_with_its_options(document: Document) -> None:
    wrong = [(command, why) for command in document.commands("etrm") if (why := refused(command))]
    assert wrong == []


def refused(line: str) -> str:
    """What `etrm` does not know of the command `line`; empty where it knows all.

    `etrm runs archive | restore` names two commands of one group.
    """
    group, command, rest = ETRM, ETRM, split(line)[1:]
    for count, alternative in enumerate(line.split("|")):
        command, rest = (ETRM, split(alternative)[1:]) if not count else (group, split(alternative))
        while rest and re.fullmatch(r"[a-z][\w-]*", rest[0]) and (known := commands_of(command)):
            if rest[0] not in known:
                if not (usual := getattr(command, "usual", "")):
                    return f"no command {rest[0]!r}"
                rest = [usual, *rest]
            group, command, rest = command, known[rest[0]], rest[1:]
        if why := unknown_option(command, rest):
            return why
    return ""


ETRM: Any = typer.main.get_command(etrm)
TORCH: Any = typer.main.get_command(torch_commands)  # `etrm` passes these on as they are


def commands_of(command: Any) -> dict[str, Any]:
    """The commands of a group by name, those that need torch with their own options; empty for a command."""
    known = dict(getattr(command, "commands", {}))
    return known | {
        name: TORCH.commands[name] for name in known if command is ETRM and is_passed_on(known[name])
    }


def is_passed_on(command: Any) -> bool:
    """Whether `etrm` leaves the options of this command to the worker."""
    return bool(command.context_settings.get("ignore_unknown_options")) and command.name in TORCH.commands


def split(text: str) -> list[str]:
    """The words of a command; a quote that is not closed belongs to the prose after it."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def unknown_option(command: Any, words: list[str]) -> str:
    """The first option of `words` that `command` does not have, or config path that no experiment has."""
    options = {"-h", "--help"}
    for parameter in command.params:
        options |= {*parameter.opts, *parameter.secondary_opts}
    for word, following in pairwise([*words, ""]):
        name, _, value = word.partition("=")
        if re.fullmatch(r"--?[a-z][\w-]*", name) and name not in options:
            return f"no option {name} of {command.name}"
        path = (value or following).partition("=")[0]
        if name in ("--set", "--grid", "--random") and "." in path and path not in CONFIG_PATHS:
            return f"no config path {path}"
    return ""


@each_document
def test_every_make_target_exists(document: Document) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in document.commands("make") if len(line.split()) > 1}
    assert {each for each in named if re.fullmatch(r"[a-z-]+", each)} - targets == set()


@each_document
def test_every_environment_variable_is_read(document: Document) -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    readers = [ROOT / "Makefile", ROOT / "tests/conftest.py", *(ROOT / ".ci").glob("*")]
    texts = [path.read_text() for path in readers if path.is_file()]
    read = set(re.findall(rf"{PREFIX}[A-Z_]+", " ".join(texts)))
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", document.text)) - settings - read == set()


@each_document
def test_every_api_address_is_served(document: Document) -> None:
    named = re.findall(r"(?:(GET|POST|PUT|PATCH|DELETE) )?(/api/v1/[\w/{}.-]*\w\}?)", document.text)
    assert [each for each in named if not is_served(*each)] == []


def is_served(method: str, address: str) -> bool:
    """Whether a route of the API answers `address`, whatever its parameters are called."""
    for route in (route for part in V1 for route in part.router.routes):
        template = "/api/v1" + re.sub(r"\{\w+:path\}", "[^?]+", route.path)
        pattern = re.sub(r"\{\w+\}", r"[^/]+", template)
        if re.fullmatch(pattern, address) and (not method or method in route.methods):
            return True
    return False


@each_document
def test_every_page_address_is_a_page(document: Document) -> None:
    outside = [route.path for part in (docs, health, figures) for route in part.router.routes]
    paths = [*(page.path for page in PAGES), *outside]
    patterns = [re.sub(r"\\\{.*?\\\}", "[^?]+", re.escape(path)) for path in paths]
    named = (re.split(r"[?#]", each)[0] for each in document.quoted if re.fullmatch(r"/[\w/{}?=….-]*", each))
    pages = (each for each in named if not re.match(r"/(?:api/v1|dev|etc|proc|static|test$|tmp|var)", each))
    assert [each for each in pages if not any(re.fullmatch(pattern, each) for pattern in patterns)] == []


def test_the_features_of_the_architecture_stand_in_the_order_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one.get("containers") == ["backend"])
    listed = table("docs/architecture.md", "| backend | |")
    assert [re.findall(r"\w+", row[0]) for row in listed] == [re.findall(r"\w+", layer) for layer in layers]
    on_map = re.findall(r"^\| `backend/(\w+)/`", (ROOT / "README.md").read_text(), re.MULTILINE)
    features = [name for layer in reversed(layers) for name in re.findall(r"\w+", layer)]
    assert on_map[: on_map.index("lab") + 1] == sorted(on_map[: on_map.index("lab") + 1], key=features.index)


def test_the_data_model_lists_every_table_where_it_is_defined() -> None:
    listed = {row[0]: row[2] for row in table("docs/architecture.md", "| table | one row is | defined in |")}
    defined = {
        mapper.class_.__tablename__: Path(*mapper.class_.__module__.split(".")).with_suffix(".py").as_posix()
        for mapper in Base.registry.mappers
    }
    assert len(defined) == len(table_names)
    assert listed == defined


def table(name: str, head: str) -> list[list[str]]:
    """The cells of the rows of a table, without backticks, found by its first line."""
    rows = (ROOT / name).read_text().partition(f"{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize(
    "line",
    [
        "etrm fly",
        "etrm runs --colour red",
        "etrm runs archive | eat",
        "etrm train quick --set training.stepz=1",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    assert refused(line)


@pytest.mark.parametrize("quoted", ["backend/services/", "still.py", "worker/parity/", "backend.api.auth"])
def test_a_path_that_does_not_exist_is_noticed(quoted: str) -> None:
    assert not is_there(quoted, files())


def test_an_address_that_is_not_served_is_noticed() -> None:
    assert is_served("GET", "/api/v1/runs/{id}")
    assert not is_served("", "/api/v1/rums")
    assert not is_served("DELETE", "/api/v1/compare")
