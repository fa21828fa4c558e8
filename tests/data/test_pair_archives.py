"""Archives in RE-ARC's form become sets of tasks with many pairs, whatever they are packed in."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine

from backend.data import archives
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.arc.files import MAX_FILE_BYTES
from backend.kit.errors import Conflict, InvalidTaskFile, TooLarge
from tests.support.commands import output, refusal
from tests.support.pair_archives import TASK_IDS, files, pairs, tarred, tasks, zipped

NAME = "re-arc"
PACKED = {
    "re_arc.zip": zipped,
    "re_arc.tar": lambda members: tarred(members, "w"),
    "re_arc.tar.gz": tarred,
    "no-suffix": tarred,
}


def bring(engine: Engine, *sources: archives.Source, replace: bool = False) -> datasets.Imported:
    with session_scope(engine) as session:
        return datasets.import_files(session, NAME, sources, replace=replace)


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_is_a_set_whatever_packed_it(engine: Engine, name: str) -> None:
    made = bring(engine, (PACKED[name](files()), name))
    assert (made.tasks, made.pairs, made.origin) == (4, (50, 50), "imported")
    with reading_scope(engine) as session:
        stored = datasets.tasks(session, NAME)
    assert stored == tasks()
    first = stored[0]
    given = {json.dumps(each, sort_keys=True) for each in pairs(TASK_IDS[0])}
    assert first.pool is not None
    kept = [each.pair for each in first.pool]
    assert {
        json.dumps({"input": pair.input.as_lists(), "output": pair.output.as_lists()}, sort_keys=True)
        for pair in kept
    } == given
    assert (len(first.demonstrations), len(first.tests)) == (4, 1)


def test_a_folder_and_loose_files_make_the_same_set_as_an_archive(engine: Engine, tmp_path) -> None:
    for name, content in files().items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    made = bring(engine, (tmp_path / "unpacked", "unpacked"))
    again = bring(engine, (zipped(files()), "re_arc.zip"))
    assert again == made  # nothing has changed, not even the time
    loose = [(json.dumps(pairs(each)).encode(), f"{each}.json") for each in TASK_IDS]
    assert bring(engine, *loose) == made


def test_what_is_shown_and_asked_does_not_depend_on_the_order_of_pairs_nor_on_doubles(engine: Engine) -> None:
    listed = pairs(TASK_IDS[0])
    shuffled = [*listed, *listed[:7]]
    random.Random(1).shuffle(shuffled)
    drawn = []
    for content in (listed, shuffled):
        bring(engine, (json.dumps(content).encode(), f"{TASK_IDS[0]}.json"), replace=True)
        with reading_scope(engine) as session:
            (task,) = datasets.tasks(session, NAME)
        assert task.pool is not None
        assert len(task.pool) == 50
        drawn.append((task.demonstrations, task.tests))
    assert drawn[0] == drawn[1]
    shown = {(pair.input, pair.output) for pair in drawn[0][0]}
    assert len(shown) == 4
    assert not shown & {(test.input, test.output) for test in drawn[0][1]}


def test_other_pairs_under_a_used_name_need_replace(engine: Engine) -> None:
    bring(engine, (zipped(files()), "re_arc.zip"))
    with pytest.raises(Conflict):
        bring(engine, (zipped(files(count=49)), "re_arc.zip"))
    assert bring(engine, (zipped(files(count=49)), "re_arc.zip"), replace=True).pairs == (49, 49)


def test_pages_read_a_set_without_its_pools(engine: Engine) -> None:
    bring(engine, (zipped(files()), "re_arc.zip"))
    with reading_scope(engine) as session:
        assert all(task.pool is None for task in datasets.tasks(session, NAME, pools=False))
        assert all(task.pool is None for task in datasets.page(session, NAME, 10).tasks)


def wrong(change: Callable[[list[dict[str, object]]], object]) -> bytes:
    members = files()
    listed = pairs(TASK_IDS[1])
    change(listed)
    members[f"re_arc/tasks/{TASK_IDS[1]}.json"] = json.dumps(listed).encode()
    return zipped(members)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda all_: all_[16].update(output=[[1, 10]]),
            "17, output, row 1, column 2: 10 is not a colour",
        ),
        (
            lambda all_: all_[0].update(input=[[1, True]]),
            "1, input, row 1, column 2: true is not a colour",
        ),
        (
            lambda all_: all_[0].update(input=[[1, 2.5]]),
            "1, input, row 1, column 2: 2.5 is not a colour",
        ),
        (lambda each: each[0].update(input=[[1], [2, 3]]), "pair 1, input, row 2: has 2 cells, row 1 has 1"),
        (lambda each: each[0].update(input=["12", "34"]), "pair 1, input, row 1: is not a list"),
        (lambda each: each[0].update(input=[[], []]), "pair 1, input, row 1: is empty"),
        (lambda each: each[2].pop("output"), "pair 3, output: is missing"),
        (lambda each: each[2].update(ouput=1), "pair 3: has an unknown key 'ouput'"),
        (lambda each: each.insert(1, 5), "pair 2: is not an object"),
        (lambda each: each.__setitem__(slice(1, None), [each[0]] * 3), "has 1 different pair"),
    ],
)
def test_a_mistake_names_member_task_and_pair_and_leaves_out_that_task(
    engine: Engine, change: Callable[[list[dict[str, object]]], object], said: str
) -> None:
    made = bring(engine, (wrong(change), "re_arc.zip"))
    (left_out,) = made.left_out
    assert left_out.startswith(f"re_arc/tasks/{TASK_IDS[1]}.json: task {TASK_IDS[1]}")
    assert said in left_out
    with reading_scope(engine) as session:
        assert [task.id for task in datasets.tasks(session, NAME, pools=False)] == [
            TASK_IDS[0],
            *TASK_IDS[2:],
        ]


def test_pairs_that_are_larger_than_a_grid_are_left_out_of_their_task(engine: Engine) -> None:
    """RE-ARC's archive of 2024 has 129 pairs of more than 30 rows in task e26a3af2."""

    def enlarge(listed: list[dict[str, object]]) -> None:
        listed[3].update(input=[[1]] * 31)
        listed[7].update(output=[[1] * 32])

    made = bring(engine, (wrong(enlarge), "re_arc.zip"))
    assert (made.tasks, made.pairs, made.left_out) == (4, (48, 50), ())
    where = f"re_arc/tasks/{TASK_IDS[1]}.json: task {TASK_IDS[1]}"
    assert made.notes == (
        f"{where}, pair 4, input: has 31 rows. Left out, with 1 more pair of 50 that are too large.",
    )


