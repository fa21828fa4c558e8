"""Runs on the command line: queue, show, tag, views, compare, share, files, checkpoints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.db.session import make_engine
from tests.support.commands import output, queue, refusal, typed
from tests.support.records.recorded import record_checkpoint, record_run


def test_a_run_is_queued_found_shown_cancelled_resumed_and_cloned(home):
    run = queue(home, "train", "quick", "--queue", "--set", "seed=41")
    assert re.search(rf"^{run}  quick +deterministic +queued", output(home, "runs"), re.MULTILINE)
    assert json.loads(output(home, "runs", "--json", "--filter", "seed == 41"))["runs"][0]["id"] == run
    assert "status    queued" in output(home, "run", "show", run)
    assert "encoder   no data yet: No point has been recorded yet." in output(home, "run", "show", run)
    told = json.loads(output(home, "run", "show", run, "--json"))
    assert (told["config"]["seed"], told["health"]["word"]) == (41, "no data yet")
    assert "cancelled" in output(home, "run", "cancel", run)
    assert "cannot be cancelled" in refusal(home, "run", "cancel", run)
    assert "queued" in output(home, "run", "resume", run)
    clone = queue(home, "run", "clone", run, "--set", "seed=42")
    shown = json.loads(output(home, "run", "show", clone, "--json"))
    assert (shown["parent_id"], shown["config"]["seed"]) == (run, 42)


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"ETRM_PORT": "8123"}, "http://127.0.0.1:8123"),
        ({"ETRM_PUBLIC_URL": "https://lab.example.org/"}, "https://lab.example.org"),
    ],
)
def test_a_queued_run_comes_with_the_address_of_its_page(
    home: Path, variables: dict[str, str], address: str
) -> None:
    said = typed(home, "train", "quick", "--queue", "--set", "seed=43", **variables).stdout
    (run,) = re.findall(r"Queued run (\w{10})\.", said)
    assert said.endswith(f"\n{address}/runs/{run}\n")


def test_a_run_that_is_over_makes_no_progress(home: Path) -> None:
    engine = make_engine(f"sqlite:///{home}/etrm.sqlite3")
    over, running = (record_run(engine, status=status, total=600) for status in ("finished", "running"))
    engine.dispose()
    said = output(home, "run", "show", over)
    assert "progress" not in said
    assert re.search(r"^step +\d+$", said, re.MULTILINE)
    assert re.search(r"^progress .* of 600", output(home, "run", "show", running), re.MULTILINE)


def test_the_queue_as_json_is_that_of_the_api(home: Path) -> None:
    run = queue(home, "train", "quick", "--queue", "--set", "seed=51")
    shown = json.loads(output(home, "queue", "--json"))
    assert run in [each["id"] for each in shown["runs"]]
    assert shown["wait"]["words"]


def test_runs_are_put_into_projects_and_people_have_limits(home: Path) -> None:
    one = queue(home, "train", "quick", "--queue", "--set", "seed=61", "--project", "arc-2")
    clone = queue(home, "run", "clone", one, "--set", "seed=62")
    listed = json.loads(output(home, "runs", "--filter", 'project == "arc-2"', "--json"))["runs"]
    assert [(each["id"], each["owner"]) for each in listed] == [(clone, None), (one, None)]
    assert output(home, "runs", "project", "other", one, clone) == "Project other: 2 runs.\n"
    assert "project   other" in output(home, "run", "show", one)
    assert "--queue" in refusal(home, "train", "quick", "--project", "arc-2", status=2)
    output(home, "people", "add", "ana", "editor")
    output(home, "people", "limit", "ana", "--running", "2", "--queued", "0")
    assert re.search(r"^ana +editor +never +2 +none", output(home, "people"), re.MULTILINE)
    output(home, "people", "limit", "ana", "--running", "-1")
    assert re.search(r"^ana +editor +never +none", output(home, "people"), re.MULTILINE)


def test_the_table_of_runs_and_curves_are_written_into_files(home: Path, tmp_path: Path) -> None:
    run = queue(home, "train", "quick", "--queue", "--set", "seed=52")
    table, curves = tmp_path / "runs.csv", tmp_path / "curves.parquet"
    output(
        home, "runs", "export", "--filter", "seed == 52", "--column", "training.steps", "--out", str(table)
    )
    assert re.search(f"^{run},quick.*,52,queued", table.read_text(), re.MULTILINE)
    output(home, "run", "curves", run, "--format", "parquet", "--out", str(curves))
    assert curves.read_bytes().endswith(b"PAR1")


def test_runs_are_tagged_noted_and_put_away(home: Path) -> None:
    one, two = (queue(home, "train", "quick", "--queue", "--set", f"seed={seed}") for seed in (71, 72))
    assert "2 of 2 runs" in output(home, "runs", "tag", one, two, "--add", "good", "--add", "old")
    assert "1 of 1 run" in output(home, "runs", "tag", two, "--remove", "old")
    output(home, "runs", "note", one, "A first look.")
    listed = json.loads(output(home, "runs", "--filter", 'tag == "good"', "--json"))["runs"]
    assert [(each["id"], each["tags"], each["notes"]) for each in listed] == [
        (two, ["good"], ""),
        (one, ["good", "old"], "A first look."),
    ]
    assert "Archived 2 runs." in output(home, "runs", "archive", one, two)
    assert output(home, "runs", "--filter", "seed in (71, 72)") == "No runs match.\n"
    output(home, "runs", "restore", one)
    assert one in output(home, "runs", "--filter", "seed in (71, 72)")
    assert "Run 'nothing' not found" in refusal(home, "runs", "archive", two, "nothing")


def test_a_view_is_saved_listed_used_and_deleted(home: Path) -> None:
    runs = [queue(home, "train", "quick", "--queue", "--set", f"seed={seed}") for seed in (81, 82, 83)]
    arguments = ("--filter", "seed > 80 and seed < 90", "--sort", "-seed", "--column", "training.steps")
    assert "filter=seed" in output(home, "view", "save", "eighties", *arguments)
    shown = output(home, "runs", "--view", "eighties", "--filter", "seed != 82").splitlines()
    assert shown[0].endswith("training.steps")
    assert [line.split()[0] for line in shown[1:]] == [runs[2], runs[0]]
    assert all(line.endswith(" 600") for line in shown[1:])
    assert re.search("eighties +seed > 80 and seed < 90 +-seed +training.steps", output(home, "view", "list"))
    assert "Did you mean 'eighties'?" in refusal(home, "runs", "--view", "eightys")
    output(home, "view", "delete", "eighties")
    assert json.loads(output(home, "view", "list", "--json")) == []


def test_runs_are_compared(home):
    first, second = (
        queue(home, "train", "quick", "--queue"),
        queue(home, "train", "quick", "--queue", "--set", "training.steps=7"),
    )
    shown = output(home, "compare", first, second)

    assert re.search(r"training.steps +600 +7", shown)
    assert f"{second}  Run {first} has no finished evaluation" in shown
    assert "Run 'zzzzzzzzzz' not found" in refusal(home, "compare", first, "zzzzzzzzzz")


def test_a_dashboard_is_made_shared_exported_and_deleted(home, tmp_path):
    assert "encoder-variants" in output(home, "dashboard", "list")
    shown = tmp_path / "shown.json"
    shown.write_text(output(home, "dashboard", "show", "encoder-variants"))
    assert "/d/for-tonight" in output(home, "dashboard", "create", "For tonight", "--from", str(shown))
    link = re.search(
        r"link (\d+), shown only once: http://\S+/s/\S{30,}",
        output(home, "dashboard", "share", "for-tonight"),
    )
    assert link
    output(home, "dashboard", "revoke", "for-tonight", link[1])
    output(home, "dashboard", "export", "for-tonight", "--out", str(tmp_path / "out.html"))
    page = (tmp_path / "out.html").read_text()
    assert "<style>" in page
    assert "<script" not in page
    output(home, "dashboard", "delete", "for-tonight")
    assert "Dashboard 'for-tonight' not found" in refusal(home, "dashboard", "show", "for-tonight")


def test_a_log_is_printed_line_by_line(home):
    run = queue(home, "train", "quick", "--queue")
    assert output(home, "run", "log", run) == "The log is empty.\n"
    assert output(home, "run", "log", run, "--contains", "loss") == "No lines match.\n"
    assert "Run 'nosuchrun1' not found" in refusal(home, "run", "log", "nosuchrun1")


def test_a_wrong_filter_is_refused_with_a_suggestion(home):
    assert "Did you mean 'seed'?" in refusal(home, "runs", "--filter", "sed == 1")


def test_checkpoints_are_listed_taken_away_and_forked(home: Path, tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{home / 'etrm.sqlite3'}")
    run = record_run(engine, status="cancelled", points=0, total=600)
    content = {step: record_checkpoint(engine, home / "artifacts", run, step) for step in (100, 200)}
    engine.dispose()
    listed = json.loads(output(home, "run", "checkpoints", run, "--json"))
    assert [each["step"] for each in listed] == [200, 100]
    file = tmp_path / "mine.safetensors"
    said = output(home, "run", "weights", run, str(file), "--checkpoint", "100", "--weights", "raw")
    assert file.read_bytes() == content[100]["raw"]
    (raw,) = (each for each in listed[1]["files"] if each["weights"] == "raw")
    assert raw["sha256"] in said
    assert "paper is step 100" in output(home, "run", "alias", run, "paper", "--checkpoint", "100")
    assert re.search(r"^100 +paper .*alias paper", output(home, "run", "checkpoints", run), re.MULTILINE)
    assert "no checkpoint called 'papr'" in refusal(
        home, "run", "weights", run, str(file), "--checkpoint", "papr"
    )
    fork = queue(home, "run", "fork", run, "--checkpoint", "paper", "--set", "seed=4")
    config = json.loads(output(home, "run", "show", fork, "--json"))["config"]
    assert (config["seed"], config["training"]["initialise_from"]["run"]) == (4, run)
    assert "Removed the alias paper" in output(home, "run", "alias", run, "paper", "--remove")
    assert "resumes from step 100" in output(home, "run", "resume", run, "--checkpoint", "100")
    assert "no checkpoint of step 200" in refusal(home, "run", "fork", run, "--checkpoint", "200")
