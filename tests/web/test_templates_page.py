"""Every template is given all it names, and nothing in it runs by itself."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from importlib import import_module

import pytest
from jinja2 import meta, nodes

from backend.web.assets import FRONTEND
from backend.web.contexts import Context
from backend.web.rendering import environment

for path in (FRONTEND.parent / "backend").glob("*/contexts.py"):
    import_module(f"backend.{path.parent.name}.contexts")
BASES = Context.__subclasses__()
PAGES = [page for base in BASES for page in (base.__subclasses__() or [base])]
TEMPLATES = sorted(str(path.relative_to(FRONTEND / "templates")) for path in FRONTEND.rglob("*.html"))


@cache
def reached(template: str) -> set[str]:
    """The template and all that it extends, includes or imports."""
    source = environment().loader.get_source(environment(), template)[0]  # type: ignore[union-attr]
    named = {each for each in meta.find_referenced_templates(environment().parse(source)) if each}
    if None in set(meta.find_referenced_templates(environment().parse(source))):  # run/_ ~ id: any of them
        named |= {each for each in TEMPLATES if each.startswith("run_page/_")} - {template}
    return {template}.union(*(reached(each) for each in named))


@cache
def undeclared(template: str) -> set[str]:
    """Names that the template uses and neither imports nor sets itself."""
    source = environment().loader.get_source(environment(), template)[0]  # type: ignore[union-attr]
    parsed = environment().parse(source)
    imports = parsed.find_all(nodes.FromImport)
    imported = {each if isinstance(each, str) else each[1] for found in imports for each in found.names}
    own = {each.name for each in parsed.find_all(nodes.Macro)}
    own |= {each.target.name for each in parsed.find_all(nodes.Assign) if isinstance(each.target, nodes.Name)}
    return meta.find_undeclared_variables(parsed) - imported - own


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_a_page_is_given_every_name_it_uses(page: type[Context]) -> None:
    given = (
        {field.name for field in fields(page)}
        | {"page_title", "nav", "page", "sheets", "role", "is_logged_in"}
        | set(environment().globals)
    )
    includes = {page.template, "base.html"}
    if page.template == "run_page/page.html":
        includes |= {
            name
            for name in TEMPLATES
            if name.startswith("run_page/_") and name != "run_page/_predictions.html"
        }

    used = set().union(*(undeclared(name) for name in includes))

    assert used <= given


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_used_and_has_no_script_or_style_of_its_own(template: str) -> None:
    source = (FRONTEND / "templates" / template).read_text()

    assert not re.search(r"<script(?![^>]*src=)", source)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", source)
    assert any(template in reached(page.template) for page in PAGES)