def test_colours_that_are_written_as_text_are_read(engine: Engine) -> None:
    as_text = wrong(lambda each: each[0].update(input=[["1", None]]))
    made = bring(engine, (as_text, "re_arc.zip"))
    assert (made.tasks, made.left_out) == (4, ())
    assert (
        "1 cell written as text, 1 cell empty (null), read as colour 0. First: pair 1, input" in made.notes[0]
    )


def linked() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        link = tarfile.TarInfo("tasks/a.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return packed.getvalue()


def header_bomb() -> bytes:
    """A gzip of a header that says it is a gigabyte long, and is."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.XHDTYPE, 2**30
        archive.fileobj.write(header.tobuf(tarfile.USTAR_FORMAT))
    return packed.getvalue()


def large_member() -> bytes:
    return zipped({"tasks/a.json": b" " * (MAX_FILE_BYTES + 1)})


def encrypted() -> bytes:
    content = bytearray(zipped({"tasks/a.json": b"[]"}))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({"readme.txt": b"", "metadata.json": b"{}"}), "contains no task file"),
        (zipped(files())[:-40], "is a damaged archive"),
        (zipped(files())[:600] + b"!" * 30 + zipped(files())[630:], "is a damaged archive"),
        (tarred(files())[:900], "is a damaged archive"),
        (b"\x1f\x8b" + b"!" * 400, "is a damaged archive"),
        (b"BZh9" + b"!" * 400, "is a bzip2 archive"),
        (linked(), "tasks/a.json is a link"),
        (encrypted(), "tasks/a.json is encrypted"),
        (header_bomb(), "holds a header of 1,073,741,824 bytes"),
        (large_member(), "tasks/a.json is larger than the 25 MB a task file may have"),
    ],
    # Named, since a gzip holds the time: test processes that collect in different seconds would disagree.
    ids=("no task", "cut zip", "zip", "cut tar", "gzip", "bzip2", "link", "encrypted", "header", "large"),
)
def test_hostile_and_damaged_archives_are_refused_in_words(engine: Engine, content: bytes, said: str) -> None:
    with pytest.raises((InvalidTaskFile, TooLarge)) as refused:
        bring(engine, (content, "odd.zip"))
    assert said in refused.value.message


def test_an_archive_is_bounded_as_a_whole(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value, said in (
        ("MAX_UNPACKED_BYTES", 1000, "may have unpacked"),
        ("MAX_MEMBERS", 3, "more than 3 task files"),
        ("MAX_ENTRIES", 3, "more than 3 files"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(archives, limit, value)
            for packed in PACKED.values():
                with pytest.raises(TooLarge, match=said):
                    bring(engine, (packed(files()), "re_arc"))


def test_an_archive_is_imported_by_command(home, tmp_path) -> None:
    path = tmp_path / "re_arc.zip"
    path.write_bytes(zipped(files()))
    assert output(home, "data", "import", str(path), "--name", NAME) == "Imported 4 tasks as re-arc.\n"
    assert "50" in output(home, "data", "list")
    assert "pool of 50 pairs" in output(home, "data", "show", NAME, TASK_IDS[0])
    path.write_bytes(zipped({"tasks/a.json": b"[]"}))
    assert "has 0 different pairs" in refusal(home, "data", "import", str(path), "--name", "other")


def test_an_archive_is_imported_over_the_api_and_drawn_on_the_data_page(client: httpx.Client) -> None:
    upload = {"file": ("re_arc.zip", zipped(files()))}
    checked = client.post("/api/v1/sets/check", data={"name": NAME}, files=upload).json()
    assert checked == {"valid": True, "tasks": 4, "message": "", "notes": [], "left_out": []}
    made = client.post("/api/v1/sets", data={"name": NAME}, files=upload)
    assert made.status_code == 201, made.text
    assert (made.json()["tasks"], made.json()["pairs"]) == (4, [50, 50])
    task = client.get(f"/api/v1/sets/{NAME}/tasks/{TASK_IDS[0]}").json()
    assert (task["pairs"], len(task["demonstrations"]), len(task["tests"])) == (50, 4, 1)
    page = client.get("/data").text
    assert "50 pairs a task" in page
    assert task["demonstrations"][0]["input"] in page
    assert task["demonstrations"][0]["output"] in page
    assert "of 50 pairs" in client.get(f"/tasks/{NAME}/{TASK_IDS[0]}").text
    assert NAME in client.get("/runs/new").text


def test_the_form_without_script_imports_an_archive_and_tells_what_it_left_out(client: httpx.Client) -> None:
    upload = {"file": ("re_arc.zip", wrong(lambda each: each[0].update(input=[[11]])))}
    told = client.post("/data", data={"name": "by-form"}, files=upload)
    assert told.status_code == 200
    assert "Left out" in told.text
    assert f"re_arc/tasks/{TASK_IDS[1]}.json" in told.text
    upload = {"file": ("re_arc.zip", zipped(files()))}
    assert client.post("/data", data={"name": "by-form"}, files=upload).status_code == 409
    replaced = client.post("/data", data={"name": "by-form", "replace": "true"}, files=upload)
    assert replaced.status_code == 303


def test_a_list_of_pairs_in_a_file_of_many_tasks_is_known_by_its_shape(engine: Engine) -> None:
    content = json.dumps({each: pairs(each) for each in TASK_IDS}).encode()
    assert bring(engine, (content, "all.json")).pairs == (50, 50)
    with zipfile.ZipFile(io.BytesIO(zipped(files()))) as archive:
        assert len(archive.namelist()) == 6
