"""Fills a database with the made-up lab."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine

from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.arc.files import read_built_in
from backend.domain.dashboards import (
    BarsPanel,
    Content,
    CurvesPanel,
    GridsPanel,
    ProsePanel,
    Source,
    TablePanel,
)
from backend.domain.evaluation_request import EvaluationRequest
from backend.evaluation import jobs as evaluation_queue
from backend.evaluation import service as evaluations
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.runs import queries as run_rows
from backend.runs_table import saved_views
from backend.scores import job_queries as evaluation_jobs
from backend.study import service as studies
from backend.study.library import study_called
from tests.support.passing_time import keep_alive
from tests.support.records.ablation_rows import record_ablation
from tests.support.records.played import record_play
from tests.support.showcase import runs as made
from tests.support.showcase import scores
from tests.support.showcase.courses import Course
from worker.data.procedural.sets import generated_tasks

HELD_OUT, PLAYED = "arc-agi-1/evaluation", "0692e18c"
OUT_OF_MEMORY = (
    "out of memory: CUDA out of memory. Tried to allocate 2.40 GiB (GPU 0, 79.1 GiB in all, 1.2 GiB free). "
    "Reduce training.batch_size or model.core.width."
)
CLIPPED = {
    "learning_rate": 5e-4,
    "warmup_steps": 200,
    "schedule": "cosine",
    "ema_decay": 0.98,
    "gradient_clip": 0.5,
}
# What each row of an ablation solves of 60 tasks; those not named none.
ABLATED = {
    "right context": 27,
    "random context": 1,
    "swapped context": 2,
    "demonstration dropped": 22,
    "demonstration duplicated": 26,
    "demonstrations swapped": 27,
    "demonstrations recoloured": 6,
    "raw weights": 21,
    "1 view": 19,
    "32 views": 28,
    "301 views": 31,
    "1 ACT step": 9,
    "2 ACT steps": 17,
    "4 ACT steps": 23,
    "8 ACT steps": 26,
    "16 ACT steps": 27,
    "with search": 29,
    "with test-time training": 38,
}
ARC2 = {"training_sets": ["arc-agi-2/training"], "canvas_sizes": [20], "augmentations": 300}
TRACEBACK = """\
Traceback (most recent call last):
  File "worker/service/train.py", line 118, in main
    result = train(config, source, recorder, folder, stop)
  File "worker/training/trainer.py", line 201, in _step
    output = self.reasoner.step(self.carry, batch, self.generator)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.40 GiB.
