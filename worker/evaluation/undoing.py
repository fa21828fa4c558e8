"""What views show, back in the colours and the orientation of the original: their votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import ViewVote
from worker.data.augment import DIHEDRALS, INVERSE_DIHEDRAL, Drawn
from worker.evaluation.decoding import Shown
from worker.evaluation.views import Question, QuestionView

_UNDONE = tuple(DIHEDRALS[inverse] for inverse in INVERSE_DIHEDRAL)


def votes_of(views: Sequence[QuestionView], shown: Shown) -> dict[Question, list[ViewVote]]:
    """One vote per augmentation that looks like a view, each undone in its own way, by question.

    Equal grids are told by their bytes and made once, however many views vote for them; so are equal rows,
    which most of them share.
    """
    cast = [(row, *each) for row, view in enumerate(views) for each in view.views]
    drawn = Drawn.of([augmentation for _, _, augmentation in cast])
    tables, digits = drawn.undone, drawn.digits
    grids: dict[tuple[int, bytes], Grid] = {}
    rows: dict[bytes, tuple[int, ...]] = {}
    votes: dict[Question, list[ViewVote]] = defaultdict(list)
    for at, (row, number, augmentation) in enumerate(cast):
        dihedral = augmentation.dihedral
        turned = _UNDONE[dihedral](shown.grid(row))
        key = turned.shape[1], turned.tobytes().translate(tables[at])
        grid = grids.get(key) or grids.setdefault(key, _grid(*key, rows))
        probability = shown.halting_probabilities[row]
        votes[views[row].question].append(ViewVote(number, dihedral, digits[at], grid, probability))
    return votes


def _grid(width: int, cells: bytes, rows: dict[bytes, tuple[int, ...]]) -> Grid:
    """Of cells row by row; `rows` are those met so far."""
    found = [cells[start : start + width] for start in range(0, len(cells), width or 1)]
    return Grid(tuple([rows.get(row) or rows.setdefault(row, tuple(row)) for row in found]))
