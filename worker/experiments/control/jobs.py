"""A training in the control's folder: what is done of it, and the job that does the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backend.domain.config.problems import differences, parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.measurement import protocol_of, settings_of
from backend.kit.errors import Conflict
from worker.experiments.control import measure
from worker.experiments.control.processes import Job
from worker.training.checkpoints.checkpoint import list_checkpoints
from worker.training.scoring import OutcomeFile, finished_evaluations

CONFIG_FILE = "config.json"  # in the folder of a training


@dataclass(frozen=True)
class Training:
    """A config and the folder it is trained in, as the folder was when it was first looked at."""

    title: str
    config: ExperimentConfig
    folder: Path

    @cached_property
    def evaluations(self) -> list[OutcomeFile]:
        """All that came to their end, by step."""
        return finished_evaluations(self.folder)

    def evaluations_under(self, changes: Mapping[str, object], set_name: str = "") -> list[OutcomeFile]:
        """Those under `changes` to the config's evaluation, by step; of its first set unless one is named."""
        name = set_name or self.config.evaluation.sets[0].name
        wanted = settings_of(_changed(self.config, changes))
        return [
            file
            for file in self.evaluations
            if file.key.set_name == name and protocol_of(file.key).settings == wanted
        ]

    def final(self, changes: Mapping[str, object], set_name: str = "") -> OutcomeFile | None:
        """The one of the last step; None if it has not come to its end."""
        found = self.evaluations_under(changes, set_name)
        return found[-1] if found and found[-1].key.step == self.config.training.steps else None

    def job(self) -> Job | None:
        """Trains to the end, from the newest checkpoint there is; None if that is done.

        It runs the same command that a user has. Conflict where the folder holds another config's training.
        """
        self._check_config()
        if all(self.final({}, part.name) for part in self.config.evaluation.sets):
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / CONFIG_FILE
        path.write_text(self.config.model_dump_json(indent=1) + "\n")
        start = ["--resume"] if list_checkpoints(self.folder) else [str(path)]
        arguments = ["-m", "worker", "train", *start, "--out", str(self.folder)]
        return Job(self.title, self.folder, arguments)

    def measurement(self, settings: Sequence[Mapping[str, object]]) -> Job | None:
        """Scores the trained weights under each of `settings`; None if that is done."""
        missing = [changes for changes in settings if self.final(changes) is None]
        if not missing:
            return None
        (self.folder / measure.SETTINGS_FILE).write_text(json.dumps(missing, indent=1) + "\n")
        return Job(f"{self.title}, measured", self.folder, ["-m", measure.__name__, str(self.folder)])

    def _check_config(self) -> None:
        path = self.folder / CONFIG_FILE
        if not path.exists():
            return
        if changed := differences(parse_experiment(json.loads(path.read_text())), self.config):
            raise Conflict(
                f"{self.folder} holds a training of another config ({', '.join(sorted(changed))} differ).",
                "Choose another folder with --out, or delete this one.",
            )


def _changed(config: ExperimentConfig, changes: Mapping[str, object]) -> ExperimentConfig:
    raw = config.model_dump(mode="json")
    return parse_experiment({**raw, "evaluation": {**raw["evaluation"], **changes}})