"""


@dataclass(frozen=True)
class Showcase:
    """Ids of what there is to look at."""

    variants: dict[str, list[str]]  # run ids by name, seeds 0 to 4
    group: str
    running: str
    second: str  # runs as well
    failed: str
    queued: str  # a clone with two fields changed
    other_queued: str
    evaluation: int
    searched: int  # with a search
    evaluating: int  # two workers share it
    waiting: int
    ablation: int
    running_ablation: int
    cancelled_ablation: int
    task: str  # of the held-out set; answers differ
    share: str  # secret of a link
    own_dashboard: str
    study: str  # stopped before its first run
    played: str
    unanswered: str  # a play that failed


def fill(engine: Engine, artifacts: Path) -> Showcase:
    """Write everything; about half a minute."""
    now = time.time()
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    ids = made.add_variants(engine, now)
    for variant in made.VARIANTS:
        for seed, run_id in enumerate(ids[variant.name]):
            with session_scope(engine) as session:
                row = run_rows.get(session, run_id)
                assert row
                assert row.finished_at
                finished = row.finished_at - 5
            own = replace(variant.solver, skill=variant.solver.skill + 0.15 * (seed - 2))
            kept = range(made.CHECKPOINT_EVERY, made.STEPS + 1, made.CHECKPOINT_EVERY)
            steps = kept if seed == 0 and variant.name in ("det-arc1", "iter-arc1") else kept[-1:]
            scores.evaluate(engine, run_id, own, steps, finished)
    made.add_weights(engine, artifacts, ids["iter-arc1"][0])
    besides = _besides(engine, ids, now)
    _edit(engine, ids)
    evaluating, waiting = _jobs(engine, ids, now)
    ablated = ids["iter-arc1"][0]
    ablation = record_ablation(engine, artifacts, ablated, ABLATED, first_tasks=60)
    running = record_ablation(
        engine,
        artifacts,
        ablated,
        ABLATED,
        waiting=4,
        worker_id=made.worker_id(3),
        first_tasks=40,
        parts=["context", "demonstrations"],
    )
    cancelled = record_ablation(engine, artifacts, ablated, None, first_tasks=5, parts=["weights"])
    _sets(engine)
    share, own_dashboard = _dashboards(engine)
    _people(engine)
    with session_scope(engine) as session:
        best = runs.get(session, ids["iter-arc1"][0])
        assert best.group
        group = best.group.id
    return Showcase(
        variants=ids,
        group=group,
        evaluation=_held_out(engine, ids["iter-arc1"][0]),
        searched=_held_out(engine, ids["lpn-arc1"][0]),
        evaluating=evaluating,
        waiting=waiting,
        ablation=ablation,
        running_ablation=running,
        cancelled_ablation=cancelled,
        task=_telling_task(engine, ids),
        share=share,
        own_dashboard=own_dashboard,
        study=_study(engine),
        played=record_play(engine, ids["iter-arc1"][0], HELD_OUT, PLAYED),
        unanswered=record_play(engine, ids["iter-arc1"][0], HELD_OUT, PLAYED, OUT_OF_MEMORY),
        **besides,
    )


def _held_out(engine: Engine, run_id: str) -> int:
    """The evaluation of the run's last checkpoint on tasks it was not trained on; none of its ablations."""
    with session_scope(engine) as session:
        found = evaluations.find(session, run_id, ["finished"])
        last = [each for each in found if each.held_out and each.step == made.STEPS]
        return max(last, key=lambda each: each.n).id


