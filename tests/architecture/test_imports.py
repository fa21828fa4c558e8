"""The floors of docs/architecture.md hold, and the web side never pays for torch."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter import api
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.contract import Contract

ROOT = Path(__file__).parents[2]
KINDS: dict[str, type[Contract]] = {"forbidden": ForbiddenContract, "layers": LayersContract}


@pytest.fixture(scope="module")
def contracts() -> list[Contract]:
    """The contracts of pyproject.toml."""
    read = api.read_configuration(str(ROOT / "pyproject.toml"))
    return [
        KINDS[options["type"]](options["name"], read["session_options"], options)
        for options in read["contracts_options"]
    ]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """What imports what in this tree."""
    return grimp.build_graph(
        "backend",
        "worker",
        include_external_packages=True,
        cache_dir=None,
        exclude_type_checking_imports=True,
    )


def broken(contracts: list[Contract], imports: grimp.ImportGraph) -> list[str]:
    """Names of the contracts that these imports break."""
    # A check may change the graph that it is given.
    return [each.name for each in contracts if not each.check(deepcopy(imports), verbose=False).kept]


def test_imports_go_down_floors_only(contracts: list[Contract], imports: grimp.ImportGraph) -> None:
    assert contracts
    assert broken(contracts, imports) == []


def test_every_contract_is_named_as_a_sentence(contracts: list[Contract]) -> None:
    for contract in contracts:
        assert contract.name[0].isalpha(), contract.name
        assert contract.name.endswith("."), contract.name


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("backend.domain.arc.grid", "numpy"),
        ("backend.kit.cursors", "sqlalchemy"),
        ("backend.kit.problems", "backend.domain.arc.task"),
        ("backend.lifecycle.service", "worker.kit.recorder"),
        ("backend.db.base", "backend.lifecycle.service"),
        ("backend.runs.events", "backend.run_view.facts"),
        ("backend.people.service", "backend.people.api"),
        ("worker.models.core", "backend.settings"),
        ("worker.data.tokens", "worker.models.core"),
    ],
)
def test_an_import_up_the_floors_breaks_a_contract(
    contracts: list[Contract], imports: grimp.ImportGraph, module: str, forbidden: str
) -> None:
    assert {module, forbidden} <= imports.modules
    changed = deepcopy(imports)
    changed.add_import(importer=module, imported=forbidden)
    assert broken(contracts, changed)


def by_passing(imports: grimp.ImportGraph) -> list[str]:
    """Direct imports of queries, the queue's library or Redis by what people meet."""
    asks = ("api", "pages", "cli", "contexts")
    return [
        f"{module} -> {imported}"
        for module in imports.modules
        if module.startswith("backend.") and module.rpartition(".")[2].endswith(asks)
        for imported in imports.find_modules_directly_imported_by(module)
        if imported.endswith("queries") or imported.partition(".")[0] in ("celery", "kombu", "redis")
    ]


def test_api_pages_and_commands_ask_services_never_the_queries(imports: grimp.ImportGraph) -> None:
    assert by_passing(imports) == []
    changed = deepcopy(imports)
    changed.add_import(importer="backend.run_page.api", imported="backend.runs.queries")
    changed.add_import(importer="backend.queue.pages", imported="redis")
    assert len(by_passing(changed)) == 2


def test_importing_the_application_leaves_torch_and_plotly_out() -> None:
    code = "import sys, backend.app; print([m for m in ('torch', 'plotly', 'worker') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
