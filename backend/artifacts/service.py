"""Checkpoints in the object store: whole or not there, as on disk.

Below `RUN/checkpoints/step-…/` lie the files in parts of 16 MiB, each named by its content, and
`published.json`, which is written last: what has none does not exist. So an upload that was cut off is begun
again from the parts that are there, and what a killed process left is seen by nobody and removed by `sweep`.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from backend.artifacts.bucket import Bucket
from backend.artifacts.manifest import MANIFEST, problem
from backend.kit.disk import check_room
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing
from backend.settings import Settings

FORMAT = 1
PUBLISHED = "published.json"
PART_BYTES = 16 << 20
SECONDS = 30.0  # for one request: a part needs half a MiB a second
FETCHING = ".fetching-"  # prefix of folders that a kill may leave
LEFT_AFTER = 86_400.0  # seconds after which one of them is nobody's

_ATTEMPT = re.compile(r"-attempt-(\d+)$")


@dataclass(frozen=True)
class StoredFile:
    """A file of a published checkpoint."""

    size_bytes: int
    sha256: str
    parts: tuple[str, ...]  # names of objects, in order


class ObjectStore:
    """The checkpoints of a lab by their paths (`RUN/checkpoints/step-…`). All methods raise StoreAway."""

    def __init__(self, bucket: Bucket, least_free: int = 0) -> None:
        self._bucket = bucket
        self._least_free = least_free  # bytes of disk

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        return self._bucket.url

    def publish(self, folder: Path, path: str) -> None:
        """Upload a checkpoint's folder; nobody sees it until the last object is there.

        Parts that an earlier try has left are not sent again. FileNotFoundError where the folder is gone.
        """
        manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        present = self._bucket.sizes(path)
        if f"{path}/{PUBLISHED}" in present:
            with suppress(CheckpointCorrupt, CheckpointMissing, KeyError):  # then it is uploaded again
                if self.contents(path)[MANIFEST].sha256 == manifest:
                    return
            self._bucket.delete([f"{path}/{PUBLISHED}"])
        local = sorted(file for file in folder.iterdir() if file.is_file())
        files = {file.name: self._put_file(file, path, present) for file in local}
        parts = {f"{path}/{part}" for file in files.values() for part in file.parts}
        self._bucket.delete(present.keys() - parts - {f"{path}/{PUBLISHED}"})
        published = {"format": FORMAT, "files": {name: asdict(file) for name, file in files.items()}}
        self._bucket.put(f"{path}/{PUBLISHED}", json.dumps(published, indent=1).encode())

    def published(self, run_id: str = "") -> list[str]:
        """The paths of the published checkpoints of a run, or of all, in order."""
        keys = self._bucket.sizes(run_id)
        return sorted(key.removesuffix(f"/{PUBLISHED}") for key in keys if key.endswith(f"/{PUBLISHED}"))

    def contents(self, path: str) -> Mapping[str, StoredFile]:
        """The files of a published checkpoint by name; CheckpointMissing, CheckpointCorrupt."""
        content = self._bucket.get(f"{path}/{PUBLISHED}")
        if content is None:
            raise CheckpointMissing(f"No checkpoint {path} in {self.url}.", "It may have been removed.")
        try:
            published = json.loads(content)
            if published["format"] != FORMAT:
                raise ValueError(f"is of format {published['format']}, this version reads {FORMAT}")
            return {
                name: StoredFile(file["size_bytes"], file["sha256"], tuple(file["parts"]))
                for name, file in published["files"].items()
            }
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._corrupt(path, PUBLISHED, str(error)) from error

    def fetch(self, path: str, sha256: str | None, root: Path) -> Path:
        """The checkpoint's folder below `root`: as it is there if it is whole, else downloaded and verified.

        `sha256` is that of its manifest, where the caller knows it. CheckpointMissing, CheckpointCorrupt;
        StorageFull if there is no room.
        """
        target = root / path
        if not problem(target, sha256):
            return target
        contents = self.contents(path)
        if sha256 not in (None, contents[MANIFEST].sha256):
            raise self._corrupt(path, MANIFEST, "is not the one that the database lists")
        needed = sum(file.size_bytes for file in contents.values())
        check_room(root, self._least_free, f"The checkpoint {path}", needed)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(target.parent)
        coming = target.with_name(f"{FETCHING}{target.name}-{secrets.token_hex(4)}")
        damaged = coming.with_name(f"{coming.name}-damaged")
        coming.mkdir()
        try:
            for name, file in contents.items():
                with (coming / Path(name).name).open("wb") as output:
                    output.writelines(self._read_file(path, name, file))
            if target.exists():
                target.rename(damaged)
            coming.rename(target)
        except OSError:
            if problem(target, sha256):  # else another process was faster
                raise
        finally:
            shutil.rmtree(coming, ignore_errors=True)
            shutil.rmtree(damaged, ignore_errors=True)
        return target

    def remove(self, path: str) -> None:
        """Remove a checkpoint: first it is not published any more, then its parts go."""
        self._bucket.delete([f"{path}/{PUBLISHED}"])
        self._bucket.delete(self._bucket.sizes(path).keys())

    def sweep(self, run_id: str, listed: Collection[str], attempt: int) -> list[str]:
        """Remove what attempts up to this one have left of a run and the database does not list; its paths.

        A later attempt may be uploading: what is its own stays.
        """
        paths = {key.rpartition("/")[0] for key in self._bucket.sizes(run_id)} - set(listed)
        left = sorted(path for path in paths if _attempt_of(path) <= attempt)
        for path in left:
            self.remove(path)
        return left

    def remove_run(self, run_id: str) -> None:
        """Remove all that a run has."""
        keys = self._bucket.sizes(run_id).keys()
        self._bucket.delete([key for key in keys if key.endswith(PUBLISHED)])
        self._bucket.delete(keys)

    def probe(self) -> None:
        """Write, read, list and delete an object."""
        key = f".probe/{secrets.token_hex(8)}"
        self._bucket.put(key, b"etrm")
        content, keys = self._bucket.get(key), self._bucket.sizes(".probe")
        self._bucket.delete([key])
        if content != b"etrm" or key not in keys:
            raise self._corrupt(key, "", "does not read as it was written")

    def _put_file(self, file: Path, path: str, present: Mapping[str, int]) -> StoredFile:
        whole, size = hashlib.sha256(), 0
        parts: list[str] = []
        with file.open("rb") as content:
            while data := content.read(PART_BYTES):
                whole.update(data)
                part = f"{file.name}.{len(parts):04d}-{hashlib.sha256(data).hexdigest()[:16]}"
                if present.get(f"{path}/{part}") != len(data):
                    self._bucket.put(f"{path}/{part}", data)
                parts.append(part)
                size += len(data)
        return StoredFile(size, whole.hexdigest(), tuple(parts))

    def _read_file(self, path: str, name: str, file: StoredFile) -> Iterator[bytes]:
        whole = hashlib.sha256()
        for part in file.parts:
            data = self._bucket.get(f"{path}/{part}")
            if data is None:
                raise self._corrupt(path, name, "is not complete")
            whole.update(data)
            yield data
        if whole.hexdigest() != file.sha256:
            raise self._corrupt(path, name, "is not what was written: its checksum differs")

    def _corrupt(self, path: str, name: str, what: str) -> CheckpointCorrupt:
        place = f"{self.url}/{path}/{name}".rstrip("/")
        return CheckpointCorrupt(f"{place} {what}.", "Take another checkpoint.")


def of(settings: Settings, seconds: float = SECONDS) -> ObjectStore | None:
    """The object store of the settings, None where there is none; a request may take so long.

    InvalidInput if its package is not installed.
    """
    url = settings.artifacts_url
    return _opened(url, settings.min_free_bytes, seconds) if url else None


@lru_cache(maxsize=8)
def _opened(url: str, least_free: int, seconds: float) -> ObjectStore:
    return ObjectStore(Bucket(url, seconds), least_free)


def _attempt_of(path: str) -> int:
    """The attempt that a checkpoint belongs to, by its folder's name."""
    named = _ATTEMPT.search(path)
    return int(named[1]) if named else 1


def _remove_left(folder: Path) -> None:
    """Remove what downloads that were killed long ago have left."""
    for left in folder.glob(f"{FETCHING}*"):
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - left.stat().st_mtime > LEFT_AFTER:
                shutil.rmtree(left, ignore_errors=True)
