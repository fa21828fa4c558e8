"""Checkpoints in an S3-compatible store: whole or not there, whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.artifacts import bucket, service
from backend.artifacts.bucket import Bucket, StoreAway
from backend.artifacts.service import ObjectStore
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing
from backend.settings import Settings
from tests.support.object_store import S3Server

PATH = "run/checkpoints/step-000000010"
PARTS = 10
SENT = 4  # before the kill
KILLED_UPLOAD = f"""
import os, signal, sys
from pathlib import Path
from backend.artifacts import service
from backend.artifacts.bucket import Bucket
from backend.settings import Settings

service.PART_BYTES = 1000
sent, put = [], Bucket.put

def put_or_die(self, key, content):
    if len(sent) == {SENT}:
        os.kill(os.getpid(), signal.SIGKILL)
    sent.append(key)
    put(self, key, content)

Bucket.put = put_or_die
service.of(Settings(artifacts_url=sys.argv[1]), 60.0).publish(Path(sys.argv[2]), sys.argv[3])
"""


def saved(root: Path, path: str = PATH, weights: bytes = b"weights") -> str:
    """A checkpoint's folder below `root`; the SHA-256 of its manifest."""
    folder = root / path
    folder.mkdir(parents=True)
    files = {"weights.safetensors": weights, "state.json": b"{}", "empty": b""}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = json.dumps({"sha256": digests}).encode()
    (folder / "manifest.json").write_bytes(manifest)
    return hashlib.sha256(manifest).hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_published_is_fetched_elsewhere_as_it_was(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PART_BYTES", 1000)
    sha256 = saved(tmp_path / "here", weights=os.urandom(3500))
    store.publish(tmp_path / "here" / PATH, PATH)
    store.publish(tmp_path / "here" / PATH, PATH)  # nothing changes
    assert store.published() == store.published("run") == [PATH]
    assert store.published("another") == []

    fetched = store.fetch(PATH, sha256, tmp_path / "there")
    assert contents(fetched) == contents(tmp_path / "here" / PATH)
    assert [file.name for file in fetched.parent.iterdir()] == [fetched.name]

    store.remove(PATH)
    assert store.published() == []
    assert store.fetch(PATH, sha256, tmp_path / "there") == fetched  # whole, so the store is not asked
    with pytest.raises(CheckpointMissing):
        store.fetch(PATH, sha256, tmp_path / "elsewhere")


def test_a_damaged_copy_is_replaced(store: ObjectStore, tmp_path: Path) -> None:
    sha256 = saved(tmp_path)
    before = contents(tmp_path / PATH)
    store.publish(tmp_path / PATH, PATH)
    (tmp_path / PATH / "weights.safetensors").write_bytes(b"w\0ights")
    assert contents(store.fetch(PATH, sha256, tmp_path)) == before


def test_what_is_not_what_was_published_is_not_taken(
    store: ObjectStore, s3_settings: Settings, tmp_path: Path
) -> None:
    sha256 = saved(tmp_path / "here")
    store.publish(tmp_path / "here" / PATH, PATH)
    with pytest.raises(CheckpointCorrupt, match=r"manifest\.json is not the one"):
        store.fetch(PATH, "0" * 64, tmp_path / "there")
    assert s3_settings.artifacts_url
    raw = Bucket(s3_settings.artifacts_url, 60.0)
    part = next(key for key in raw.sizes(PATH) if "weights" in key)
    raw.put(part, b"others")
    with pytest.raises(CheckpointCorrupt, match="checksum differs"):
        store.fetch(PATH, sha256, tmp_path / "there")
    raw.delete([part])
    with pytest.raises(CheckpointCorrupt, match="not complete"):
        store.fetch(PATH, sha256, tmp_path / "there")
    assert not list((tmp_path / "there" / PATH).parent.iterdir())


def test_an_upload_that_was_killed_is_seen_by_nobody_and_goes_on(
    store: ObjectStore, s3_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = saved(tmp_path / "here", weights=os.urandom(1000 * PARTS))
    source, url = str(tmp_path / "here" / PATH), s3_settings.artifacts_url
    assert url
    killed = subprocess.run([sys.executable, "-c", KILLED_UPLOAD, url, source, PATH], check=False)
    assert killed.returncode == -signal.SIGKILL
    sent = Bucket(url, 60.0).sizes(PATH).keys()
    assert len(sent) == SENT
    assert store.published() == []

    monkeypatch.setattr(service, "PART_BYTES", 1000)
    put: list[str] = []
    monkeypatch.setattr(bucket.Bucket, "put", _noting(put))
    store.publish(tmp_path / "here" / PATH, PATH)
    assert not sent & set(put)
    assert store.published() == [PATH]
    assert contents(store.fetch(PATH, sha256, tmp_path / "there")) == contents(tmp_path / "here" / PATH)


def _noting(put: list[str]) -> Callable[[Bucket, str, bytes], None]:
    """`Bucket.put`, which also notes the keys."""
    real = Bucket.put

    def noting(self: Bucket, key: str, content: bytes) -> None:
        put.append(key)
        real(self, key, content)

    return noting


def test_what_nobody_lists_is_swept_but_not_a_later_attempts(store: ObjectStore, tmp_path: Path) -> None:
    later = f"{PATH}-attempt-0003"
    listed = "run/checkpoints/step-000000005"
    for path in (PATH, f"{PATH}-attempt-0002", later, listed):
        saved(tmp_path, path)
        store.publish(tmp_path / path, path)
    assert store.sweep("run", [listed], attempt=2) == [PATH, f"{PATH}-attempt-0002"]
    assert store.published() == [listed, later]
    store.remove_run("run")
    assert store.published() == []


def test_a_store_that_cannot_be_used_is_named_with_what_to_do(
    s3_settings: Settings, s3_server: S3Server, tmp_path: Path
) -> None:
    gone = service.of(s3_settings.model_copy(update={"artifacts_url": "s3://no-such-bucket"}), 60.0)
    assert gone is not None
    with pytest.raises(StoreAway, match="s3://no-such-bucket cannot be used") as away:
        gone.probe()
    assert "ETRM_ARTIFACTS_URL" in away.value.hint
    with pytest.raises(StoreAway):  # not: there is no such checkpoint
        gone.contents(PATH)
    impatient = service.of(s3_settings, 1.0)
    assert impatient is not None
    with s3_server.paused(), pytest.raises(StoreAway):
        impatient.probe()
    saved(tmp_path)
    with s3_server.paused(), pytest.raises(StoreAway):
        impatient.publish(tmp_path / PATH, PATH)
