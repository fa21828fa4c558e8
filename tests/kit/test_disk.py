"""Free space, and what is refused before there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.kit.disk import check_room, free_bytes
from backend.kit.errors import StorageFull


def test_a_folder_that_is_not_there_yet_has_the_room_of_its_parent(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet")
    assert free_bytes(Path("/dev/null/never")) is None


def test_what_would_leave_too_little_is_refused(tmp_path: Path) -> None:
    check_room(tmp_path, 1, "The set mine")
    check_room(tmp_path, 0, "The set mine", needed=2**62)
    for least, needed in ((2**62, 0), (1, 2**62)):
        with pytest.raises(StorageFull, match=r"The set mine was not saved.*etrm storage"):
            check_room(tmp_path, least, "The set mine", needed)
