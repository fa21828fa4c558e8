"""The commands that compute a run again."""

from __future__ import annotations

import pytest

from backend.domain.provenance import Provenance
from backend.kit.secrets_in_text import without_secrets
from backend.run_page.reproduce import Start, _code

PART = "abcd1234efgh5678ijkl9012"  # no secret of anybody


@pytest.mark.parametrize("login", ["", "ana:pa55word@", f"ghp_{PART}@", f"x-access-token:ghs_{PART}@"])
def test_a_repository_is_cloned_without_the_login_that_its_address_had(login: str) -> None:
    """The address is kept without it, and with *** in its place nobody could clone it."""
    remote, _ = without_secrets(f"https://{login}git.example/mine/lab.git")
    start = Start(1, Provenance(commit="a" * 40, remote=remote), hidden=0, is_cut=False)
    assert _code(start, "")[0] == "git clone https://git.example/mine/lab.git etrm-lab"
