"""Trained on or held out: real trainings and evaluations, as worker, pages and commands tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, delete

from backend.data import queries as sets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.files import read_built_in
from backend.domain.arc.task import Pair, Task
from backend.domain.evaluation_request import EvaluationRequest
from backend.domain.records import NO_EMBEDDING
from backend.evaluation import jobs
from backend.evaluation import service as evaluations
from backend.evaluation.views import EvaluationView
from backend.lifecycle import service as runs
from backend.queue import claims
from backend.run_view import health, learning
from backend.run_view.views import RunView
from backend.runs import tables
from tests.support.commands import typed
from tests.support.processes import Lab
from tests.support.records.tiny_runs import tiny
from worker.data.augment import Augmentation
from worker.service import evaluate, train
from worker.training.checkpoints import checkpoint

VIEW = Augmentation(3, (0, 2, 3, 4, 5, 6, 7, 8, 9, 1))
SMALL = [task for task in read_built_in("arc-agi-1/training") if task.visible_side <= 7][:12]
FEW: dict[str, Any] = {"views": 2, "batch_size": 16}


def add_set(engine: Engine, name: str, tasks: Sequence[Task]) -> str:
    """Sets stay for the whole session: each test adds its own."""
    with session_scope(engine) as session:
        assert sets.add_set_once(session, name, "imported", 1.0)
        sets.add_tasks(session, name, tasks)
    return name


def trained(engine: Engine, model: str = "etrm", **sections: dict[str, Any]) -> str:
    """Id of a run that a worker has trained for two steps and scored."""
    with session_scope(engine) as session:
        run_id = runs.create(session, tiny(model, steps=2, **sections)).id
        claim = claims.claim(session, run_id, "host.1.1.1")
    assert claim is not None
    status = train.main(run_id, claim.attempt)
    with session_scope(engine) as session:
        row = session.get(tables.Run, run_id)
        assert row is not None
        assert status == 0, row.traceback
        claims.finish(session, claim)
    return run_id


def evaluated(engine: Engine, run_id: str, set_name: str, **asked: Any) -> EvaluationView:
    """A side evaluation of the run, carried out by a worker."""
    with session_scope(engine) as session:
        view = evaluations.request(session, run_id, EvaluationRequest(set=set_name, **(FEW | asked)))
        share = jobs.claim(session, view.id, "host.1.1.1")
    assert share is not None
    assert evaluate.main(view.id, share.id) == 0
    with session_scope(engine) as session:
        jobs.finish(session, share)
        return evaluations.get(session, view.id)


def shown(engine: Engine, run_id: str) -> RunView:
    with reading_scope(engine) as session:
        return runs.get(session, run_id)


def on(name: str, **evaluation: Any) -> dict[str, Any]:
    """Sections of a config that trains on a set and is scored on nothing but what is given."""
    return {
        "data": {"training_sets": [name], "first_tasks": None, "canvas_sizes": [10]},
        "evaluation": {"sets": [], **evaluation},
    }


def turned(tasks: Sequence[Task]) -> list[Task]:
    """The same tasks in another view, under other names."""
    return [
        replace(
            task,
            id=f"turned{at}",
            demonstrations=tuple(
                Pair(VIEW.apply(pair.input), VIEW.apply(pair.output)) for pair in task.demonstrations
            ),
        )
        for at, task in enumerate(tasks)
    ]


def test_an_evaluation_of_tasks_never_trained_on_is_no_leak(database: Engine, client: httpx.Client) -> None:
    """Only 4 of the set's 12 are trained on; the same 12 come again under another name."""
    mine, again = add_set(database, "never/mine", SMALL), add_set(database, "never/again", SMALL)
    config = on(mine)
    config["data"]["first_tasks"] = 4
    run_id = trained(database, **config)
    ids = [task.id for task in SMALL]

    same_set = evaluated(database, run_id, mine, tasks=tuple(ids[4:8]))
    known = evaluated(database, run_id, mine, tasks=tuple(ids[:4]))
    assert known.gap is not None  # against the other tasks of the same set
    assert (known.gap.trained.n, known.gap.held_out.n) == (4, 4)
    other_set = evaluated(database, run_id, again, tasks=tuple(ids[8:]))

    for found in (same_set, other_set):
        assert (found.standing, found.held_out, found.trained_on, found.given_away) == (
            "held-out",
            True,
            0,
            0,
        )
        assert found.warning == ""
    run = shown(database, run_id)
    assert run.alarms == []
    assert run.trained_on is not None
    assert run.trained_on.words == "trained on 4 tasks"
    assert "trained on 4 tasks" in client.get(f"/runs/{run_id}").text
    mixed = evaluated(database, run_id, mine, first_tasks=6)
    assert (mixed.standing, mixed.held_out, mixed.trained_on) == ("4 of 6 trained on", False, 4)
    assert mixed.gap is not None
    assert (mixed.gap.trained.n, mixed.gap.held_out.n) == (4, 2)
    assert "4 of 6 trained on" in client.get(f"/evaluations/{mixed.id}").text


