"""Training batches: sample i of a canvas is a pure function of (seed, canvas, i)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from backend.domain.experiment import ExperimentConfig, TrmModel
from worker.data.augment import DIHEDRALS, Augmentation, augmentation
from worker.data.order import EveryPair, OnePairPerTask, Order
from worker.data.tokens import Cells, Tokens, as_labels, draw, token_table
from worker.data.training_data import TrainingData, TrainingTask
from worker.kit.batch import PAD, Batch, Region

_ALL = slice(None)


class Canvases(NamedTuple):
    """B samples as arrays: what a Batch holds, before it becomes tensors. Canvases are (side, side)."""

    inputs: Tokens  # (B, side, side); of a region (B, height, width)
    outputs: Tokens  # the same, PAD where the output is unknown
    demo_inputs: Tokens  # (B, K, side, side)
    demo_outputs: Tokens  # (B, K, side, side)
    demo_mask: NDArray[np.bool_]  # (B, K)
    puzzle: NDArray[np.int64]  # (B,)
    region: Region | None = None

    @classmethod
    def empty(cls, size: int, demonstrations: int, side: int, region: Region | None = None) -> Canvases:
        """All PAD: `size` samples with room for `demonstrations` each; what is asked lies in the region."""
        single = (size, side, side) if region is None else (size, region.height, region.width)
        many = (size, demonstrations, side, side)
        return cls(
            inputs=np.full(single, PAD, dtype=np.uint8),
            outputs=np.full(single, PAD, dtype=np.uint8),
            demo_inputs=np.full(many, PAD, dtype=np.uint8),
            demo_outputs=np.full(many, PAD, dtype=np.uint8),
            demo_mask=np.zeros((size, demonstrations), dtype=np.bool_),
            puzzle=np.zeros(size, dtype=np.int64),
            region=region,
        )

    def show(
        self,
        view: View,
        row: int,
        place: int,
        pair: tuple[Cells, Cells],
        draws: NDArray[np.float64] | None,
    ) -> None:
        """Draw a demonstration of sample `row` into its `place`."""
        view.draw_pair((self.demo_inputs[row, place], self.demo_outputs[row, place]), pair, draws)
        self.demo_mask[row, place] = True

    def batch(self) -> Batch:
        """The tensors, on the CPU, canvases flattened row by row."""
        return Batch(
            inputs=torch.from_numpy(self.inputs).flatten(1),
            labels=torch.from_numpy(as_labels(self.outputs)).flatten(1),
            demo_inputs=torch.from_numpy(self.demo_inputs).flatten(2),
            demo_outputs=torch.from_numpy(self.demo_outputs).flatten(2),
            demo_mask=torch.from_numpy(self.demo_mask),
            puzzle=torch.from_numpy(self.puzzle),
            region=self.region,
        )


class View:
    """Draws the grids of one task as one augmentation shows them."""

    def __init__(self, augmented: Augmentation) -> None:
        self._turn = DIHEDRALS[augmented.dihedral]
        self._tokens = token_table(bytes(augmented.colours))

    def draw(self, canvas: Tokens, cells: Cells, offset: tuple[int, int] = (0, 0)) -> None:
        """`cells` (h, w) of the original, recoloured and turned, onto `canvas` (side, side)."""
        draw(canvas, self._turn(cells), offset, self._tokens)

    def draw_pair(
        self, canvases: tuple[Tokens, Tokens], pair: tuple[Cells, Cells], draws: NDArray[np.float64] | None
    ) -> None:
        """Both grids of a pair at one offset: where two `draws` say among those that fit, or the corner."""
        offset = (0, 0)
        if draws is not None:
            (one_height, one_width), (other_height, other_width) = map(self.shape, pair)
            side = canvases[0].shape[-1]
            offset = (
                int(draws[0] * (side - max(one_height, other_height) + 1)),
                int(draws[1] * (side - max(one_width, other_width) + 1)),
            )
        for canvas, cells in zip(canvases, pair, strict=True):
            self.draw(canvas, cells, offset)

    def shape(self, cells: Cells) -> tuple[int, ...]:
        """Height and width of the original's `cells` in this view."""
        return self._turn(cells).shape


