"""What an evaluation may take from a checkpoint on purpose: its context, or some of its demonstrations.

A score under an intervention says what the model leans on, never how good it is.
"""

from __future__ import annotations

from enum import StrEnum

AGAIN = "computed again"  # by a verification: its scores stand beside those that it verifies


class Intervention(StrEnum):
    """What is done to the context, or to what it is made of; the value is how people read it."""

    NONE = ""
    BLANK = "blank context"
    RANDOM = "random context"
    SWAPPED = "swapped context"
    DROPPED = "demonstration dropped"
    DUPLICATED = "demonstration duplicated"
    REORDERED = "demonstrations swapped"
    RECOLOURED = "demonstrations recoloured"


OF_CONTEXT = (Intervention.BLANK, Intervention.RANDOM, Intervention.SWAPPED)
OF_DEMONSTRATIONS = (
    Intervention.DROPPED,
    Intervention.DUPLICATED,
    Intervention.REORDERED,
    Intervention.RECOLOURED,
)
MEANINGS = {
    Intervention.NONE: "what the model was trained with",
    Intervention.BLANK: "zeros in place of the encoded demonstrations",
    Intervention.RANDOM: "random numbers as large as those of the right context",
    Intervention.SWAPPED: "the context of the next task of the same canvas, in the same augmentation",
    Intervention.DROPPED: "the last demonstration is left out; an only one stays",
    Intervention.DUPLICATED: "the first demonstration is shown twice, in place of the last where there is no "
    "room for one more",
    Intervention.REORDERED: "the first and the last demonstration change places",
    Intervention.RECOLOURED: "colours 1 to 9 of the demonstrations are permuted, those of the test input "
    "are not",
}
OF_TRM = {
    Intervention.BLANK: "the embedding of an unknown puzzle",
    Intervention.RANDOM: "the embedding of another puzzle, drawn for each view",
    Intervention.SWAPPED: "the embedding of the next task of the same canvas, in the same augmentation",
}


def meaning_of(kind: Intervention, is_trm: bool) -> str:
    """What it gives to the model, in words."""
    return OF_TRM.get(kind, MEANINGS[kind]) if is_trm else MEANINGS[kind]


def setting_of(kind: Intervention, is_again: bool) -> str:
    """How an evaluation stores it: `blank context; computed again`."""
    return "; ".join(filter(None, (kind.value, AGAIN if is_again else "")))


def kind_of(setting: str) -> Intervention:
    """What such a setting does to the model; ValueError for one of another version."""
    return Intervention(setting.removesuffix(AGAIN).removesuffix("; "))
