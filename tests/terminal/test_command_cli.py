"""What every command has: help, errors in words, settings, configs, what needs torch, images for a team."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import output, refusal
from tests.support.lab import environment

ROOT = Path(__file__).parents[2]


def test_help_names_every_command_and_loads_nothing_heavy(tmp_path):
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "backend.cli", "--help"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    for command in (
        "up",
        "web",
        "worker",
        "migrate",
        "train",
        "sweep",
        "evaluate",
        "checkpoint",
        "runs",
        "data",
        "token",
        "parity",
    ):
        assert re.search(rf"^  {command} +\w", shown.stdout, re.MULTILINE), command
    for heavy in ("torch", "sqlalchemy", "numpy", "celery", "fastapi", "pydantic"):
        assert not re.search(rf"\| +{heavy}$", shown.stderr, re.MULTILINE), heavy


def test_an_unknown_command_suggests_the_right_one(tmp_path):
    assert "Did you mean 'up'?" in refusal(tmp_path, "upp", status=2)


def test_a_command_without_a_database_says_how_to_make_one(tmp_path):
    assert "etrm up" in refusal(tmp_path, "runs")


def test_a_wrong_setting_is_named(tmp_path):
    assert "ETRM_PORT" in refusal(tmp_path, "runs", ETRM_PORT="eighty")


def test_a_database_of_newer_code_is_left_alone(home, tmp_path):
    import sqlite3

    (tmp_path / "etrm.sqlite3").write_bytes((home / "etrm.sqlite3").read_bytes())
    with sqlite3.connect(tmp_path / "etrm.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    connection.close()
    assert "newer" in refusal(tmp_path, "migrate")


@pytest.mark.parametrize(
    ("variable", "url", "said"),
    [("ETRM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "database cannot be used")],
)
def test_a_database_that_does_not_answer_is_told_in_words(tmp_path, variable, url, said):
    assert said in refusal(tmp_path, "migrate", **{variable: url})


def test_a_preset_is_printed_whole_and_is_a_config_file(home, tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(output(home, "config", "quick", "--set", "training.steps=7"))
    assert json.loads(file.read_text())["training"]["steps"] == 7
    assert output(home, "config", str(file)) == file.read_text()


def test_every_preset_is_listed_with_what_it_is(home):
    assert re.search(r"^quick +A small ETRM", output(home, "presets"), re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("config", "quik"), "Did you mean 'quick'?"),
        (("config", "quick", "--set", "training.stepz=3"), "Did you mean 'steps'?"),
        (("config", "quick", "--set", "training.steps=many"), "training.steps"),
        (("config", "quick", "--set", "training.steps=0"), "training.steps"),
        (("config", "nowhere.json"), "File nowhere.json not found"),
        (
            ("train", "quick", "--queue", "--set", 'data.training_sets=["arc-agi-9"]'),
            "no task set 'arc-agi-9'",
        ),
    ],
)
def test_a_wrong_config_is_refused_with_its_field_and_the_way_out(home, arguments, said):
    assert said in refusal(home, *arguments)


def test_a_file_that_is_no_json_is_named_by_line(home, tmp_path):
    (tmp_path / "bad.json").write_text("{\n  training: 1}")
    assert "Line 2" in refusal(home, "config", str(tmp_path / "bad.json"))


def test_commands_that_need_torch_become_the_worker(home, tmp_path):
    assert "Did you mean 'quick'?" in refusal(home, "train", "quik")
    assert "Run none not found" in refusal(home, "evaluate", "none")
    assert "etrm up" in refusal(home, "worker")


def test_the_compose_file_starts_what_the_lab_needs():
    import yaml

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    assert set(services) == {"web", "worker", "postgres", "valkey"}
    reserved = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert reserved == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    dockerfile = (ROOT / services["web"]["build"]["dockerfile"]).read_text()
    for name in ("web", "worker"):
        assert f" AS {services[name]['build']['target']}\n" in dockerfile
        assert "artifacts:/artifacts" in services[name]["volumes"]
        used = {key for key in services[name]["environment"] if key.startswith("ETRM_")}
        assert used >= {"ETRM_DATABASE_URL", "ETRM_BROKER_URL", "ETRM_ARTIFACTS"}
    assert set(compose["volumes"]) == {"artifacts", "database"}
    for copied in re.findall(r"^COPY (\S+) \1$", dockerfile, re.MULTILINE):
        assert os.path.exists(ROOT / copied)


def test_every_image_is_pinned_by_digest():
    images = re.findall(r"^ *image: (\S+)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    images += re.findall(r"^FROM (\S+:\S+)", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 3
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d[\w.-]+@sha256:[0-9a-f]{64}", image), image


def test_the_cpu_override_asks_for_no_gpu_and_the_cpu_build():
    override = (ROOT / "docker/docker-compose.cpu.yml").read_text()
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert "deploy: !reset null" in override
    assert "args: { ETRM_TORCH: cpu }" in override
    assert "\nARG ETRM_TORCH=default\nRUN ETRM_TORCH=$ETRM_TORCH python .ci/install.py" in dockerfile
