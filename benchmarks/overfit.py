"""Can every variant learn four real tasks by heart? JSON lines, minutes on a CPU.

Each variant is trained on all pairs of four small ARC-AGI-1 tasks, as they are (no augmentation, no
translation), until an interval's train token accuracy (mean over the samples that halted in it) is at least
95 % three times in a row, or until it is out of steps.

    python -m benchmarks.overfit [--steps 1500] [--only NAME]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from backend.domain.experiment import ExperimentConfig
from backend.domain.presets import preset
from benchmarks.trained import changed, emit, trained

GOAL = 0.95
IN_A_ROW = 3
TASKS = ("25ff71a9", "3c9b0459", "6150a2bd", "67a3c6ac")  # 3 x 3 to 7 x 7, the canvas is 7 x 7

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # name -> quick preset, changes of its model
    "trm": ("quick_trm_arc1", {}),
    "deterministic": ("quick_etrm_deterministic", {}),
    "variational": ("quick_etrm_variational", {}),
    "per_demo (lpn)": ("quick_lpn", {}),
    "iterative": ("quick_etrm_iterative_trained", {}),
    "slots": ("quick_slots", {}),
    "graph": ("quick_graph", {}),
    "iterative, detached": ("quick_etrm_iterative", {}),
    "deterministic, cached": ("quick_etrm_deterministic", {"reencode": False}),
}


def config_of(name: str, steps: int) -> ExperimentConfig:
    """The quick preset of a variant, on four tasks as they are."""
    base, model = VARIANTS[name]
    return changed(
        preset(base),
        model=model,
        data={
            "task_ids": list(TASKS),
            "first_tasks": None,
            "augmentations": 0,
            "translation": False,
            "canvas_sizes": [7],
            "max_demonstrations": 5,
            "evaluation_demonstrations": False,
        },
        optimisation={"warmup_steps": 20, "schedule": "constant"},
        training={"steps": steps, "batch_size": 8, "log_every": 10, "checkpoint_every": steps},
        health={"probe_every": 50},
    )


def often_enough() -> Callable[[Mapping[str, float]], bool]:
    """Whether the goal was met by the last points."""
    met = 0

    def enough(values: Mapping[str, float]) -> bool:
        nonlocal met
        met = met + 1 if values.get("accuracy/token", 0.0) >= GOAL else 0
        return met >= IN_A_ROW

    return enough


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", choices=VARIANTS, action="append", help="default: all")
    chosen = parser.parse_args()
    for name in chosen.only or VARIANTS:
        run = trained(config_of(name, chosen.steps), often_enough())
        tokens, exact = run.curve("accuracy/token"), run.curve("accuracy/exact")
        costs = run.curve("reliance/cost")
        emit(
            {
                "variant": name,
                "steps": max(run.points),
                "token_accuracy": round(min(tokens[-IN_A_ROW:]), 4),
                "exact_accuracy": round(min(exact[-IN_A_ROW:]), 4),
                "best_token_accuracy": round(max(tokens), 4),
                "reliance_cost": round(costs[-1], 3) if costs else None,
                "alarms": [f"{alarm.name} at {alarm.step}" for alarm in run.alarms],
                "seconds": round(run.seconds, 1),
                "overfits": min(tokens[-IN_A_ROW:]) >= GOAL,
            }
        )


if __name__ == "__main__":
    main()