def test_a_leak_is_a_fact_of_the_evaluation_that_asks_it_and_not_of_the_run(
    database: Engine, client: httpx.Client
) -> None:
    mine = add_set(database, "leak/mine", SMALL[:6])
    other = add_set(database, "leak/other", [*turned(SMALL[:2]), *SMALL[8:10]])
    clean = add_set(database, "leak/clean", SMALL[8:12])
    run_id = trained(database, **on(mine))

    leaking = evaluated(database, run_id, other)
    honest = evaluated(database, run_id, clean)

    assert leaking.standing == "2 of 4 given away by training tasks"
    assert not leaking.held_out
    assert "trained on tasks of this evaluation" in leaking.warning
    assert "turned0" in leaking.warning
    assert honest.standing == "held-out"
    run = shown(database, run_id)
    assert run.alarms == []
    assert health.of_run(run).word != "leaking"
    assert run.held_out is not None
    assert run.held_out.id == honest.id  # what leaks is nobody's headline
    page = client.get(f"/evaluations/{leaking.id}").text
    assert "2 of 4 given away" in page
    assert "trained on tasks of this evaluation" in page


def test_a_run_that_lost_most_of_its_tasks_says_so_and_calls_none_of_them_trained_on(
    database: Engine, client: httpx.Client
) -> None:
    mine = add_set(database, "lost/mine", SMALL[:6])
    asked = add_set(database, "lost/asked", SMALL[:5])
    sections = on(mine, sets=[{"name": asked}, {"name": mine}], views=2)
    run_id = trained(database, **sections)

    run = shown(database, run_id)
    assert run.trained_on is not None
    assert run.trained_on.words == "trained on 1 of 6 tasks: 5 left out as overlapping the evaluation"
    assert run.trained_on.warns
    judged = health.of_run(run)
    assert (judged.level, judged.word) == ("warning", "5 of 6 left out")
    by_set = {result.set: result for result in run.results}
    assert (by_set[asked].standing, by_set[asked].held_out) == ("held-out", True)
    assert by_set[mine].standing == "1 of 6 trained on"
    page = client.get(f"/runs/{run_id}").text
    assert f'<a href="/api/v1/runs/{run_id}/trained-on"' in page
    assert ">trained on 1 of 6 tasks" in page
    assert 'class="is-warning" id="trained-on"' in page
    (of_set,) = client.get(f"/api/v1/runs/{run_id}/trained-on").json()
    assert (of_set["set"], of_set["tasks"], of_set["demonstrations"]) == (mine, [SMALL[5].id], [])
    assert {each["task"] for each in of_set["left_out"]} == {task.id for task in SMALL[:5]}
    assert all(each["why"] == "overlap" and each["detail"] for each in of_set["left_out"])
    with reading_scope(database) as session:
        gap = evaluations.get(session, by_set[asked].id).gap
    assert gap is not None
    assert (gap.trained.n, gap.held_out.n) == (1, 5)


