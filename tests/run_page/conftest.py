"""What tests of event streams have in common."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is announced reaches the hub of this process alone, and at once."""
    monkeypatch.delenv("ETRM_BROKER_URL", raising=False)
