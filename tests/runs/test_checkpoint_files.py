"""Downloads of weights: what is not whole on this disk comes from the object store."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.artifacts.service import ObjectStore
from backend.db.session import reading_scope
from backend.runs import checkpoint_files, checkpoints
from backend.settings import Settings
from tests.support.records.recorded import record_checkpoint
from tests.support.records.rows import add_run


@pytest.mark.parametrize("missing", ["manifest.json", "ema.safetensors"])
def test_a_copy_that_misses_a_file_is_fetched_again(
    engine: Engine, s3_settings: Settings, store: ObjectStore, missing: str
) -> None:
    add_run(engine, "run")
    content = record_checkpoint(engine, s3_settings.artifacts, "run", 10)
    with reading_scope(engine) as session:
        (listed,) = checkpoints.list(session, "run")
    folder = s3_settings.artifacts / listed.path
    store.publish(folder, listed.path)
    (folder / missing).unlink()
    assert checkpoint_files.get(s3_settings, listed, "ema").path.read_bytes() == content["ema"]