def most_demonstrations(config: ExperimentConfig) -> int:
    """Demonstrations drawn per sample, at most. TRM reads none: it knows a task by its row."""
    return 0 if isinstance(config.model, TrmModel) else config.data.max_demonstrations


def form_of(task: TrainingTask, share: float, config: ExperimentConfig) -> int:
    """The number of the augmentation that lies at this share, in [0, 1), of those the task is seen in."""
    forms = task.forms or range(config.data.augmentations + 1)
    return forms[int(share * len(forms))]


def in_the_corner(task: TrainingTask, form: int, config: ExperimentConfig) -> Collection[int]:
    """The pairs of a task, by place, that are not translated in a form of it: one, and of a pool so many that
    a visit meets about one of them."""
    places = range(len(task.pairs))
    if not config.data.translation:
        return places
    if not config.data.corner_pair:
        return ()
    digest = blake2b(f"corner/{config.seed}/{form}/{task.id}".encode(), digest_size=8).digest()
    every = task.draw.together if task.draw else len(places)
    return places[int.from_bytes(digest, "little") % every :: every]


class BatchStream:
    """The samples of one canvas in order; `data.query` says what is asked of a task in a pass over all."""

    def __init__(self, data: TrainingData, config: ExperimentConfig, side: int) -> None:
        self.position = 0  # samples drawn so far; set it to continue from there
        self._seed, self._config, self._side = config.seed, config, side
        self._tasks, self._puzzles = data.by_canvas[side], data.puzzles
        self.demonstrations = min(  # places for them, per sample
            most_demonstrations(config),
            max(task.room for task in self._tasks),
        )
        shown = max(task.draw.most if task.draw else len(task.shown) for task in self._tasks)
        self._draws = 3 + shown + 2 * (1 + self.demonstrations)
        order = EveryPair if config.data.query in ("each", "each_test") else OnePairPerTask
        self._order: Order = order(self._tasks, config.seed, side)

    def next(self, wanted: NDArray[np.bool_], rows: slice = _ALL) -> Batch:
        """New samples in the rows where `wanted` (B,) is True, in order; the other rows are empty.

        Of a batch shared with other processes only these `rows` are drawn; all count as drawn.
        """
        first, last, _ = rows.indices(len(wanted))
        canvases = Canvases.empty(last - first, self.demonstrations, self._side)
        for number, row in enumerate(np.flatnonzero(wanted)):
            if first <= row < last:
                self._write(self.position + number, int(row) - first, canvases)
        self.position += int(wanted.sum())
        return canvases.batch()

    def _write(self, index: int, row: int, canvases: Canvases) -> None:
        """Sample `index` into `row`: a pair of a task is asked, others are shown, all in one view."""
        # A counter-based generator: any sample can be drawn without those before it.
        philox = np.random.Philox(key=[self._seed, self._side], counter=[0, index, 0, 0])
        draws = np.random.Generator(philox).random(self._draws)
        task, asked, share, beside = self._order.visit(index, draws)
        form = form_of(task, share, self._config)
        view = View(augmentation(self._seed, task.id, form))
        canvases.puzzle[row] = self._puzzles.row(task.id, form)
        offsets = draws[-2 * (1 + self.demonstrations) :].reshape(-1, 2)
        still = in_the_corner(task, form, self._config)
        asked_canvases = canvases.inputs[row], canvases.outputs[row]
        view.draw_pair(asked_canvases, task.pairs[asked], None if asked in still else offsets[0])
        for place, pair in enumerate(self._shown(beside, draws[2:])):
            canvases.show(view, row, place, task.pairs[pair], None if pair in still else offsets[place + 1])

    def _shown(self, others: Sequence[int], draws: NDArray[np.float64]) -> list[int]:
        """A random choice of the demonstrations, as places in the task's pairs."""
        order = draws[: len(others)].argsort()[: self.demonstrations]
        return [others[place] for place in order]
