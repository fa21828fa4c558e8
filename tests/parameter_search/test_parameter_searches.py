"""Parameter searches on both databases: a fake objective in place of trainings, and what comes between."""

from __future__ import annotations

import math
import multiprocessing
import threading
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.experiment import ExperimentConfig
from backend.domain.parameter_search import parse_search
from backend.groups import service as groups
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.parameter_search import asking
from backend.parameter_search import service as searches
from backend.parameter_search.tables import SearchRow, TrialRow, TrialRun
from backend.parameter_search.views import ParameterSearchView, TrialView
from backend.people import service as accounts
from backend.queue import claims as queue
from backend.run_view.views import RunView
from backend.runs.group_tables import RunGroup
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from tests.support.processes import eventually
from tests.support.records.rows import HELD_OUT, end, evaluate, record

pytest.importorskip("optuna")

WIDTH, RATE = "model.core.width", "optimisation.learning_rate"
RATES = {RATE: {"low": 1e-4, "high": 1e-1, "log": True}}
ACCURACY = "accuracy/token"
TASKS = 16
WAIT = 60.0  # seconds; only what never comes takes so long

pytestmark = pytest.mark.usefixtures("set_names")


def start(engine: Engine, config: ExperimentConfig = quick(), **changes: Any) -> str:  # noqa: B008
    raw = {"fields": {WIDTH: [64, 128]}, "trials": 2, "seeds": 2, "at_once": 2} | changes
    with session_scope(engine) as session:
        return searches.create(session, config, parse_search(raw)).id


def read(engine: Engine, group_id: str) -> ParameterSearchView:
    with reading_scope(engine) as session:
        return searches.get(session, group_id)


def run_of(engine: Engine, run_id: str) -> RunView:
    with reading_scope(engine) as session:
        return runs.get(session, run_id)


def waiting(engine: Engine, group_id: str) -> list[RunView]:
    """The runs of a search that nobody has taken."""
    listed = [run.run_id for trial in read(engine, group_id).trials for run in trial.runs if run.run_id]
    found = [run_of(engine, run_id) for run_id in listed]
    return [run for run in found if run.status == "queued"]


def claim(engine: Engine, run_id: str) -> queue.Claim:
    with session_scope(engine) as session:
        held = queue.claim(session, run_id, "host-1")
    assert held
    return held


def finish(engine: Engine, run_id: str, solved: float | None = None, **series: float) -> None:
    """A worker trains the run to its end: it solves `solved` tasks, or records these series."""
    held = claim(engine, run_id)
    with session_scope(engine) as session:
        record(session, run_id, **series)
        if solved is not None:
            evaluate(session, run_id, HELD_OUT, 600, solved, TASKS)
        queue.finish(session, held)


def by_width(view: ParameterSearchView) -> dict[int, TrialView]:
    return {trial.parameters[WIDTH]: trial for trial in view.trials}