def _besides(engine: Engine, ids: dict[str, list[str]], now: float) -> dict[str, str]:
    """A TRM to compare with, and a run in every other state."""
    trm = made.add_run(
        engine,
        made.config_of("quick_trm_arc1", "trm-arc1"),
        Course(token=0.985, exact=0.9, memory=6.1e9, speed=1_320),
        now - 30 * made.HOUR,
        tags=["paper", "baseline"],
        notes="Knows every puzzle by its embedding: the ceiling, not a competitor.",
    )
    scores.evaluate(engine, trm, made.Solver(skill=0.1), [made.STEPS], now - 28.6 * made.HOUR)
    made.add_run(
        engine,
        made.config_of("quick_etrm_iterative", "iter-detached"),
        Course(token=0.58, exact=0.02, reliance=0.02, starving=True),
        now - 26 * made.HOUR,
        points=90,
        status="cancelled",
        status_cause="cancelled by the user",
    )
    failed = made.add_run(
        engine,
        made.config_of("quick_graph", "graph-wide", model=_wider("quick_graph", 1024)),
        Course(token=0.91, exact=0.38),
        now - 1.6 * made.HOUR,
        points=31,
        status="failed",
        status_cause=OUT_OF_MEMORY,
        traceback=TRACEBACK,
        parent_id=ids["graph-arc1"][0],
    )
    hypothesis = {
        "kind": "bar",
        "claim": "Width is what the iterative encoder lacks.",
        "measure": "pass@1",
        "comparison": ">=",
        "value": 0.3,
        "stop": {"kind": "hopeless", "after_step": 4000, "measure": "accuracy/token", "value": 0.6},
    }
    running = made.add_run(
        engine,
        made.config_of(
            "quick_etrm_iterative_trained",
            "iter-wide",
            model=_wider("quick_etrm_iterative_trained", 512),
            hypothesis=hypothesis,
        ),
        Course(token=0.96, exact=0.58, variance=0.42, reliance=0.46, memory=2.3e10, speed=410),
        now - 246 * 12.0,
        points=246,
        status="running",
        parent_id=ids["iter-arc1"][0],
        worker_id=made.worker_id(1),
        lease_until=now + 9e5,
        verdict="open",
        tags=["next week?"],
    )
    second = made.add_run(
        engine,
        made.config_of("quick_etrm_iterative_trained", "iter-arc2", data=ARC2),
        Course(token=0.94, exact=0.4, variance=0.4, memory=7.9e9, speed=640),
        now - 58 * 12.0,
        points=58,
        status="running",
        worker_id=made.worker_id(2),
        lease_until=now + 9e5,
    )
    waiting = (
        ("quick_graph", "graph-narrow", "graph-arc1", 0, {"model": _wider("quick_graph", 128)}),
        ("quick_lpn", "lpn-two-steps", "lpn-arc1", 0, {"objective": {"latent_steps": 2}}),
        (
            "quick_slots",
            "slots-clipped",
            "slots-arc1",
            made.NAN_SEED,
            {"seed": made.NAN_SEED, "optimisation": CLIPPED},
        ),
    )
    queued = []
    for at, (preset, name, parent, seed, changes) in enumerate(waiting):
        run_id = made.add_run(
            engine,
            made.config_of(preset, name, **changes),
            Course(token=0.9, exact=0.4),
            now - 300 + 30 * at,
            points=0,
            status="queued",
            parent_id=ids[parent][seed],
            dispatched_at=now + 9e5,
        )
        queued.append(run_id)
    return {
        "running": running,
        "second": second,
        "failed": failed,
        "queued": queued[2],
        "other_queued": queued[0],
    }


def _wider(preset: str, width: int) -> dict[str, object]:
    model = made.config_of(preset, "").model.model_dump(mode="json")
    return model | {"core": model["core"] | {"width": width}}


def _edit(engine: Engine, ids: dict[str, list[str]]) -> None:
    with session_scope(engine) as session:
        runs.edit(session, ids["iter-arc1"][0], notes="Best so far. Another week at width 512?")
        runs.edit(session, ids["var-arc1"][0], notes="Posterior collapse at step 4,400, on every seed.")
        runs.edit(
            session,
            ids["slots-arc1"][made.NAN_SEED],
            notes="NaN without a gradient clip; clone with one is queued.",
        )
        saved_views.save(session, "Paper", "filter=tag+%3D%3D+%22paper%22&group=seed&sort=-pass1")
        saved_views.save(session, "With an alarm", "filter=alarm+%21%3D+%22%22")


def _jobs(engine: Engine, ids: dict[str, list[str]], now: float) -> tuple[int, int]:
    """An evaluation that two workers share, and one that waits. No worker of a real lab would take them."""
    with session_scope(engine) as session:
        asked = EvaluationRequest(set="arc-agi-2/evaluation", first_tasks=60, views=64, workers=2)
        view = evaluations.request(session, ids["iter-arc1"][0], asked)
        for at, worker in enumerate((made.worker_id(3), made.worker_id(4))):
            share = evaluation_queue.claim(session, view.id, worker)
            assert share
            evaluation_queue.begin(session, share, "NVIDIA H100", 24, views=3_840, cells=1_536_000, failed=[])
            number = evaluation_queue.take(session, share)
            assert number is not None
            evaluation_queue.deliver(
                session,
                share,
                number,
                b"",
                views=160 * (5 + at),
                cells=64_000 * (5 + at),
                seconds=41.0 + 8 * at,
            )
        keep_alive(session, 9e5)
        waiting = evaluations.request(
            session, ids["graph-arc1"][0], EvaluationRequest(set="arc-agi-2/evaluation", first_tasks=60)
        )
        for each in (view, waiting):
            found = evaluation_jobs.lock(session, each.id)
            assert found
            found[1].batches = found[1].next_batch = 24
            found[1].dispatched_at = now + 9e5
    return view.id, waiting.id


