"""Tasks as a run of the lab gets them."""

from __future__ import annotations

from sqlalchemy import Engine

from backend.data import leaks
from backend.data import service as datasets
from backend.db.session import reading_scope
from worker.recording.database_tasks import DbTasks

TEST_SET = "procedural/control/test"


def test_a_generated_set_is_made_and_kept_where_pages_find_it(engine: Engine) -> None:
    tasks = DbTasks(engine).tasks(TEST_SET)
    assert DbTasks(engine).tasks(TEST_SET) == tasks
    with reading_scope(engine) as session:
        assert datasets.tasks(session, TEST_SET) == tasks
        (kept,) = [each for each in datasets.sets(session) if each.name == TEST_SET]
        assert (kept.origin, kept.tasks) == ("generated", len(tasks))
        assert datasets.task(session, TEST_SET, tasks[0].id) == tasks[0]


def test_the_leak_check_counts_held_out_rules_that_augmented_training_meets(engine: Engine) -> None:
    for part in ("train", "test"):
        DbTasks(engine).tasks(f"procedural/ladder/recolour/{part}")
    with reading_scope(engine) as session:
        report = leaks.check(session, "procedural/ladder/recolour/train", "procedural/ladder/recolour/test")
    assert report.rules
    assert (report.leaks, report.rules.shared) == ((), ())
    assert report.rules.evaluated == 100
    assert report.rules.augmented > 90
