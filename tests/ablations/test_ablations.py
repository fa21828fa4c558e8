"""An ablation of a trained TRM: what it leans on, as ordinary jobs; and whether its card holds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event
from sqlalchemy.orm import Session

from backend.ablations import service as ablations
from backend.ablations.api import parsed, written
from backend.ablations.tables import Ablation
from backend.ablations.views import AblationEstimate, AblationView, VerificationView
from backend.data import service as datasets
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.ablation.card import Card, sealed
from backend.domain.ablation.planning import AblationRequest, Part
from backend.domain.evaluation_request import EvaluationRequest
from backend.evaluation import comparison
from backend.evaluation import service as evaluations
from backend.gallery import service as gallery
from backend.kit.errors import Conflict, InvalidInput
from backend.lifecycle import service as runs
from backend.operations import packing
from backend.settings import Settings
from tests.support.changed_cards import CHANGES, without_seal
from tests.support.databases import SqliteFiles
from tests.support.records.ablated import ASKED, ASKED_SET, RUN, Ablatable, ablatable

REQUEST = AblationRequest(
    parts=(Part.CONTEXT, Part.DEMONSTRATIONS, Part.WEIGHTS, Part.VIEWS, Part.ACT_STEPS, Part.SEARCH),
    act_steps=(1,),
    search={"kind": "random", "samples": 2},
)
ROWS = (
    "right context",
    "blank context",
    "random context",
    "swapped context",
    "raw weights",
    "1 ACT step",
    "with search",
)


@pytest.fixture(scope="module")
def lab(sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ablatable]:
    engine = make_engine(sqlite_files.new())
    yield ablatable(engine, tmp_path_factory.mktemp("artifacts"))
    engine.dispose()


def request(lab: Ablatable, asked: AblationRequest = REQUEST) -> AblationView:
    with session_scope(lab.engine) as session:
        return ablations.request(session, lab.settings, RUN, asked)[0]


def read(lab: Ablatable, ablation_id: int) -> AblationView:
    with reading_scope(lab.engine) as session:
        return ablations.get(session, ablation_id)


def verify(lab: Ablatable, card: Any) -> VerificationView:
    with session_scope(lab.engine) as session:
        return ablations.verify(session, lab.settings, card)[0]


@pytest.fixture(scope="module")
def finished(lab: Ablatable) -> AblationView:
    view = request(lab)
    assert (view.status, [row.name for row in view.rows]) == ("running", list(ROWS))
    lab.compute()
    return read(lab, view.id)


@pytest.fixture(scope="module")
def card(lab: Ablatable, finished: AblationView) -> Card:
    with reading_scope(lab.engine) as session:
        return ablations.card(session, finished.id)


def test_the_checkpoint_keeps_its_score_with_the_right_ids_and_loses_it_with_blank_ones(
    finished: AblationView,
) -> None:
    by_name = {row.name: row for row in finished.rows}
    solved = {name: row.score.solved for name, row in by_name.items() if row.score}
    assert solved["right context"] >= ASKED - 1
    assert solved["blank context"] <= 1
    assert solved["swapped context"] <= 1
    assert solved["raw weights"] >= ASKED - 2
    against = by_name["blank context"].against
    assert against
    assert (against.verdict, against.n, against.only_this) == ("worse", ASKED, 0)
    assert against.p_value < against.p_adjusted < 0.05
    assert by_name["right context"].against is None


def test_a_row_says_what_it_cost_and_what_cannot_be_asked_is_left_out(finished: AblationView) -> None:
    by_name = {row.name: row for row in finished.rows}
    right, one_step = by_name["right context"].cost, by_name["1 ACT step"].cost
    assert right
    assert one_step
    assert (right.forward_passes, one_step.forward_passes) == (2 * ASKED, ASKED)
    assert right.code["source"]
    assert finished.forward_passes == sum(row.cost.forward_passes or 0 for row in finished.rows if row.cost)
    left_out = {row.name: row.why for row in finished.left_out}
    assert left_out["demonstration dropped"] == "TRM reads no demonstrations"
    assert left_out["32 views"] == "TRM learned 1 form of each puzzle"


def test_its_evaluations_are_no_results_of_the_run_and_compare_with_no_ordinary_one(
    lab: Ablatable, finished: AblationView
) -> None:
    ids = {row.name: row.evaluation for row in finished.rows}
    with reading_scope(lab.engine) as session:
        run = runs.get(session, RUN)
        shown = {result.id for result in run.results}
        assert run.headlines[ASKED_SET].id == ids["right context"]
        assert shown == {ids["right context"]}
        answers = {item.answers[0].source.evaluation for item in _gallery(session) if item.answers[0]}
        assert answers == {ids["right context"]}
        with pytest.raises(Conflict, match="different interventions"):
            comparison.compare(session, str(ids["right context"]), str(ids["blank context"]))


def _gallery(session: Session) -> tuple[gallery.Item, ...]:
    return gallery.page(session, gallery.Filter(set_name=ASKED_SET), limit=200).items


def test_what_a_person_asks_for_is_a_result_before_and_after_an_ablation(lab: Ablatable) -> None:
    """A setting alone does not make it a part of an ablation: who asked for it does."""
    asked = EvaluationRequest(set=ASKED_SET, first_tasks=2, views=1, act_steps=1, weights="ema")
    with session_scope(lab.engine) as session:
        own = evaluations.request(session, RUN, asked)
    ablation = AblationRequest(first_tasks=2, parts=(Part.ACT_STEPS,), act_steps=(1, 3))
    view = request(lab, ablation)
    rows = {row.name: row.evaluation for row in view.rows}
    assert rows["1 ACT step"] == own.id
    assert view.reused == ["1 ACT step"]
    assert lab.compute() == 3
    assert _results(lab, rows.values()) == {rows["right context"], own.id}
    with session_scope(lab.engine) as session:
        again = evaluations.request(session, RUN, asked.model_copy(update={"act_steps": 3}))
    assert (again.id, again.status, again.is_result) == (rows["3 ACT steps"], "finished", True)
    assert _results(lab, rows.values()) == {*rows.values()}
    assert request(lab, ablation).status == "finished"  # nor does asking for the card again put it aside
    assert _results(lab, rows.values()) == {*rows.values()}


def test_a_part_of_an_ablation_that_failed_stays_one(lab: Ablatable) -> None:
    asked = AblationRequest(first_tasks=4, parts=(Part.ACT_STEPS,), act_steps=(1,))
    view = request(lab, asked)
    (right, one_step) = [row.evaluation for row in view.rows]
    with session_scope(lab.engine) as session:
        evaluations.cancel(session, one_step)
        evaluations.resume(session, one_step)
    other_options = asked.model_copy(update={"batch_size": 2})
    with session_scope(lab.engine) as session:
        evaluations.cancel(session, one_step)
        ablations.request(session, lab.settings, RUN, other_options)
    lab.compute()
    assert _results(lab, (right, one_step)) == {right}


def _results(lab: Ablatable, among: Iterable[int]) -> set[int]:
    """Those of the evaluations that the run shows as its results."""
    with reading_scope(lab.engine) as session:
        return {result.id for result in runs.get(session, RUN).results} & {*among}


def test_what_was_there_before_is_marked_and_costs_nothing(lab: Ablatable) -> None:
    narrow = AblationRequest(first_tasks=7, parts=(Part.ACT_STEPS,), act_steps=(1,))
    wide = narrow.model_copy(update={"act_steps": (1, 4)})
    first = request(lab, narrow)
    lab.compute()
    second = request(lab, wide)
    lab.compute()
    for _ in range(2):  # asking for it again computes nothing, and so makes nothing reused
        view = read(lab, second.id)
        assert view.reused == ["right context", "1 ACT step"]
        (new,) = [row.cost for row in view.rows if not row.reused]
        assert new
        assert (view.seconds, view.forward_passes) == (new.seconds, new.forward_passes)
        assert request(lab, wide).id == second.id
    assert read(lab, first.id).reused == []


def test_an_estimate_says_what_would_be_queued_and_how_long_that_takes(
    lab: Ablatable, finished: AblationView
) -> None:
    def estimate(**changes: Any) -> AblationEstimate:
        with reading_scope(lab.engine) as session:
            return ablations.estimate(session, RUN, REQUEST.model_copy(update=changes))

    known = estimate()
    assert (known.rows, known.reused, known.seconds, known.unknown) == (list(ROWS), len(ROWS), None, [])
    assert known.words == f"{len(ROWS)} evaluations, all there already: nothing is computed."
    few, many = (estimate(parts=(Part.ACT_STEPS,), act_steps=(steps,)) for steps in (7, 14))
    assert (few.reused, few.unknown) == (1, [])
    assert few.seconds
    assert many.seconds == pytest.approx(2 * few.seconds)
    other = estimate(search={"kind": "random", "samples": 3})
    assert (other.unknown, other.seconds) == (["with search"], None)
    assert other.words == f"{len(ROWS)} evaluations, {len(ROWS) - 1} of them there already."
    fewer = estimate(first_tasks=ASKED // 2, search={"kind": "random", "samples": 2})
    assert fewer.unknown == []  # a search of just these settings was timed
    assert lab.compute() == 0


def test_an_ablation_of_an_earlier_release_reused_what_had_ended_before_it(
    lab: Ablatable, finished: AblationView
) -> None:
    with session_scope(lab.engine) as session:
        ablation = session.get_one(Ablation, finished.id)
        noted = ablation.evaluations
        ablation.evaluations = [{key: row[key] for key in ("name", "evaluation")} for row in noted]
        assert ablations.get(session, finished.id).reused == []
        ablation.created_at += 10**6
        assert ablations.get(session, finished.id).reused == list(ROWS)
        session.rollback()


def test_asked_for_again_it_is_the_same(lab: Ablatable, finished: AblationView) -> None:
    assert request(lab) == finished
    assert lab.compute() == 0


def test_more_rows_read_the_tasks_no_more_often(lab: Ablatable) -> None:
    """A set of an ablation may hold thousands, and an ablation twenty rows."""
    few = REQUEST.model_copy(update={"first_tasks": 4, "parts": (Part.WEIGHTS,)})
    many = REQUEST.model_copy(update={"first_tasks": 5, "act_steps": (1, 2, 3)})
    assert readings_of_tasks(lab, few) == readings_of_tasks(lab, many) > 0


def readings_of_tasks(lab: Ablatable, asked: AblationRequest) -> int:
    """How often the grids of tasks are read to start it; nothing of it stays."""
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    event.listen(lab.engine, "before_cursor_execute", note)
    try:
        with session_scope(lab.engine) as session:
            ablations.request(session, lab.settings, RUN, asked)
            session.rollback()
    finally:
        event.remove(lab.engine, "before_cursor_execute", note)
    return sum("task.demonstrations" in statement for statement in statements)


def test_a_cancelled_evaluation_resumes_when_it_is_asked_for_again(lab: Ablatable) -> None:
    asked = REQUEST.model_copy(update={"first_tasks": 3, "parts": (Part.WEIGHTS,)})
    view = request(lab, asked)
    with session_scope(lab.engine) as session:
        for row in view.rows:
            evaluations.cancel(session, row.evaluation)
    stopped = read(lab, view.id)
    assert stopped.status == "failed"
    assert "0 of 2 evaluations are finished." in stopped.words
    with reading_scope(lab.engine) as session, pytest.raises(Conflict, match="has no card yet"):
        ablations.card(session, view.id)
    with session_scope(lab.engine) as session:
        assert ablations.resume(session, lab.settings, view.id)[0].status == "running"
    assert lab.compute() == 2
    assert read(lab, view.id).status == "finished"


def test_cancelling_all_leaves_what_others_asked_for(lab: Ablatable) -> None:
    asked = EvaluationRequest(set=ASKED_SET, first_tasks=6, views=1, act_steps=1)
    with session_scope(lab.engine) as session:
        own = evaluations.request(session, RUN, asked).id
    view = request(lab, AblationRequest(first_tasks=6, parts=(Part.ACT_STEPS,), act_steps=(1, 3)))
    assert view.can_be_cancelled
    with session_scope(lab.engine) as session:
        stopped = ablations.cancel(session, view.id)
    assert {row.name: row.status for row in stopped.rows} == {
        "right context": "cancelled",
        "1 ACT step": "queued",
        "3 ACT steps": "cancelled",
    }
    assert not stopped.can_be_cancelled
    assert lab.compute() == 1
    with reading_scope(lab.engine) as session:
        assert evaluations.get(session, own).status == "finished"
    with session_scope(lab.engine) as session:
        ablations.resume(session, lab.settings, view.id)
    assert lab.compute() == 2
    assert (read(lab, view.id).status, read(lab, view.id).reused) == ("finished", ["1 ACT step"])


def test_an_honest_card_is_confirmed_once_this_lab_has_computed_it_again(lab: Ablatable, card: Card) -> None:
    raw = parsed(written(card))
    verification = verify(lab, raw)
    assert verification.status == "running"
    assert lab.compute() == len(ROWS)  # nothing is taken from what the card is of
    verification = verify(lab, raw)
    assert (verification.status, [finding for finding in verification.findings if finding.is_bad]) == (
        "confirmed",
        [],
    )
    assert verification.exact
    verdicts = [finding.verdict for finding in verification.findings]
    held, unchecked = verdicts.count("confirmed"), verdicts.count("not compared")
    assert verification.words == f"Confirmed: {held} fields hold. {unchecked} could not be compared."
    fields = {finding.field for finding in verification.findings}
    assert {"digest", "config", "tasks", "leaks", "checkpoint.weights.ema"} <= fields
    assert {f"rows[{name}].passes" for name in ROWS} <= fields
    assert verification.ablation
    assert read(lab, verification.ablation).verifies


def test_every_field_is_held_against_something_or_named_as_not_compared(lab: Ablatable, card: Card) -> None:
    """Of a card that somebody has changed in one place and sealed again."""
    verify(lab, parsed(written(card)))
    lab.compute()
    raw = json.loads(written(card))
    for path in _places(raw):
        if path[0] in ("config", "digest") or (path[0] == "rows" and path[1] > 1):
            continue
        changed = json.loads(written(card))
        _change(changed, path)
        try:
            sealed_again = json.loads(written(sealed(Card.model_validate(changed))))
            with session_scope(lab.engine) as session:
                verification = ablations.verify(session, lab.settings, sealed_again)[0]
                session.rollback()
        except (ValidationError, InvalidInput):
            continue
        row = f"rows[{card.rows[path[1]].name}]." if path[0] == "rows" else ""
        field = row + ".".join(map(str, path[2:] if row else path))
        unchecked = {finding.field for finding in verification.findings if finding.verdict == "not compared"}
        is_named = any(f"{field}.".startswith(f"{name}.") for name in unchecked)
        assert verification.status in ("not confirmed", "running") or is_named, field


def _places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a card are; of many of one kind the first two."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        if isinstance(value, dict | list) and value:
            places = _places(value, (*path, key))
            yield from islice(places, 2) if key in ("ranks", "tasks") else places
        else:
            yield *path, key


def _change(content: Any, path: tuple[Any, ...]) -> None:
    for key in path[:-1]:
        content = content[key]
    value = content[path[-1]]
    match value:
        case bool():
            content[path[-1]] = not value
        case int() | float():
            content[path[-1]] = value + 1
        case str():
            content[path[-1]] = f"{value[:-1]}{'1' if value.endswith('0') else '0'}"
        case _:
            content[path[-1]] = 1


def test_words_of_another_release_are_no_reason_to_refuse(lab: Ablatable, card: Card) -> None:
    verify(lab, parsed(written(card)))
    lab.compute()
    raw = json.loads(written(card))
    raw["lab"] = "0.0.1"
    raw["rows"][1]["about"] = "nothing stands beside the test input"
    raw["leaks"]["words"] = "held out"
    verification = verify(lab, json.loads(written(sealed(Card.model_validate(raw)))))
    assert verification.status == "confirmed"
    unchecked = {finding.field for finding in verification.findings if finding.verdict == "not compared"}
    assert {"lab", "rows[blank context].about", "leaks.words"} <= unchecked


def test_a_verification_that_failed_stays_so_until_it_is_resumed(lab: Ablatable) -> None:
    """Whoever asks again and again what came of it does not start it again and again."""
    asked = REQUEST.model_copy(update={"first_tasks": 8, "parts": (Part.WEIGHTS,)})
    view = request(lab, asked)
    lab.compute()
    with reading_scope(lab.engine) as session:
        raw = json.loads(written(ablations.card(session, view.id)))
    started = verify(lab, raw)
    assert (started.status, started.ablation) == ("running", started.ablation)
    assert started.ablation
    with session_scope(lab.engine) as session:
        ablations.cancel(session, started.ablation)
    for _ in range(2):
        failed = verify(lab, raw)
        assert (failed.status, failed.ablation) == ("failed", started.ablation)
        assert "was cancelled" in failed.words
        assert lab.compute() == 0
    with session_scope(lab.engine) as session:
        ablations.resume(session, lab.settings, started.ablation)
    assert lab.compute() == 2
    assert verify(lab, raw).status == "confirmed"


def test_another_lab_that_was_handed_the_run_computes_it_by_itself_and_confirms(
    lab: Ablatable, card: Card, sqlite_files: SqliteFiles, tmp_path: Path
) -> None:
    verify(lab, parsed(written(card)))
    lab.compute()  # what this lab computed again stays here
    file = tmp_path / "run.etrm"
    packing.pack(lab.engine, lab.settings, RUN, file, overwrite=False, weights=True)
    folder = Settings(home=tmp_path / "home", artifacts=tmp_path / "artifacts")
    other = Ablatable(make_engine(sqlite_files.new()), folder)
    packing.unpack(other.engine, other.settings, file)
    with reading_scope(other.engine) as session:
        (line, *_) = [listed for listed in ablations.of_run(session, RUN) if listed.n == ASKED]
        assert ablations.card(session, line.id).digest == card.digest
        assert not any(listed.verifies for listed in ablations.of_run(session, RUN))
    assert verify(other, parsed(written(card))).status == "running"
    assert other.compute() == len(ROWS)
    verification = verify(other, parsed(written(card)))
    assert (verification.status, verification.exact) == ("confirmed", True)
    other.engine.dispose()


@pytest.mark.parametrize(("change", "field"), CHANGES)
def test_a_card_that_was_changed_and_sealed_again_is_refused_by_the_field(
    lab: Ablatable, card: Card, change: Callable[[dict[str, Any]], None], field: str
) -> None:
    raw = json.loads(written(card))
    change(raw)
    verification = verify(lab, json.loads(written(sealed(Card.model_validate(raw)))))
    if verification.status == "running":  # nothing of this lab contradicts it yet
        lab.compute()
        verification = verify(lab, json.loads(written(sealed(Card.model_validate(raw)))))
    assert verification.status == "not confirmed"
    assert field in {finding.field for finding in verification.findings if finding.is_bad}


def test_a_card_that_was_changed_without_a_new_digest_is_refused(lab: Ablatable, card: Card) -> None:
    raw = json.loads(written(card))
    without_seal(raw)
    verification = verify(lab, raw)
    assert (verification.status, [finding.field for finding in verification.findings if finding.is_bad]) == (
        "not confirmed",
        ["digest"],
    )


def test_other_tasks_of_the_same_names_are_refused(lab: Ablatable, card: Card) -> None:
    with session_scope(lab.engine) as session:
        tasks = datasets.tasks(session, ASKED_SET)
        content = {
            task.id: {
                "train": [{"input": [[1]], "output": [[2]]}],
                "test": [{"input": [[1]], "output": [[2]]}],
            }
            for task in tasks
        }
        _replaced(session, content)
        verification = ablations.verify(session, lab.settings, json.loads(written(card)))[0]
        session.rollback()
    assert [finding.field for finding in verification.findings if finding.is_bad] == ["tasks"]


def _replaced(session: Session, content: dict[str, Any]) -> None:
    datasets.import_files(session, ASKED_SET, [(json.dumps(content).encode(), "tasks.json")], replace=True)


KIND = {"format": "ETRM Lab ablation card"}
FIRST = KIND | {"version": 1}
DEEP: dict[str, Any] = reduce(lambda inside, _: {"a": inside}, range(600), {})


@pytest.mark.parametrize(
    "raw",
    [{}, [], "card", KIND, KIND | {"version": 2}, FIRST, FIRST | {"x": math.nan}, FIRST | {"config": DEEP}],
)
def test_what_is_no_card_of_this_version_is_refused(lab: Ablatable, raw: Any) -> None:
    with pytest.raises(InvalidInput):
        verify(lab, raw)


def test_what_an_intervention_cannot_do_is_refused(lab: Ablatable) -> None:
    asked = EvaluationRequest(set=ASKED_SET, intervention="demonstration dropped", first_tasks=2)
    one = EvaluationRequest(set=ASKED_SET, intervention="swapped context", first_tasks=1)
    for wrong in (asked, one):
        with session_scope(lab.engine) as session, pytest.raises(InvalidInput) as refused:
            evaluations.queue(session, RUN, wrong)
        assert [problem.field for problem in refused.value.problems] == ["intervention"]


def test_a_single_task_has_no_other_context_to_swap_with(lab: Ablatable) -> None:
    with session_scope(lab.engine) as session:
        asked = AblationRequest(first_tasks=1, parts=(Part.CONTEXT,))
        view, _ = ablations.request(session, lab.settings, RUN, asked)
        session.rollback()
    assert [row.name for row in view.rows] == ["right context", "blank context", "random context"]
    assert [row.name for row in view.left_out] == ["swapped context"]


def test_a_card_whose_weights_are_elsewhere_is_told_so(lab: Ablatable, card: Card, tmp_path: Path) -> None:
    elsewhere = lab.settings.model_copy(update={"artifacts": tmp_path})
    with session_scope(lab.engine) as session:
        verification = ablations.verify(session, elsewhere, json.loads(written(card)))[0]
    (finding,) = [finding for finding in verification.findings if finding.is_bad]
    assert finding.field == "checkpoint.weights"
    assert "not on this server" in finding.words


def test_the_files_of_a_checkpoint_that_are_elsewhere_leave_no_card(lab: Ablatable, tmp_path: Path) -> None:
    asked = REQUEST.model_copy(update={"first_tasks": 2})
    elsewhere = lab.settings.model_copy(update={"artifacts": tmp_path})
    with session_scope(lab.engine) as session, pytest.raises(Conflict, match="not on this server"):
        ablations.request(session, elsewhere, RUN, asked)
