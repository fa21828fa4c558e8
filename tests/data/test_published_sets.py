"""Sets as their authors publish them: Mini-ARC, ConceptARC, ARC-AGI-2, Kaggle's files, and what archives of
them bring along."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.data.archives import Source
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.task import Task
from backend.kit.errors import InvalidTaskFile
from tests.support.commands import output, refusal
from tests.support.pair_archives import zipped

# A task as the editor of Mini-ARC saved it: painted cells as text, cells that nobody painted as null.
ODD = {
    "train": [{"input": [[0, "3"], [0, 0]], "output": [[None, "3"], ["3", None]]}],
    "test": [{"input": [["5", 0], [0, 0]], "output": [["5", 0], [0, "5"]]}],
}
EVEN = {
    "train": [{"input": [[0, 3], [0, 0]], "output": [[0, 3], [3, 0]]}],
    "test": [{"input": [[5, 0], [0, 0]], "output": [[5, 0], [0, 5]]}],
}
LONG = "2x2_grid_" + "_".join(["indicates_the_rotation"] * 4) + "_l6aajd"  # longer than 100 characters
MINI = ("1,_3,_5,_...__l6aejqqqc1b47pjr5g4", "3%22\N{HANGUL LETTER NIEUN}%22s_l6bk", "Flip_color!_l6ab", LONG)


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def grid_of(colour: int) -> dict[str, Any]:
    """A task like no other of its set."""
    return EVEN | {"train": [{"input": [[colour]], "output": [[colour, colour]]}]}


def bring(engine: Engine, *sources: Source, name: str = "mine") -> datasets.Imported:
    with session_scope(engine) as session:
        return datasets.import_files(session, name, sources)


def tasks(engine: Engine, name: str = "mine") -> dict[str, Task]:
    with reading_scope(engine) as session:
        return {task.id: task for task in datasets.tasks(session, name)}


def written(folder: Path, files: dict[str, bytes]) -> tuple[Path, str]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder, folder.name


def test_mini_arc_comes_in_with_its_odd_cells(engine: Engine, tmp_path: Path) -> None:
    files = {f"data/MiniARC/{name}.json": as_json(ODD) for name in MINI[:-1]}
    files |= {f"data/MiniARC/{LONG}.json": as_json(EVEN), "README.md": b"", ".DS_Store": b"\0"}
    made = bring(engine, written(tmp_path / "MINI-ARC", files))
    found = tasks(engine)
    assert set(found) == set(MINI)
    assert len({(task.demonstrations, task.tests) for task in found.values()}) == 1  # as if they were even
    assert len(made.notes) == 3
    assert made.notes[2] == (
        "data/MiniARC/Flip_color!_l6ab.json: task Flip_color!_l6ab: 6 cells written as text, 2 cells empty "
        "(null), read as colour 0. First: demonstration 1, input, row 1, column 2."
    )
    assert made.left_out == ()


def test_concept_arc_comes_in_as_its_repository_is(engine: Engine, tmp_path: Path) -> None:
    files = {
        f"corpus/{concept}/{concept}{number}.json": as_json(grid_of(number))
        for concept in ("AboveBelow", "Center")
        for number in (1, 2)
    }
    files |= {"MinimalTasks/CenterMinimal.json": as_json(EVEN), "corpus/.DS_Store": b"\0"}
    made = bring(engine, written(tmp_path / "ConceptARC", files))
    assert (made.notes, made.left_out) == ((), ())
    assert list(tasks(engine)) == ["CenterMinimal", "AboveBelow1", "AboveBelow2", "Center1", "Center2"]


def test_the_files_of_kaggle_find_their_solutions(engine: Engine, tmp_path: Path) -> None:
    open_task = {"train": EVEN["train"], "test": [{"input": [[5, 0], [0, 0]]}]}
    solution = [EVEN["test"][0]["output"]]
    made = bring(
        engine,
        written(
            tmp_path / "kaggle",
            {
                "arc-agi_evaluation_challenges.json": as_json({"e1": open_task}),
                "arc-agi_evaluation_solutions.json": as_json({"e1": solution}),
                "arc-agi_test_challenges.json": as_json({"e1": open_task, "x1": open_task}),
                "arc-agi_training_challenges.json": as_json({"t1": open_task, "t2": {"train": []}}),
                "arc-agi_training_solutions.json": as_json({"t1": solution, "t2": solution}),
                "sample_submission.json": as_json({"e1": [{"attempt_1": [[0]], "attempt_2": [[0]]}]}),
            },
        ),
    )
    found = tasks(engine)
    outputs = {
        task_id: task.tests[0].output and task.tests[0].output.digits for task_id, task in found.items()
    }
    assert outputs == {"e1": "50/05", "x1": None, "t1": "50/05"}
    assert made.notes == (
        "The set holds 1 of evaluation and 1 of test and 1 of training together. To keep them apart, import "
        "each folder or file under a name of its own.",
        "arc-agi_test_challenges.json: 1 task (e1) is in an earlier file already.",
    )
    assert [text.partition(": ")[0] for text in made.left_out] == [
        "arc-agi_training_challenges.json",
        "sample_submission.json",
    ]


def test_solutions_without_their_challenges_are_named(engine: Engine) -> None:
    solutions = (as_json({"a": [[[1]]]}), "other_solutions.json")
    with pytest.raises(InvalidTaskFile, match="holds solutions, no tasks"):
        bring(engine, solutions)
    two = [(as_json({"b": [[[1]]]}), f"{name}_solutions.json") for name in "xy"]
    made = bring(engine, (as_json({"a": EVEN}), "x_challenges.json"), *two)
    assert [text.partition(".json")[0] for text in made.left_out] == ["x_solutions", "y_solutions"]
    assert "there is no file y_challenges.json" in made.left_out[1]


def test_an_archive_of_arc_agi_2_says_that_it_mixes_training_and_evaluation(engine: Engine) -> None:
    """Its task files may have a name beside their pairs."""
    files = {
        f"ARC-AGI-2-main/data/{part}/{colour}{part[:4]}aaa.json": as_json(
            grid_of(colour) | {"name": "spiral"}
        )
        for part, colours in (("training", (1, 2)), ("evaluation", (3,)))
        for colour in colours
    }
    made = bring(engine, (zipped(files | {"main/data/training.txt": b"1"}), "main.zip"))
    assert list(tasks(engine)) == ["1traiaaa", "2traiaaa", "3evalaaa"]
    assert made.left_out == ()
    assert made.notes[0].startswith("The set holds 2 of training and 1 of evaluation together.")


def hostile_zip() -> bytes:
    """One good task, and members that lead out of the archive, are links, or are no tasks."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/tasks/good.json", as_json(EVEN))
        archive.writestr("../../outside.json", as_json(EVEN))
        archive.writestr("/etc/absolute.json", as_json(EVEN))
        link = zipfile.ZipInfo("set/tasks/link.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("set/inner.zip", b"PK")
        archive.writestr("__MACOSX/set/tasks/._good.json", b"\0\5\26\7")
        archive.writestr("set/tasks/page.json", b"<html>404</html>")
        archive.writestr("set/tasks/GOOD2.JSON", b"\xef\xbb\xbf" + as_json(grid_of(4)))
    return packed.getvalue()


def hostile_tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:

        def add(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, target
            archive.addfile(info, io.BytesIO(content))

        add("set/tasks/good.json", as_json(EVEN))
        add("../../outside.json", as_json(EVEN))
        add("/etc/absolute.json", as_json(EVEN))
        add("set/tasks/link.json", kind=tarfile.SYMTYPE, target="/etc/passwd")
        add("set/inner.zip", b"PK")
        add("set/tasks/page.json", b"<html>404</html>")
        add("set/tasks/GOOD2.JSON", b"\xef\xbb\xbf" + as_json(grid_of(4)))
    return packed.getvalue()


@pytest.mark.parametrize("content", [hostile_zip(), hostile_tar()], ids=["zip", "tar"])
def test_what_does_not_belong_into_an_archive_is_passed_over_and_named(
    engine: Engine, content: bytes
) -> None:
    made = bring(engine, (content, "set.archive"))
    assert list(tasks(engine)) == ["good", "GOOD2"]
    told = "\n".join(made.left_out)
    for text in (
        "set/tasks/page.json: is not JSON: Expecting value in line 1, column 1.",
        "set.archive: the path ../../outside.json leads out of the archive.",
        "set.archive: the path /etc/absolute.json leads out of the archive.",
        "set.archive: set/tasks/link.json is a link.",
        "set.archive: set/inner.zip is an archive in an archive or folder.",
    ):
        assert text in told
    assert len(made.left_out) == 5


def test_names_that_other_systems_wrote_are_read(engine: Engine) -> None:
    """Windows separates by a backslash; macOS decomposes letters and marks no name as UTF-8."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("re_arc\\tasks\\windows.json", as_json(EVEN))
        archive.writestr("tasks/Gro\N{COMBINING DIAERESIS}sse.json", as_json(grid_of(1)))
    content = packed.getvalue()
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.rindex(mark) + at
        content = content[:start] + b"\0\0" + content[start + 2 :]  # no name is marked as UTF-8
    made = bring(engine, (content, "mac.zip"))
    assert list(tasks(engine)) == ["windows", "Gr\N{LATIN SMALL LETTER O WITH DIAERESIS}sse"]
    assert made.left_out == ()


def test_links_to_nothing_in_a_folder_are_named(engine: Engine, tmp_path: Path) -> None:
    folder, name = written(tmp_path / "set", {"a.json": as_json(EVEN)})
    (folder / "b.json").symlink_to(tmp_path / "nowhere.json")
    made = bring(engine, (folder, name))
    assert made.left_out == (f"{folder}: b.json is a link to nothing, or no file.",)


def test_what_was_left_out_is_told_by_command_api_and_page(  # type: ignore[no-untyped-def]
    home, client: httpx.Client, tmp_path: Path
) -> None:
    bad = EVEN | {"test": [{"input": [[0, 12]]}]}
    files = {"odd.json": as_json(ODD), "bad.json": as_json(bad)}
    folder, _ = written(tmp_path / "odd", files)
    said = output(home, "data", "import", str(folder)).splitlines()
    assert (said[0], said[1], said[3]) == ("Imported 1 task as odd.", "Left out:", "Notes:")
    left_out, note = said[2].strip(), said[4].strip()
    assert left_out.startswith("bad.json: task bad, test 1, input, row 1, column 2: 12 is not a colour.")
    assert note.startswith("odd.json: task odd: 6 cells written as text, 2 cells empty")
    uploads = [("file", (name, content)) for name, content in files.items()]
    checked = client.post("/api/v1/sets/check", data={"name": "by-api"}, files=uploads).json()
    assert (checked["valid"], checked["tasks"]) == (True, 1)
    made = client.post("/api/v1/sets", data={"name": "by-api"}, files=uploads).json()
    assert made["left_out"] == checked["left_out"] == [left_out]
    assert made["notes"] == checked["notes"] == [note]
    page = client.post("/data", data={"name": "odd-by-form"}, files=uploads)
    assert page.status_code == 200
    assert "12 is not a colour" in page.text
    assert "6 cells written as text" in page.text
    assert client.delete("/api/v1/sets/odd-by-form").status_code == 204


def test_several_files_need_a_name(home, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    written(tmp_path, {"a.json": as_json(EVEN), "b.json": as_json(EVEN)})
    said = refusal(home, "data", "import", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert "Give it: --name NAME." in said
