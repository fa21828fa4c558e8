"""Token accuracy without learning, by hand and on the real training tasks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from backend.domain.arc.grid import Grid
from tests.support.records.tiny_runs import tiny
from worker.data import training_data
from worker.data.baseline import token_baseline
from worker.data.sets import BuiltinTasks
from worker.data.tokens import Cells, encode_pair
from worker.kit.batch import IGNORE
from worker.models.likelihood import accuracies


def cells(*rows: str) -> Cells:
    return np.array([[int(cell) for cell in row] for row in rows], dtype=np.uint8)


def test_copying_counts_colours_and_marks_and_one_token_the_most_common() -> None:
    same = (cells("00", "01"), cells("00", "02"))  # 3 of 4 colours, 2 + 2 marks
    other = (cells("0"), cells("333", "333"))  # 6 of 6 + 3 + 2 marks; copying gets none
    assert token_baseline([(5, [same])]) == pytest.approx(7 / 8)
    assert token_baseline([(5, [other])]) == pytest.approx(6 / 11)
    assert token_baseline([(5, [same]), (5, [other])]) == pytest.approx((7 / 8 + 6 / 11) / 2)
    assert token_baseline([(2, [same])]) == pytest.approx(3 / 4)  # the marks lie outside the canvas
    assert math.isnan(token_baseline([]))


def test_on_real_tasks_it_is_what_the_training_would_record_of_these_predictions() -> None:
    tasks = training_data.build(tiny(), BuiltinTasks()).tasks
    shares = []
    for task in tasks:
        for place in task.asked[:10]:
            shown, answer = (Grid(part.tolist()) for part in task.pairs[place])
            inputs, labels = map(torch.from_numpy, encode_pair(shown, answer, task.side))
            common = labels[labels != IGNORE].mode().values
            predictions = torch.stack([inputs, torch.full_like(inputs, int(common))])
            logits = torch.nn.functional.one_hot(predictions.long(), 12).float()
            shares.append(accuracies(logits, labels.expand(2, -1))[0].max().item())

    found = token_baseline((t.side, (t.pairs[place] for place in t.asked)) for t in tasks)

    assert found == pytest.approx(sum(shares) / len(shares), abs=1e-6)
    assert 0.5 < found < 1


def test_at_most_ten_pairs_of_a_task_are_read() -> None:
    endless = ((cells("0"), cells("0")) for _ in itertools.count())
    assert token_baseline([(5, endless)]) == 1.0