def test_a_run_older_than_the_records_says_so(database: Engine, client: httpx.Client) -> None:
    mine = add_set(database, "older/mine", SMALL[:4])
    run_id = trained(database, **on(mine))
    with session_scope(database) as session:
        session.execute(delete(tables.TrainedOn).where(tables.TrainedOn.run_id == run_id))

    found = evaluated(database, run_id, mine)

    assert (found.standing, found.trained_on) == ("trained on by set name, not recorded", None)
    assert client.get(f"/api/v1/runs/{run_id}/trained-on").status_code == 404
    assert "tasks trained on: not recorded" in client.get(f"/runs/{run_id}").text
    assert "by set name, not recorded" in client.get(f"/evaluations/{found.id}").text


def test_a_run_is_evaluated_after_its_training_set_was_removed_and_the_leak_check_says_it_was_not_made(
    database: Engine,
) -> None:
    mine, asked = add_set(database, "gone/mine", SMALL[:3]), add_set(database, "gone/asked", SMALL[3:6])
    run_id = trained(database, **on(mine))
    with session_scope(database) as session:
        sets.delete_set(session, mine)

    found = evaluated(database, run_id, asked)

    assert found.standing == "held-out"
    assert found.warning == "Not checked for leaks: gone/mine was trained on and has been removed."


def test_a_fork_was_also_trained_on_what_its_start_was(database: Engine) -> None:
    mine, more = add_set(database, "fork/mine", SMALL[:3]), add_set(database, "fork/more", SMALL[3:6])
    first = trained(database, **on(mine))
    start = {"kind": "run", "run": first, "step": 2}
    second = trained(database, **on(more), training={"initialise_from": start})

    found = evaluated(database, second, mine)

    assert found.standing == "trained on"
    run = shown(database, second)
    assert run.trained_on is not None
    assert run.trained_on.words == "trained on 3 tasks"  # itself


def test_a_fork_s_own_training_judges_its_scores_as_a_later_evaluation_does(database: Engine) -> None:
    """By the tasks of its start too: here what its start was trained on gives two evaluated tasks away."""
    mine, more = add_set(database, "judged/mine", SMALL[:3]), add_set(database, "judged/more", SMALL[3:6])
    asked = add_set(database, "judged/asked", [*turned(SMALL[:2]), *SMALL[8:10]])
    first = trained(database, **on(mine))
    start = {"kind": "run", "run": first, "step": 2}

    second = trained(
        database, **on(more, sets=[{"name": asked}], views=2), training={"initialise_from": start}
    )

    (in_training,) = shown(database, second).results
    later = evaluated(database, second, asked, views=3)
    assert in_training.standing == later.standing == "2 of 4 given away by training tasks"
    assert shown(database, second).headline is None
    with reading_scope(database) as session:
        assert "turned0" in evaluations.get(session, in_training.id).warning


@pytest.mark.parametrize("kind", ["a run without a record", "a checkpoint file"])
def test_what_an_unknown_start_was_trained_on_is_said_to_be_unknown(
    kind: str, database: Engine, client: httpx.Client, lab: Lab
) -> None:
    name = kind.replace(" ", "-")
    mine = add_set(database, f"{name}/mine", SMALL[:3])
    more, asked = (
        add_set(database, f"{name}/more", SMALL[3:6]),
        add_set(database, f"{name}/asked", SMALL[6:9]),
    )
    first = trained(database, **on(mine))
    if kind == "a run without a record":
        with session_scope(database) as session:
            session.execute(delete(tables.TrainedOn).where(tables.TrainedOn.run_id == first))
        start, words = {"kind": "run", "run": first, "step": 2}, f"run {first}"
    else:
        file = checkpoint.weights_file(checkpoint.find(lab.artifacts / first, 2), "ema")
        start, words = {"kind": "checkpoint", "path": str(file)}, f"checkpoint file {file.name}"

    second = trained(
        database, **on(more, sets=[{"name": asked}], views=2), training={"initialise_from": start}
    )

    run = shown(database, second)
    (result,) = run.results
    unknown = "unknown whether trained on"
    assert (result.standing, result.held_out, result.trained_on, result.unknown) == (unknown, False, 0, 3)
    assert evaluated(database, second, mine).standing == unknown
    assert evaluated(database, second, more).standing == "trained on"
    assert run.headline == result.id  # its own score, and no verdict rests on it
    assert learning.of_run(run).word == "no data yet"
    assert run.trained_on is not None
    said = f"trained on 3 tasks; unknown what {words}, its start, was trained on"
    assert run.trained_on.words == said
    page = client.get(f"/runs/{second}").text
    assert said in page
    assert f"<dt>pass@1, {unknown}</dt>" in page
    assert unknown in client.get(f"/evaluations/{result.id}").text
    assert unknown in client.get("/", params={"filter": f'id == "{second}"'}).text
    for command in (("run", "show", second), ("evaluation", "show", str(result.id))):
        assert unknown in typed(lab.folder, *command, **lab.environment).stdout
    # A fork of it knows no more.
    forked = {"kind": "run", "run": second, "step": 2}
    third = trained(database, **on(more), training={"initialise_from": forked})
    assert evaluated(database, third, asked).standing == unknown


