"""A spot machine that its cloud takes back."""

from __future__ import annotations

import pytest

from tests.support.metadata import NOTICE, metadata
from tests.support.processes import PATIENCE, Lab
from tests.support.records.tiny import CHECKPOINT_EVERY, tiny

pytestmark = pytest.mark.faults


def test_a_worker_gives_its_run_back_at_the_notice(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab.worker
    lab.worker.terminate()
    lab.worker.wait(timeout=PATIENCE)
    with metadata("aws") as server:
        monkeypatch.setenv("ETRM_SPOT_CLOUD", "aws")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        lab.start_worker()
        config = tiny()
        longer = config.model_copy(update={"training": config.training.model_copy(update={"steps": 100_000})})
        run_id = lab.submit(longer)
        lab.await_step(run_id, CHECKPOINT_EVERY)
        server.answer = NOTICE["aws"]
        assert lab.worker.wait(timeout=PATIENCE) == 0
    row = lab.row(run_id)
    assert row.status == "queued"
    assert row.status_cause.startswith("the cloud takes the machine back; resumes from step")
    said = (lab.folder / "worker.log").read_text()
    assert said.count("The cloud takes this machine back") == 1
    assert "HTTP Request" not in said
