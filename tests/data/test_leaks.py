"""Leak checks of stored sets: by pairs and ids, and of generated sets by rule."""

from __future__ import annotations

import json

from sqlalchemy import Engine

from backend.data import leaks
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.files import parse_tasks
from backend.domain.arc.leaks import SharedRules, generated_id

ONE = {
    "train": [{"input": [[1, 2]], "output": [[2, 1]]}],
    "test": [{"input": [[3]], "output": [[4]]}],
}


def keep(engine: Engine, name: str, ids: list[str]) -> None:
    tasks = parse_tasks(json.dumps(dict.fromkeys(ids, ONE)).encode(), "made.json")
    with session_scope(engine) as session:
        datasets.keep_generated(session, name, tasks)


def test_generated_sets_that_share_no_rule_do_not_leak_however_alike_their_grids(engine: Engine) -> None:
    keep(engine, "procedural/control/train", ["00000-recolour-12", "00001-recolour-13", "00002-recolour-12"])
    keep(engine, "procedural/control/test", ["00000-recolour-21", "00001-recolour-31"])
    with reading_scope(engine) as session:
        report = leaks.check(session, "procedural/control/train", "procedural/control/test")
    assert (report.leaks, report.tasks) == ((), 0)
    assert report.rules == SharedRules(training=2, evaluated=2, shared=(), augmented=0)


def test_shared_rules_are_named(engine: Engine) -> None:
    keep(engine, "procedural/control/train", ["00000-recolour-12", "00001-recolour-13", "00002-recolour-13"])
    keep(engine, "procedural/compose/test", ["00000-recolour-13", "00001-recolour-31", "00002-recolour-13"])
    with reading_scope(engine) as session:
        report = leaks.check(session, "procedural/control/train", "procedural/compose/test")
        other = leaks.check(session, "procedural/compose/test", "procedural/control/train")
    assert report.rules == SharedRules(training=2, evaluated=2, shared=("recolour-13",), augmented=1)
    assert (report.tasks, {leak.training_task for leak in report.leaks}) == (
        2, {"00001-recolour-13", "00002-recolour-13"},
    )  # fmt: skip
    assert {leak.what for leak in report.leaks} == {"the rule"}
    assert other.tasks == 2


def test_rules_that_augmentation_turns_into_held_out_ones_are_counted(engine: Engine) -> None:
    keep(engine, "procedural/control/train", [generated_id(0, "recolour-12", "moved-one")])
    held_out = [generated_id(0, "recolour-21", "moved-one"), generated_id(1, "recolour-12-21", "swap")]
    keep(engine, "procedural/control/test", held_out)
    with reading_scope(engine) as session:
        report = leaks.check(session, "procedural/control/train", "procedural/control/test")
    assert report.leaks == ()
    assert report.rules == SharedRules(training=1, evaluated=2, shared=(), augmented=1)