def test_trm_is_scored_on_the_tasks_it_has_an_embedding_for(database: Engine, client: httpx.Client) -> None:
    """Trained with 4, scored on 12: 4 are the score, 8 stand apart, and the protocol is that of the 4."""
    mine = add_set(database, "trm/mine", SMALL)
    config = on(mine)
    config["data"]["first_tasks"] = 4
    run_id = trained(database, "trm", **config)

    mixed, known = evaluated(database, run_id, mine), evaluated(database, run_id, mine, first_tasks=4)

    assert mixed.without_embedding is not None
    assert mixed.without_embedding.n == 8
    assert [each.n for each in mixed.passes] == [4, 4, 4, 4]
    assert [each.n for each in mixed.without_embedding.passes] == [8, 8, 8, 8]
    assert mixed.protocol == known.protocol
    assert [each.solved for each in mixed.passes] == [each.solved for each in known.passes]
    assert known.without_embedding is None
    assert sum(mixed.failure_modes.values()) <= 4
    page = client.get(f"/evaluations/{mixed.id}").text
    assert "8 without an embedding apart: 0/8" in page
    assert page.count(NO_EMBEDDING.replace("'", "&#39;")) == sum(len(task.tests) for task in SMALL[4:])
    assert "8 without an embedding apart" in client.get(f"/runs/{run_id}").text


def test_trm_without_any_embedding_has_no_score(database: Engine, client: httpx.Client) -> None:
    mine, held_out = add_set(database, "none/mine", SMALL[:4]), add_set(database, "none/asked", SMALL[6:9])
    run_id = trained(database, "trm", **on(mine, sets=[{"name": held_out}], views=2))

    (result,) = shown(database, run_id).results

    assert result.without_embedding is not None
    assert (result.without_embedding.n, result.n) == (3, 0)
    assert all(each.n == 0 for each in result.passes)
    for page in (f"/runs/{run_id}", f"/evaluations/{result.id}", "/"):
        assert client.get(page).status_code == 200
    assert "no score" in client.get(f"/runs/{run_id}").text
    assert "Could not show" not in client.get("/").text
    with reading_scope(database) as session:
        row = session.get(tables.Run, run_id)
        assert row is not None
        assert row.scores == {}


def test_trm_that_learns_the_demonstrations_of_the_evaluated_tasks_is_held_out_by_their_tests(
    database: Engine,
) -> None:
    mine, asked = add_set(database, "shown/mine", SMALL[:4]), add_set(database, "shown/asked", SMALL[6:9])
    config = on(mine, sets=[{"name": asked, "first_tasks": 2}], views=2)
    config["data"]["evaluation_demonstrations"] = True
    run_id = trained(database, "trm", **config)

    run = shown(database, run_id)
    assert run.trained_on is not None
    assert run.trained_on.words == "trained on 4 tasks and the demonstrations of 2"
    (result,) = run.results
    assert (result.standing, result.demonstrations_trained_on, result.n) == ("held-out", 2, 2)
    assert result.without_embedding is None
    later = evaluated(database, run_id, asked)
    assert later.without_embedding is not None
    assert (later.n, later.without_embedding.n) == (2, 1)
