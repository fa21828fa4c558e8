"""Does every encoder learn, and does the gradient reach all of it? 300 steps of each quick preset, on a CPU.

JSON lines: the loss at the start and at the end (means over the first and the last 30 steps), the gradient
coverage of parameters and samples (means over the run), and the alarms. Two modes must starve: a detached
context (as published) and a cached one, whose sample coverage is about 1 / (mean ACT steps).

    python -m benchmarks.learning.encoders_learn [--steps 300] [--batch 8] [--only NAME]
"""

from __future__ import annotations

import argparse
from statistics import mean
from typing import Any

from backend.domain.config.presets import preset, preset_of_encoder
from backend.domain.experiment import ENCODERS, ExperimentConfig
from benchmarks.learning.trained import Points, changed, emit, trained

INTERVAL = 5  # steps
SPAN = 6  # points at either end

PRESETS = {
    **{kind: f"quick_{preset_of_encoder(kind)}" for kind in ENCODERS},
    "iterative, detached": "quick_etrm_iterative",
    "deterministic, cached": "quick_etrm_deterministic",
}
STARVING = {"iterative, detached", "deterministic, cached"}


def config_of(name: str, steps: int, batch: int) -> ExperimentConfig:
    """The quick preset of a system, at this length."""
    model = {"reencode": False} if name.endswith("cached") else {}
    training = {"steps": steps, "batch_size": batch, "log_every": INTERVAL, "checkpoint_every": steps}
    return changed(preset(PRESETS[name]), model=model, training=training, health={"probe_every": None})


def line(name: str, run: Points) -> dict[str, Any]:
    """What a training came to."""
    losses, tokens = run.curve("loss/prediction"), run.curve("accuracy/token")
    first, last = mean(losses[:SPAN]), mean(losses[-SPAN:])
    coverage, samples = run.curve("encoder/gradient_coverage"), run.curve("encoder/sample_coverage")
    act_steps = mean(run.curve("act_steps"))
    starved = [alarm.step for alarm in run.alarms if alarm.name == "starvation"]
    wanted = name in STARVING
    return {
        "encoder": name,
        "steps": max(run.points),
        "loss_first": round(first, 3),
        "loss_last": round(last, 3),
        "token_accuracy_first": round(mean(tokens[:SPAN]), 3),
        "token_accuracy_last": round(mean(tokens[-SPAN:]), 3),
        "gradient_coverage": round(mean(coverage), 4),
        "sample_coverage": round(mean(samples), 4),
        "mean_act_steps": round(act_steps, 2),
        "starvation_at": starved[0] if starved else None,
        "seconds": round(run.seconds, 1),
        "ok": last < 0.95 * first and bool(starved) == wanted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--only", choices=PRESETS, action="append", help="default: all")
    chosen = parser.parse_args()
    lines = []
    for name in chosen.only or PRESETS:
        lines.append(line(name, trained(config_of(name, chosen.steps, chosen.batch))))
        emit(lines[-1])
    raise SystemExit(not all(each["ok"] for each in lines))


if __name__ == "__main__":
    main()
