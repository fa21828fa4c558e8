"""Task sets and tokens on the command line."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.commands import output, refusal

TASK = {"train": [{"input": [[1, 2]], "output": [[3, 4]]}], "test": [{"input": [[5]], "output": [[6]]}]}


def test_the_built_in_sets_are_there(home):
    assert re.search(r"^arc-agi-1/training +built-in +400$", output(home, "data", "list"), re.MULTILINE)


def test_generated_sets_are_listed_before_a_run_has_used_them(home):
    listed = output(home, "data", "list")
    assert re.search(r"^procedural/ladder/move/test +generated +100$", listed, re.MULTILINE)


def test_a_task_is_drawn_with_its_digits(home):
    drawn = output(home, "data", "show", "arc-agi-1/training", "007bbfb7").splitlines()
    assert drawn[1] == "0 7 7   →  0 0 0 0 7 7 0 7 7 "
    assert "Did you mean 'arc-agi-1/training'?" in refusal(
        home, "data", "show", "arc-agi-1/trainin", "007bbfb7"
    )


def test_task_files_are_imported_as_one_set(home, tmp_path):
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        file.write_text(json.dumps(TASK))
    said = output(home, "data", "import", *map(str, files), "--name", "mine/pair")
    assert said == "Imported 2 tasks as mine/pair.\n"
    assert "1 2   →  3 4" in output(home, "data", "show", "mine/pair", "two")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        (json.dumps(TASK | {"test": [{"input": [[1], [2, 3]]}]}), "has 2 cells, row 1 has 1"),
        (json.dumps(TASK | {"test": [{"input": [[10]]}]}), "10 is not a colour"),
        (json.dumps(TASK | {"test": [{"input": [[1]] * 31}]}), "has 31 rows"),
        ("[" + " " * 50_000_000 + "]", "larger than the 25 MB"),
    ],
    ids=["empty", "ragged", "colour 10", "31 rows", "50 MB"],
)
def test_a_malformed_task_file_is_refused_with_its_place(home, tmp_path, content, said):
    (tmp_path / "task.json").write_text(content)
    assert said in refusal(home, "data", "import", str(tmp_path / "task.json"), "--name", "bad")
    assert "bad" not in output(home, "data", "list")


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(home):
    secret = output(home, "token", "create", "notebook").strip()
    assert secret.startswith("etrm_")
    listed = output(home, "token", "list")
    assert "notebook" in listed
    assert secret not in listed
    assert "Choose another name" in refusal(home, "token", "create", "notebook")
    output(home, "token", "revoke", "notebook")
    assert re.search(r"^notebook .*revoked$", output(home, "token", "list"), re.MULTILINE)


def test_no_login_link_without_a_lab(home):
    assert "etrm up" in refusal(home, "login")
