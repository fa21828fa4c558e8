"""Tests run in as many processes as there are cores: each computes on one."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
