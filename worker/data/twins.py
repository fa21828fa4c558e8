"""Several augmented views of each of several tasks: what tells whether contexts know their task.

Batch `index` is a pure function of (seed, canvas, index). Unless `asks` is set nothing is asked: the samples
are to be encoded.
"""

from __future__ import annotations

import numpy as np

from backend.domain.experiment import ExperimentConfig
from worker.data.augment import augmentation
from worker.data.batches import Canvases, View, in_the_corner, most_demonstrations
from worker.data.training_data import TrainingData, TrainingTask
from worker.kit.batch import Batch

_SALT = 3 << 32  # keeps these draws apart from others of the same seed; above every seed


class Twins:
    """`tasks` different tasks of one canvas, fewer where there are fewer, in `views` views each.

    The views of a task show the same pairs, each at a place of its own on the canvas, in augmentations that
    are all different where there are enough. With `asks` each view also asks one pair of its task, the same
    in all views, and shows others.
    """

    def __init__(
        self,
        data: TrainingData,
        config: ExperimentConfig,
        side: int,
        tasks: int,
        views: int,
        *,
        asks: bool = False,
    ) -> None:
        self._seed, self._config, self._side = config.seed, config, side
        self._tasks, self._puzzles = data.by_canvas[side], data.puzzles
        self.tasks = min(tasks, len(self._tasks))
        self.views = views
        self.asks = asks
        self.demonstrations = min(  # places for them, per sample
            most_demonstrations(config),
            max(task.draw.most if task.draw else len(task.shown) for task in self._tasks),
        )

    def at(self, index: int) -> Batch:
        """Batch `index`, (tasks x views) samples on the CPU: the views of a task one after the other."""
        generator = self._generator(index)
        canvases = Canvases.empty(self.tasks * self.views, self.demonstrations, self._side)
        for number, task in enumerate(self._chosen(generator)):
            self._write(task, number * self.views, canvases, generator)
        return canvases.batch()

    def ids(self, index: int) -> list[str]:
        """Of the tasks of batch `index`, in their order."""
        return [task.id for task in self._chosen(self._generator(index))]

    def _generator(self, index: int) -> np.random.Generator:
        philox = np.random.Philox(key=[self._seed + _SALT, self._side], counter=[0, index, int(self.asks), 0])
        return np.random.Generator(philox)

    def _chosen(self, generator: np.random.Generator) -> list[TrainingTask]:
        """The tasks of a batch; the first that is drawn for it."""
        places = generator.random(len(self._tasks)).argsort()[: self.tasks]
        return [self._tasks[int(place)] for place in places]

    def _write(
        self, task: TrainingTask, first: int, canvases: Canvases, generator: np.random.Generator
    ) -> None:
        """The views of a task, from row `first` on."""
        forms = task.forms or range(self._config.data.augmentations + 1)
        drawn = generator.choice(len(forms), self.views, replace=len(forms) < self.views)
        asked = task.asked[int(generator.random() * len(task.asked))] if self.asks else None
        among = task.shown if asked is None else task.beside(asked)
        room = min(self.demonstrations, task.draw.most) if task.draw else self.demonstrations
        order = generator.random(len(among)).argsort()[:room]
        offsets = generator.random((self.views, len(order) + self.asks, 2))
        for number, place_of_form in enumerate(drawn.tolist()):
            row, form = first + number, forms[place_of_form]
            still = in_the_corner(task, form, self._config)
            view = View.of(augmentation(self._seed, task.id, form))
            canvases.puzzle[row] = self._puzzles.row(task.id, form)
            for place, shown in enumerate(order.tolist()):
                offset = None if among[shown] in still else offsets[number, place]
                canvases.show(view, row, place, task.pairs[among[shown]], offset)
            if asked is not None:
                offset = None if asked in still else offsets[number, -1]
                question = canvases.inputs[row], canvases.outputs[row]
                view.draw_pair(question, task.pairs[asked], offset)
