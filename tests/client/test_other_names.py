"""A script that was written for Weights & Biases runs with one changed line."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.scripts import log_of, points_of, run_ids, run_of, run_script
from tests.support.web import WebServer

# The calls of the published training scripts of TRM and of ETRM, in their order.
TRAINING = """
    import argparse
    import etrm_lab as wandb                                      # the line that is changed

    config = argparse.Namespace(arch={"name": "trm", "loss": {"kind": "stablemax"}}, lr=1e-4, seed=0)
    wandb.login()
    wandb.init(
        project="Arc1concept-aug-1000-ACT-torch",
        name="trm funny-walrus",
        config=vars(config),
        settings=wandb.Settings(_disable_stats=True),
        tags=["baseline", "arc 1"],
        notes="The published settings.",
        group="seeds",
    )
    wandb.define_metric("train/*", step_metric="epoch")
    wandb.watch(object(), log="all")
    artifact = wandb.Artifact("model", type="model")
    artifact.add_file("code/model.py")
    wandb.log_artifact(artifact).wait()
    wandb.run.save("*.pt")
    wandb.log({"num_params": 7_000_000}, step=0)
    wandb.run.log_code("code")
    wandb.config.update({"total_steps": 100}, allow_val_change=True)
    for step in range(1, 51):
        wandb.log({"train/lm_loss": 1 / step, "train/lr": 1e-4}, step=step)
        if step % 25 == 0:
            wandb.log({"ARC/pass@1": 0.5, "eval": {"acc": step / 100}}, step=step)
    table = wandb.Table(columns=["task", "solved"], data=[["a", True]])
    table.add_data("b", False)
    wandb.log({"tasks": table, "answer": wandb.Image([[1, 2], [3, 4]], caption="of b")}, step=50)
    wandb.run.summary["best"] = 0.5
    print(wandb.run.id, wandb.config.lr)
    wandb.finish()
    assert wandb.run is None
"""

QUERY = """
    import etrm_lab as wandb

    project = "me/Arc1concept-aug-1000-ACT-torch"
    for run in wandb.Api().runs(project, filters={"state": "finished", "config.seed": 0}):
        history = run.history(keys=["train/lm_loss"], pandas=False)
        scanned = [row["train/lm_loss"] for row in run.scan_history(keys=["train/lm_loss", "eval/acc"])]
        print(run.name, run.config["lr"], len(history), scanned, run.summary["best"], history[0]["_step"])
    print(len(wandb.Api().runs("me/another")))
"""


def test_a_training_script_logs_with_one_changed_line(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/model.py").write_text("print('model')\n")
    done = run_script(tmp_path, TRAINING, server)
    assert done.returncode == 0, done.stderr
    (run_id,) = run_ids(tmp_path)
    assert done.stdout == f"{run_id} 0.0001\n"
    for call in ("define_metric", "watch", "Artifact", "save"):
        assert done.stderr.count(f"etrm_lab: {call} has no effect here.") == 1
    assert "init: group has no meaning here" in done.stderr
    run = run_of(client, run_id)
    assert (run["tags"], run["notes"]) == (["baseline", "arc 1"], "The published settings.")
    assert (run["name"], run["project"], run["status"]) == (
        "trm funny-walrus",
        "Arc1concept-aug-1000-ACT-torch",
        "finished",
    )
    loss = {"kind": "stablemax"}
    assert run["config"] == {
        "arch": {"name": "trm", "loss": loss},
        "lr": 1e-4,
        "seed": 0,
        "total_steps": 100,
    }
    points = points_of(client, run_id)
    assert points["train/lm_loss"] == {step: 1 / step for step in range(1, 51)}
    assert points["eval/acc"] == {25: 0.25, 50: 0.5}
    assert points["num_params"] == {0: 7_000_000}
    assert points["best"] == {50: 0.5}
    lines = "\n".join(log_of(client, run_id))
    assert "tasks at step 50:\ntask  solved\na     True\nb     False" in lines
    assert "answer of b at step 50:\n12\n34" in lines
    assert "  model.py" in lines

    asked = run_script(tmp_path, QUERY, server)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.splitlines() == ["trm funny-walrus 0.0001 50 [0.04, 0.02] 0.5 1", "0"]