def counted(engine: Engine, table: type[TrialRow] | type[TrialRun] | type[SearchRow] | type[Run]) -> int:
    with reading_scope(engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def both_started(engine: Engine, **changes: Any) -> tuple[str, dict[int, str]]:
    """A search whose two trials wait; its id, and width -> run."""
    group_id = start(engine, **changes)
    assert len(searches.advance(engine).queued) == 2
    trials = by_width(read(engine, group_id))
    return group_id, {width: str(trials[width].runs[0].run_id) for width in (64, 128)}


def test_a_search_spends_its_budget_and_finds_where_the_objective_is_good(engine: Engine) -> None:
    def objective(run: RunView) -> float:
        rate = run.config["optimisation"]["learning_rate"]
        return 0.9 - 0.2 * (math.log10(rate) + 3) ** 2 + 0.001 * (run.seed or 0)

    group_id = start(engine, fields=RATES, trials=8, seeds=2, objective=ACCURACY)
    for _ in range(100):
        done = searches.advance(engine)
        queued = waiting(engine, group_id)
        assert {run.id for run in queued} == set(done.queued)
        assert len(queued) <= 2
        if not queued:
            break
        for run in queued:
            finish(engine, run.id, **{ACCURACY: objective(run)})
    view = read(engine, group_id)

    assert (view.status, view.cause, len(view.trials), view.active) == ("finished", "", 8, 0)
    assert {trial.status for trial in view.trials} == {"complete"}  # two seeds: wide intervals
    assert [len(trial.runs) for trial in view.trials] == [2] * 8
    assert view.runs_made == 16
    means = {trial.number: trial.estimate.mean for trial in view.trials if trial.estimate}
    assert view.best == max(means, key=lambda number: means[number])
    assert len({trial.parameters[RATE] for trial in view.trials}) == 8
    assert searches.advance(engine) == searches.NOTHING
    with reading_scope(engine) as session:
        group = groups.get(session, group_id)
    assert group.statuses == {"finished": 16}
    assert [each.changes for each in group.variations] == [dict(each.parameters) for each in view.trials]


def test_a_weak_trial_gets_no_second_seed_and_says_why(engine: Engine) -> None:
    group_id, run = both_started(engine)
    finish(engine, run[64], 1)
    finish(engine, run[128], 15)
    queued = searches.advance(engine).queued
    weak, strong = (by_width(read(engine, group_id))[width] for width in (64, 128))

    assert (weak.status, len(weak.runs), strong.status, len(strong.runs)) == ("pruned", 1, "running", 2)
    assert list(queued) == [strong.runs[1].run_id]
    assert "pass@1 is 6.2" in weak.reason
    assert f"wholly below that of trial\u202f{strong.number}: 93.8" in weak.reason
    finish(engine, queued[0], 14)
    assert searches.advance(engine) == searches.NOTHING
    view = read(engine, group_id)
    assert (view.status, view.best, by_width(view)[128].status) == ("finished", strong.number, "complete")


def test_a_running_seed_is_pruned_by_its_report_through_the_ordinary_cancel(engine: Engine) -> None:
    group_id, run = both_started(engine, seeds=1, prune_from=300)
    strong, weak = claim(engine, run[128]), claim(engine, run[64])
    with session_scope(engine) as session:
        for step in (300, 600):
            evaluate(session, run[128], HELD_OUT, step, 15, TASKS)
        queue.finish(session, strong)
        evaluate(session, run[64], HELD_OUT, 200, 0, TASKS)  # too early
    assert searches.advance(engine) == searches.NOTHING
    with session_scope(engine) as session:
        evaluate(session, run[64], HELD_OUT, 300, 1, TASKS)

    assert searches.advance(engine) == searches.Step((), (run[64],))
    trial = by_width(read(engine, group_id))[64]
    assert (trial.status, run_of(engine, run[64]).status) == ("pruned", "cancelling")
    assert trial.reason.startswith("At step 300: pass@1 is 6.2")
    assert trial.estimate
    assert (trial.estimate.step, trial.estimate.mean) == (300, 1 / TASKS)
    with session_scope(engine) as session:
        queue.cancelled(session, weak)
    ended = run_of(engine, run[64])
    assert (ended.status, ended.status_cause) == (
        "cancelled",
        f"trial {trial.number} was pruned: {trial.reason}",
    )
    assert searches.advance(engine) == searches.NOTHING
    assert read(engine, group_id).status == "finished"


def test_a_series_is_compared_over_the_seeds_at_the_same_step(engine: Engine) -> None:
    changes = {"objective": ACCURACY, "seeds": 3, "prune_from": 2, "at_once": 2}
    group_id, run = both_started(engine, **changes)
    for seed in range(3):  # the strong one ends with all its seeds, the weak one with its first
        finish(engine, run[128], **{ACCURACY: 0.90 + 0.001 * seed})
        if seed == 0:
            finish(engine, run[64], **{ACCURACY: 0.30})
        searches.advance(engine)
        if seed < 2:
            run[128] = str(by_width(read(engine, group_id))[128].runs[-1].run_id)
    second = str(by_width(read(engine, group_id))[64].runs[1].run_id)
    claim(engine, second)
    assert searches.advance(engine) == searches.NOTHING
    with session_scope(engine) as session:
        record(session, second, **{ACCURACY: 0.301})

    assert list(searches.advance(engine).stopped) == [second]
    trial = by_width(read(engine, group_id))[64]
    assert (trial.status, trial.reason.split(":")[0]) == ("pruned", "At step 3")


def test_how_runs_end_is_how_their_trials_end(engine: Engine) -> None:
    fields = {WIDTH: [32, 64, 96, 128]}
    group_id = start(engine, fields=fields, trials=4, at_once=4)
    searches.advance(engine)
    ids = {width: str(trial.runs[0].run_id) for width, trial in by_width(read(engine, group_id)).items()}
    end(engine, ids[32], RunStatus.FAILED)
    finish(engine, ids[64], None)
    with session_scope(engine) as session:
        runs.request_cancel(session, ids[96])
        runs.request_cancel(session, ids[128])
        runs.delete(session, ids[128])
    searches.advance(engine)
    view = read(engine, group_id)
    told = {width: (trial.status, trial.reason) for width, trial in by_width(view).items()}
    assert told == {
        32: ("failed", f"Run {ids[32]}: out of memory."),
        64: ("failed", f"Run {ids[64]}: it has no pass@1 that its config asks for."),
        96: ("cancelled", f"Run {ids[96]} was cancelled."),
        128: ("cancelled", "A run of it was deleted."),
    }
    assert (view.status, view.best) == ("finished", None)


def test_a_configuration_that_is_refused_is_a_failed_trial(engine: Engine) -> None:
    fields = {WIDTH: [64, 96], "model.core.heads": [4, 64]}
    group_id = start(engine, fields=fields, trials=4, seeds=1, at_once=4)
    searches.advance(engine)
    trials = read(engine, group_id).trials
    refused = [trial for trial in trials if trial.status == "failed"]
    assert {WIDTH: 96, "model.core.heads": 64} in [trial.parameters for trial in refused]
    assert {WIDTH: 96, "model.core.heads": 4} not in [trial.parameters for trial in refused]
    assert all(trial.reason.startswith("The configuration is not valid: ") for trial in refused)
    assert not any(trial.runs for trial in refused)


def test_a_search_in_which_everything_fails_for_one_cause_stops(engine: Engine) -> None:
    group_id = start(engine, fields=RATES, trials=20, seeds=1, at_once=2)

    def fail(run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            end(engine, run_id, RunStatus.FAILED)

    fail(searches.advance(engine).queued)
    fail(searches.advance(engine).queued)
    assert searches.advance(engine) == searches.NOTHING
    view = read(engine, group_id)
    assert (view.status, len(view.trials)) == ("stopped", 4)
    assert view.cause == f"{searches.ALL_FAILED} out of memory."
    assert view.active == 0

    with session_scope(engine) as session:
        searches.resume(session, group_id)  # it tries again
    first, second = searches.advance(engine).queued
    fail([second])
    finish(engine, first, 8)
    assert len(searches.advance(engine).queued) == 2  # one has worked
    assert read(engine, group_id).status == "running"


def test_a_search_whose_task_set_is_gone_stops(engine: Engine) -> None:
    group_id = start(engine, fields=RATES, trials=20, seeds=1, at_once=4)
    with session_scope(engine) as session:
        group = session.get(RunGroup, group_id)
        assert group
        group.config = {**group.config, "data": {**group.config["data"], "training_sets": ["mine/gone"]}}
    searches.advance(engine)
    view = read(engine, group_id)
    assert (view.status, len(view.trials), view.runs_made) == ("stopped", 4, 0)
    assert "unknown task set 'mine/gone'" in view.cause


def test_no_configuration_is_tried_twice_and_the_search_ends_when_all_were(engine: Engine) -> None:
    group_id = start(engine, trials=10, seeds=1)
    for _ in range(3):
        for run_id in searches.advance(engine).queued:
            finish(engine, run_id, 8)
    view = read(engine, group_id)
    assert (view.status, view.cause, len(view.trials)) == ("finished", searches.ALL_TRIED, 2)


def test_the_same_rows_ask_for_the_same_and_more_rows_for_something_else() -> None:
    search = parse_search({"fields": RATES, "trials": 20})
    tried = [asking.Tried({RATE: 1e-3}, "running"), asking.Tried({RATE: 1e-2}, "failed")]
    first = asking.ask(search, tried, 3)
    assert asking.ask(search, tried, 3) == first
    assert len({each[RATE] for each in first}) == 3
    more = [*tried, asking.Tried(first[0], "running")]
    assert asking.ask(search, more, 1)[0] not in [*first, *(each.values for each in tried)]


def test_values_keep_to_their_ranges() -> None:
    fields = {
        RATE: {"low": 0.001, "high": 0.1, "log": True},
        WIDTH: {"low": 32, "high": 250, "step": 32},
        "training.weight_decay": {"low": 0.1, "high": 0.5, "step": 0.1},
        "data.training_sets": [["arc-agi-1/training"], ["arc-agi-1/evaluation"]],
    }
    search = parse_search({"fields": fields, "trials": 40, "seeds": 1, "sampler": "random"})
    asked = asking.ask(search, [], 40)
    assert len(asked) == 40
    assert {each[WIDTH] for each in asked} <= set(range(32, 251, 32))
    assert all(0.001 <= each[RATE] <= 0.1 for each in asked)
    assert {round(each["training.weight_decay"], 9) for each in asked} <= {0.1, 0.2, 0.3, 0.4, 0.5}
    again = asking.ask(search, [asking.Tried(each, "running") for each in asked], 5)
    assert not [each for each in again if each in asked]


def test_stop_adds_nothing_and_continue_takes_up_the_rest(engine: Engine) -> None:
    group_id, run = both_started(engine)
    with session_scope(engine) as session:
        assert searches.stop(session, group_id).cause == "Stopped by the user."
    for run_id in run.values():
        finish(engine, run_id, 8)
    assert searches.advance(engine) == searches.NOTHING
    assert read(engine, group_id).runs_made == 2
    with session_scope(engine) as session:
        assert searches.resume(session, group_id).status == "running"
    assert len(searches.advance(engine).queued) == 2


def test_cancelling_the_group_stops_the_search_as_well(engine: Engine) -> None:
    group_id, _ = both_started(engine)
    with session_scope(engine) as session:
        groups.cancel(session, group_id)
    assert searches.advance(engine) == searches.NOTHING
    view = read(engine, group_id)
    assert (view.status, view.runs_made) == ("stopped", 2)
    assert [trial.status for trial in view.trials] == ["cancelled", "cancelled"]


def test_a_search_waits_while_as_many_runs_wait_as_may(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETRM_LIMIT_QUEUED", "1")
    with session_scope(engine) as session:
        accounts.add_person(session, "Ada", "editor")
    group_id = start(engine)
    with session_scope(engine) as session:
        row = session.get(SearchRow, group_id)
        assert row
        row.owner_id = accounts.access.person_named(session, "Ada").id  # type: ignore[union-attr]
    (first,) = searches.advance(engine).queued
    assert searches.advance(engine) == searches.NOTHING
    finish(engine, first, 8)
    assert len(searches.advance(engine).queued) == 1
    made = [run.run_id for trial in read(engine, group_id).trials for run in trial.runs]
    assert {run_of(engine, str(run_id)).owner for run_id in made} == {"Ada"}


def test_what_stands_against_a_search_is_said_before_it_starts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match=r"search\.objective: the config does not evaluate mine"):
        start(engine, objective="pass@1 on mine")
    with pytest.raises(InvalidInput, match="4: must be at least 8"):
        start(engine, fields={WIDTH: [4, 64]})
    with reading_scope(engine) as session, pytest.raises(NotFound, match="Parameter search 'nothing'"):
        searches.get(session, "nothing")
    monkeypatch.setattr(asking, "find_spec", lambda _name: None)
    with pytest.raises(Conflict, match=r"needs Optuna\. Optuna is not installed\. Install the extra"):
        start(engine)
    assert counted(engine, SearchRow) == 0


def test_a_server_without_optuna_leaves_asking_to_others_and_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    group_id = start(engine)
    monkeypatch.setattr(asking, "find_spec", lambda _name: None)
    assert searches.advance(engine) == searches.NOTHING
    view = read(engine, group_id)
    assert (view.status, view.trials) == ("running", [])
    assert view.cause.startswith("Optuna is not installed. No trial is added")


def test_a_search_that_cannot_be_continued_holds_up_no_other(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    started = sorted(start(engine) for _ in range(2))
    with session_scope(engine) as session:
        broken = session.get(SearchRow, started[0])  # the one that is looked at first
        assert broken
        broken.definition = {"fields": {}}  # as of a release that reads it in another way
    assert len(searches.advance(engine).queued) == 2
    assert len(read(engine, started[1]).trials) == 2
    assert f"parameter search {started[0]} was not continued" in caplog.text


def test_servers_that_look_at_once_make_no_trial_twice(engine: Engine, database_url: str) -> None:
    group_id = start(engine, fields=RATES, trials=6, seeds=1, at_once=3)
    engines = [make_engine(database_url) for _ in range(3)]
    try:
        for _ in range(3):
            meeting, found = threading.Barrier(3), list[str]()

            def look(own: Engine, meeting: threading.Barrier = meeting, found: list[str] = found) -> None:
                meeting.wait(WAIT)
                found.extend(searches.advance(own).queued)

            threads = [threading.Thread(target=look, args=(own,)) for own in engines]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WAIT)
            assert len(found) == len(set(found)) == len(waiting(engine, group_id))
            for run_id in found:
                finish(engine, run_id, 8)
    finally:
        for own in engines:
            own.dispose()
    assert (counted(engine, TrialRow), counted(engine, TrialRun), counted(engine, Run)) == (6, 6, 6)


def _stop_before_commit(url: str, group_id: str, asked: list[dict[str, Any]], reached: Event) -> None:
    with session_scope(make_engine(url)) as session:
        assert searches.step(session, group_id, 0, asked).queued
        reached.set()
        threading.Event().wait()


def test_a_server_killed_before_its_commit_leaves_nothing_behind(engine: Engine, database_url: str) -> None:
    group_id = start(engine)
    spawn = multiprocessing.get_context("spawn")
    reached = spawn.Event()
    asked = [{WIDTH: 64}, {WIDTH: 128}]
    server = spawn.Process(target=_stop_before_commit, args=(database_url, group_id, asked, reached))
    server.start()
    assert reached.wait(2 * WAIT)
    server.kill()
    server.join(WAIT)
    assert counted(engine, TrialRow) == counted(engine, Run) == 0
    # PostgreSQL lets go of a dead client's lock a moment later.
    queued = eventually(lambda: searches.advance(engine).queued, "the next step")
    assert (len(queued), counted(engine, TrialRow), counted(engine, TrialRun), counted(engine, Run)) == (
        2,
        2,
        2,
        2,
    )


def test_an_answer_of_before_somebody_elses_change_is_thrown_away(engine: Engine) -> None:
    group_id = start(engine)
    searches.advance(engine)
    with session_scope(engine) as session:
        assert searches.step(session, group_id, 0, [{WIDTH: 64}, {WIDTH: 128}]) == searches.NOTHING
    assert counted(engine, TrialRow) == 2