def _sets(engine: Engine) -> None:
    easy = [task for task in read_built_in("arc-agi-1/training") if task.side <= 6][:12]
    content = {
        f"lab{at:05d}": {
            "train": [
                {"input": pair.input.as_lists(), "output": pair.output.as_lists()}
                for pair in task.demonstrations
            ],
            "test": [
                {"input": test.input.as_lists(), "output": test.output.as_lists()}
                for test in task.tests
                if test.output
            ],
        }
        for at, task in enumerate(easy)
    }
    with session_scope(engine) as session:
        datasets.import_files(session, "lab/hand-made", [(json.dumps(content).encode(), "hand-made.json")])
        datasets.keep_generated(
            session, "procedural/control/test", generated_tasks("procedural/control/test")[:400]
        )


def _dashboards(engine: Engine) -> tuple[str, str]:
    """A dashboard of one's own, and links to the ready-made one: the secret of a link, and the own slug."""
    content = Content(
        source=Source(filter='tag == "next week?" or encoder == "deterministic"'),
        panels=(
            ProsePanel(
                id="why",
                height=2,
                width=4,
                text="**Is the iterative encoder worth another week of four GPUs?**\n\n"
                "Bar: pass@1 over 10 % on tasks it never saw, with the whole interval.",
            ),
            BarsPanel(id="held-out", title="Held-out pass@1", measure="pass@1", width=8),
            CurvesPanel(id="tokens", title="Share of tokens right", metric="accuracy/token"),
            CurvesPanel(
                id="alive", title="Cross-sample variance / mean square", metric="encoder/scale_free_variance"
            ),
            TablePanel(id="results", title="Results", table="results", width=12, height=4),
            GridsPanel(id="grids", title="Where the deterministic one fails", width=12, height=6, most=2),
        ),
    )
    with session_scope(engine) as session:
        own = dashboards.create(session, "Worth another week?", content.model_dump(mode="json"))
        first, _ = dashboards.share(session, dashboards.READY_MADE, "Ines")
        dashboards.revoke(session, dashboards.READY_MADE, first.id)
        _, secret = dashboards.share(session, dashboards.READY_MADE, "Ines")
        dashboards.note_opened(session, secret)
    return secret, own.slug


def _study(engine: Engine) -> str:
    """One whose claims can be read; its runs would fill every other page."""
    with session_scope(engine) as session:
        begun = studies.create(session, study_called("discussion"), "discussion", "laptop")
        return studies.stop(session, begun.id).id


def _people(engine: Engine) -> None:
    with session_scope(engine) as session:
        for name, role in (("Ines", "editor"), ("Tomasz", "editor"), ("Prof. Adeyemi", "viewer")):
            accounts.add_person(session, name, role)
        accounts.create_token(session, "cluster", "Ines")
        accounts.create_token(session, "notebook")
        accounts.revoke_token(session, "notebook")


def _telling_task(engine: Engine, ids: dict[str, list[str]]) -> str:
    """A held-out task of middling size that some solve and some do not."""
    solved: dict[str, int] = {}
    for name in ("iter-arc1", "graph-arc1", "det-arc1", "lpn-arc1"):
        evaluation_id = _held_out(engine, ids[name][0])
        with session_scope(engine) as session:
            for each in evaluations.test_inputs(session, evaluation_id):
                solved[each.task_id] = solved.get(each.task_id, 0) + (each.truth_rank == 1)
    tasks = {task.id: task for task in scores.fitting("arc-agi-1/evaluation", 20, 64)}
    fit = [name for name, number in solved.items() if number == 2 and 9 <= tasks[name].side <= 14]
    return fit[0] if fit else max(solved, key=lambda name: solved[name])
