"""Which code produced a run's numbers, with which packages, on which machine: recorded at each start.

Two runs may have the same config and differ all the same, because the code between them changed. Whoever
holds runs against each other asks `differences`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_DIFF = 256 * 1024  # bytes of uncommitted changes that are kept
MAX_PACKAGES = 2000
SHOWN = 10  # letters of a commit or digest that people read

Short = Annotated[str, StringConstraints(max_length=200)]
Hash = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")]


class Provenance(BaseModel):
    """What one start of a run was computed with. An empty text: not known, or there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: Short = Field("", description="Of ETRM Lab, or of the script's own package.", examples=["0.9.0"])
    source: Hash = Field("", description="SHA-256 over the files of the lab that train and score.")
    commit: Hash = Field("", description="Git commit of the code.")
    remote: str = Field("", max_length=1000, description="Where its repository lies, without a password.")
    diff: Hash = Field("", description="SHA-256 of the changes that were not committed; empty: none.")
    python: Short = Field("", examples=["3.11.7"])
    packages: dict[Short, Short] = Field(
        {}, max_length=MAX_PACKAGES, description="Installed packages, by name.", examples=[{"torch": "2.7.1"}]
    )
    cuda: Short = Field("", description="Version that PyTorch was built for.")
    driver: Short = Field("", description="Version of the GPU driver.")
    devices: list[Short] = Field([], max_length=64, description="The GPUs, by name.")
    processor: Short = ""
    platform: Short = Field("", examples=["Linux-6.8-x86_64"])
    host: Short = ""
    command: str = Field("", max_length=4000, description="As it was typed, without secrets.")
    sets: dict[Short, Hash] = Field({}, max_length=100, description="Task set -> SHA-256 of its tasks.")

    @property
    def lock(self) -> str:
        """SHA-256 of the installed packages: the same where nothing differs; empty where none is known."""
        lines = "".join(f"{name}=={version}\n" for name, version in sorted(self.packages.items()))
        return hashlib.sha256(lines.encode()).hexdigest() if lines else ""

    @property
    def code(self) -> str:
        """The same for the same code: by the files themselves, else by commit and changes; empty: unknown."""
        return self.source or f"{self.commit}{self.diff}" or self.version

    @property
    def code_name(self) -> str:
        """The code as people call it: `1a2b3c4d5e + uncommitted changes`, `version 0.9.0`."""
        if not self.commit:
            return f"version {self.version}" if self.version else "unknown"
        return f"{self.commit[:SHOWN]} + uncommitted changes" if self.diff else self.commit[:SHOWN]

    @property
    def device(self) -> str:
        """What it computed on: the GPUs, or the processor."""
        return ", ".join(dict.fromkeys(self.devices)) or self.processor


# What may move a number, and how it is called.
_ASPECTS = ("code", "Python", "PyTorch", "CUDA", "device")


def aspects(record: Provenance) -> dict[str, str]:
    """What may move a run's numbers besides its config and seed: aspect -> its value in words."""
    values = (
        record.code_name,
        record.python,
        record.packages.get("torch", ""),
        record.cuda,
        record.device,
    )
    return dict(zip(_ASPECTS, values, strict=True))


def differences(records: Sequence[Provenance]) -> list[str]:
    """Aspects that are known to differ between starts, `code` first; what one of two lacks does not count."""
    keys = [aspects(record) | {"code": record.code} for record in records]
    return [aspect for aspect in _ASPECTS if len({values[aspect] for values in keys if values[aspect]}) > 1]


def differing_sets(records: Sequence[Provenance]) -> list[str]:
    """Names of task sets that held other tasks for one start than for another."""
    names = sorted({name for record in records for name in record.sets})
    return [name for name in names if len({each.sets[name] for each in records if name in each.sets}) > 1]


def newest(starts: Mapping[int, Provenance]) -> Provenance | None:
    """Of attempt -> record, that of the last attempt: its numbers stand last."""
    return starts[max(starts)] if starts else None
