"""Several modules as one: each once, after what it imports, and nothing that is not understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.web import bundles
from backend.web.assets import STATIC

JS = STATIC / "js"


MODULES = sorted(str(path.relative_to(JS)) for path in JS.rglob("*.js"))


@pytest.mark.parametrize("entry", MODULES)
def test_every_module_of_ours_can_be_part_of_a_bundle(entry: str) -> None:
    made = bundles.module([JS / "web/main.js", JS / entry], JS).decode()
    assert made.count(f'modules["{entry}"] = ') == 1
    assert made.count('modules["web/words.js"] = ') == 1  # main.js imports it, and others do


def test_no_two_modules_share_a_name() -> None:
    """An address names a module without its folder."""
    assert len(MODULES) > 30
    assert len({Path(entry).name for entry in MODULES}) == len(MODULES)


def test_a_module_stands_after_what_it_imports_and_gives_what_it_exports(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "low.js").write_text("export const LOW = 1;\nexport async function go() {}\n")
    (tmp_path / "high.js").write_text('import { LOW, go as run } from "./sub/low.js";\nrun(LOW);\n')
    assert bundles.module([tmp_path / "high.js"], tmp_path).decode() == (
        "const modules = {};\n"
        'modules["sub/low.js"] = (() => {\nconst LOW = 1;\nasync function go() {}\n\n'
        "return { LOW, go };\n})();\n"
        'modules["high.js"] = (() => {\nconst { LOW, go: run } = modules["sub/low.js"];\nrun(LOW);\n\n'
        "return {  };\n})();"
    )


@pytest.mark.parametrize(
    "text", ['import * as low from "./low.js";', "export default 1;", 'import "./low.js";', "export { a };"]
)
def test_another_way_to_import_or_export_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.js").write_text(text)
    with pytest.raises(ValueError, match=r"odd\.js: .* is not understood"):
        bundles.module([tmp_path / "odd.js"], tmp_path)


def test_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = 1;')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;')
    with pytest.raises(ValueError, match="imports itself"):
        bundles.module([tmp_path / "a.js"], tmp_path)
