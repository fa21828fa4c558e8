"""Training batches: sample i of a canvas is a pure function of (seed, canvas, i)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.domain.experiment import ExperimentConfig, TrmModel
from worker.data.augment import DIHEDRALS, Augmentation, augmentations
from worker.data.order import EveryPair, OnePairPerTask, Order, Visit
from worker.data.tokens import Cells, Table, Tokens, as_labels, draw, token_table
from worker.data.training_data import TrainingData, TrainingTask
from worker.kit.batch import PAD, Batch, Region, labels_of

_PUZZLE = 8  # bytes of a row of the puzzle table


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


class Layout(NamedTuple):
    """How a sample lies in one row of bytes, so that many are sent to a device in one piece."""

    side: int
    demonstrations: int

    @property
    def stride(self) -> int:
        """Bytes of a sample: canvases of input and output, of the demonstrations, their mask, the puzzle."""
        return 2 * (1 + self.demonstrations) * self.side**2 + self.demonstrations + _PUZZLE

    def canvases(self, packed: NDArray[np.uint8]) -> Canvases:
        """The arrays of samples (n, stride), which may be written to."""
        count = len(packed)
        inputs, outputs, demo_inputs, demo_outputs, mask, puzzle = np.split(packed, self._ends, axis=1)
        single = count, self.side, self.side
        many = count, self.demonstrations, self.side, self.side
        return Canvases(
            inputs=inputs.reshape(single),
            outputs=outputs.reshape(single),
            demo_inputs=demo_inputs.reshape(many),
            demo_outputs=demo_outputs.reshape(many),
            demo_mask=mask.view(np.bool_),
            puzzle=puzzle.view(np.int64)[:, 0],
        )

    def batch(self, packed: Tensor) -> Batch:
        """The samples (n, stride) as a batch, on the device where they are."""
        inputs, outputs, demo_inputs, demo_outputs, mask, puzzle = packed.tensor_split(self._ends, dim=1)
        many = len(packed), self.demonstrations, self.side**2
        return Batch(
            inputs=inputs,
            labels=labels_of(outputs),
            demo_inputs=demo_inputs.reshape(many),
            demo_outputs=demo_outputs.reshape(many),
            demo_mask=mask.bool(),
            puzzle=puzzle.clone(memory_format=torch.contiguous_format).view(torch.int64)[:, 0],  # aligned
        )

    @property
    def _ends(self) -> list[int]:
        """Where every part but the last ends in a row."""
        cells = self.side**2
        shown = self.demonstrations * cells
        return list(accumulate((cells, cells, shown, shown, self.demonstrations)))


class View:
    """Draws the grids of one task as one augmentation shows them."""

    def __init__(self, dihedral: int, tokens: Table) -> None:
        """`tokens` says as which token every colour is shown."""
        self._turn = DIHEDRALS[dihedral]
        self._tokens = tokens

    @classmethod
    def of(cls, augmented: Augmentation) -> View:
        return cls(augmented.dihedral, token_table(bytes(augmented.colours)))

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
        self.layout = Layout(side, self.demonstrations)

    def draw(self, first: int, count: int) -> NDArray[np.uint8]:
        """Samples `first` to `first + count - 1`, laid out as `layout` says: (count, stride)."""
        packed = np.zeros((count, self.layout.stride), dtype=np.uint8)
        canvases = self.layout.canvases(packed)
        drawn = [self._visit(index) for index in range(first, first + count)]
        views = augmentations(self._seed, ((visit.task.id, form) for visit, form, _ in drawn))
        for row, (dihedral, table) in enumerate(zip(views.dihedrals.tolist(), views.tokens, strict=True)):
            self._write(row, *drawn[row], View(dihedral, table), canvases)
        return packed

    def _visit(self, index: int) -> tuple[Visit, int, NDArray[np.float64]]:
        """What sample `index` is of, the number of its augmentation, and what else is drawn for it."""
        # A counter-based generator: any sample can be drawn without those before it.
        philox = np.random.Philox(key=[self._seed, self._side], counter=[0, index, 0, 0])
        draws = np.random.Generator(philox).random(self._draws)
        visit = self._order.visit(index, draws)
        return visit, form_of(visit.task, visit.form, self._config), draws

    def _write(
        self,
        row: int,
        visit: Visit,
        form: int,
        draws: NDArray[np.float64],
        view: View,
        canvases: Canvases,
    ) -> None:
        """A sample into `row`: a pair of a task is asked, others are shown, all in one view."""
        task = visit.task
        canvases.puzzle[row] = self._puzzles.row(task.id, form)
        offsets = draws[-2 * (1 + self.demonstrations) :].reshape(-1, 2)
        still = in_the_corner(task, form, self._config)
        asked_canvases = canvases.inputs[row], canvases.outputs[row]
        view.draw_pair(asked_canvases, task.pairs[visit.asked], None if visit.asked in still else offsets[0])
        for place, pair in enumerate(self._shown(visit.beside, draws[2:])):
            canvases.show(view, row, place, task.pairs[pair], None if pair in still else offsets[place + 1])

    def _shown(self, others: Sequence[int], draws: NDArray[np.float64]) -> list[int]:
        """A random choice of the demonstrations, as places in the task's pairs."""
        order = draws[: len(others)].argsort()[: self.demonstrations]
        return [others[place] for place in order]
