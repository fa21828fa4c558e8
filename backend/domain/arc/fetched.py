"""Task sets that are not part of the installation: where they lie, and what they must be to the last byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from backend.kit.errors import InvalidTaskFile


@dataclass(frozen=True)
class PinnedFile:
    """A file of the network. A file of its name from anywhere else is as good, if its SHA-256 is the same."""

    address: str
    sha256: str

    @property
    def name(self) -> str:
        return self.address.rpartition("/")[2]

    def check(self, content: bytes) -> bytes:
        """The content; InvalidTaskFile unless it is the pinned one."""
        found = sha256(content).hexdigest()
        if found != self.sha256:
            raise InvalidTaskFile(
                f"{self.name}: is not the pinned file (SHA-256 {found[:12]}…, not {self.sha256[:12]}…).",
                f"Take it from {self.address}, or import what you have under another name: etrm data import.",
            )
        return content


@dataclass(frozen=True)
class FetchedSet:
    """A set in Kaggle's form: challenges and their solutions."""

    name: str
    challenges: PinnedFile
    solutions: PinnedFile


_TRM = "https://raw.githubusercontent.com/SamsungSAILMontreal/TinyRecursiveModels/"
_FOLDER = f"{_TRM}e7b68717f0a6c4cbb4ce6fbef787b14f42083bd9/kaggle/combined/"
# The 160 tasks of ConceptARC (arXiv 2305.07141), in the form that TRM was trained on.
CONCEPT = FetchedSet(
    "concept",
    PinnedFile(
        f"{_FOLDER}arc-agi_concept_challenges.json",
        "4e60bd1de956c2519c3236ba9f2c352c971d5971bfc568ceafa716dd9b1a91fd",
    ),
    PinnedFile(
        f"{_FOLDER}arc-agi_concept_solutions.json",
        "3ec5e95e416e49c85dac28475fc5b73f6998d13b7e91ff0219eee48881c327ee",
    ),
)
FETCHED: Mapping[str, FetchedSet] = {each.name: each for each in (CONCEPT,)}
