"""Can every variant learn four real tasks by heart, and does the gradient reach its encoder? JSON lines.

Each variant is trained on four small ARC-AGI-1 tasks as they are: their demonstrations are shown, their test
inputs asked, without augmentation or translation. It is trained for 300 steps, and on until the train token
accuracy (mean over the samples that halted in an interval) is at least 95 % three points in a row, or until
it is out of steps. The loss and the coverage are those of the first 300 steps. Two modes must starve: a
detached context (as published) and a cached one, whose sample coverage is about 1 / (mean ACT steps).

    python -m benchmarks.learning.overfit [--steps 1500] [--only NAME]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from statistics import mean
from typing import Any

from backend.domain.config.presets import preset, preset_of_encoder
from backend.domain.experiment import ENCODERS, ExperimentConfig
from benchmarks.learning.trained import Points, changed, emit, trained

GOAL, IN_A_ROW = 0.95, 3
SHORTEST = 300  # steps
SPAN = 3  # points at either end of them
TASKS = ("25ff71a9", "3c9b0459", "6150a2bd", "67a3c6ac")  # 3 x 3 to 7 x 7; five test inputs
CORE = {"width": 64, "heads": 4, "layers": 1, "context_tokens": 4}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # name -> quick preset, changes of its model
    "trm": ("quick_trm_arc1", {"embedding_width": 256}),
    **{kind: (f"quick_{preset_of_encoder(kind)}", {}) for kind in ENCODERS},
    "iterative, detached": ("quick_etrm_iterative", {}),
    "deterministic, cached": ("quick_etrm_deterministic", {"reencode": False}),
}
STARVING = {"iterative, detached", "deterministic, cached"}


def config_of(name: str, steps: int) -> ExperimentConfig:
    """The quick preset of a variant at a smaller size, on four tasks as they are."""
    base, model = VARIANTS[name]
    chosen = preset(base)
    core = chosen.model.core.model_dump(mode="json") | CORE
    act = chosen.model.act.model_dump(mode="json")
    if not name.endswith("cached"):  # which starves by its number of ACT steps
        act["max_steps"] = min(2, act["max_steps"])
    return changed(
        chosen,
        model={**model, "core": core, "act": act},
        data={
            "task_ids": list(TASKS),
            "first_tasks": None,
            "canvas_sizes": [7],
            "augmentations": 0,
            "translation": False,
            "max_demonstrations": 4,
            "query": "test",
            "evaluation_demonstrations": False,
        },
        optimisation={"learning_rate": 2e-3, "warmup_steps": 20, "schedule": "constant"},
        training={"steps": steps, "batch_size": 4, "log_every": 10, "checkpoint_every": steps},
        health={"probe_every": 50},
    )


def often_enough() -> Callable[[Mapping[str, float]], bool]:
    """Whether the shortest length is over and the goal was met by the last points."""
    seen = met = 0

    def enough(values: Mapping[str, float]) -> bool:
        nonlocal seen, met
        seen, met = seen + 1, met + 1 if values.get("accuracy/token", 0.0) >= GOAL else 0
        return met >= IN_A_ROW and seen * 10 >= SHORTEST

    return enough


def line(name: str, run: Points) -> dict[str, Any]:
    """What a training came to."""
    early = Points(points={step: values for step, values in run.points.items() if step <= SHORTEST})
    losses, tokens = early.curve("loss/prediction"), run.curve("accuracy/token")
    first, last = mean(losses[:SPAN]), mean(losses[-SPAN:])
    coverage, costs = early.curve("encoder/gradient_coverage"), run.curve("reliance/cost")
    starved = [alarm.step for alarm in run.alarms if alarm.name == "starvation"]
    reached = min(tokens[-IN_A_ROW:])
    return {
        "variant": name,
        "loss_first": round(first, 3),
        f"loss_at_{SHORTEST}": round(last, 3),
        "gradient_coverage": round(mean(coverage), 4) if coverage else None,
        "sample_coverage": round(mean(early.curve("encoder/sample_coverage")), 4),
        "mean_act_steps": round(mean(early.curve("act_steps")), 2),
        "starvation_at": starved[0] if starved else None,
        "steps": max(run.points),
        "first_at_goal": next(
            (step for step, values in run.points.items() if values.get("accuracy/token", 0.0) >= GOAL), None
        ),
        "token_accuracy": round(reached, 4),
        "exact_accuracy": round(min(run.curve("accuracy/exact")[-IN_A_ROW:]), 4),
        "reliance_cost": round(costs[-1], 3) if costs else None,
        "overfits": reached >= GOAL,
        "as_expected": last < first and bool(starved) == (name in STARVING),
        "seconds": round(run.seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", choices=VARIANTS, action="append", help="default: all")
    chosen = parser.parse_args()
    lines = []
    for name in chosen.only or VARIANTS:
        lines.append(line(name, trained(config_of(name, chosen.steps), often_enough())))
        emit(lines[-1])
    raise SystemExit(not all(each["as_expected"] for each in lines))


if __name__ == "__main__":
    main()
