"""`python -m worker.experiments.control.measure FOLDER`: score a training under its folder's settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from worker.data.sets import BuiltinTasks
from worker.kit.recorder import NullRecorder
from worker.training.scoring import score_settings
from worker.training.stop import StopSignal

SETTINGS_FILE = "settings.json"  # changes to the evaluation section of the config, a list


def main(folder: Path) -> None:
    """Score every setting; after a stop the same call continues."""
    settings = json.loads((folder / SETTINGS_FILE).read_text())
    with StopSignal().on_signals() as stop:
        score_settings(folder, settings, BuiltinTasks(), NullRecorder(), stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
