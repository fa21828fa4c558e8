"""The whole: one experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from backend.domain.experiment.adaptation import EmbeddingAdaptation, EncoderAdaptation
from backend.domain.experiment.data import DataConfig
from backend.domain.experiment.evaluation import EvaluationConfig
from backend.domain.experiment.fields import Config, field
from backend.domain.experiment.health import HealthConfig
from backend.domain.experiment.hypothesis import HypothesisConfig, NoHypothesis
from backend.domain.experiment.hypothesis_rules import check_fits, first_held_out
from backend.domain.experiment.model import EtrmModel, ModelConfig, TrmModel
from backend.domain.experiment.objective import NoContrast, ObjectiveConfig
from backend.domain.experiment.optimisation import OptimisationConfig
from backend.domain.experiment.search import EvolutionarySearch, GradientSearch, NoSearch
from backend.domain.experiment.training import PlacementConfig, TrainingConfig
from backend.domain.experiment.versions import upgraded
from backend.domain.hypothesis.measure import Term


class ExperimentConfig(Config):
    """One experiment: a model, its data, how it is trained and how it is scored."""

    schema_version: Literal[2] = Field(default=2, title="Schema version", json_schema_extra={"hidden": True})
    name: str = field("", "Name", "Shown in tables; leave empty to generate a name.", max_length=120)
    seed: int = field(0, "Seed", "Seeds weights, data order, augmentation and halting.", ge=0, le=2**31 - 1)
    model: ModelConfig = field(EtrmModel, "Model", "The model to train.")
    data: DataConfig = field(DataConfig, "Data", "Tasks, canvas, augmentation.")
    optimisation: OptimisationConfig = field(OptimisationConfig, "Optimisation", "Optimiser and schedule.")
    objective: ObjectiveConfig = field(
        ObjectiveConfig, "Objective", "Loss terms in addition to the prediction loss."
    )
    training: TrainingConfig = field(TrainingConfig, "Training", "Length, batch, device, recording.")
    placement: PlacementConfig = field(PlacementConfig, "Placement", "Which machines may train it.")
    health: HealthConfig = field(HealthConfig, "Health", "Probes of the encoder and their alarms.")
    evaluation: EvaluationConfig = field(EvaluationConfig, "Evaluation", "How checkpoints are scored.")
    hypothesis: HypothesisConfig = field(
        NoHypothesis, "Hypothesis", "The claim this run tests; judged when it ends."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_any_version(cls, raw: Any) -> Any:
        return upgraded(raw) if isinstance(raw, Mapping) else raw

    @model_validator(mode="after")
    def _encoders_never_see_evaluation_tasks(self) -> ExperimentConfig:
        if isinstance(self.model, EtrmModel) and self.data.evaluation_demonstrations:
            raise ValueError(
                "data.evaluation_demonstrations must be false for an ETRM model: "
                "its evaluation tasks must be unseen; set it to false or choose model.kind trm"
            )
        return self

    @model_validator(mode="after")
    def _objective_has_an_encoder(self) -> ExperimentConfig:
        if isinstance(self.model, TrmModel):
            for field_name, is_off in (
                ("objective.contrast", isinstance(self.objective.contrast, NoContrast)),
                ("objective.latent_steps", self.objective.latent_steps == 0),
                ("optimisation.freeze", self.optimisation.freeze != "encoder"),
                ("optimisation.encoder_learning_rate", self.optimisation.encoder_learning_rate is None),
            ):
                if not is_off:
                    raise ValueError(
                        f"{field_name} needs an encoder, which model.kind trm has not: "
                        "leave it as it is, or choose model.kind etrm"
                    )
        return self

    @model_validator(mode="after")
    def _latent_steps_encode_anew(self) -> ExperimentConfig:
        if self.objective.latent_steps and isinstance(self.model, EtrmModel) and not self.model.reencode:
            raise ValueError(
                "objective.latent_steps needs a latent at every ACT step, and model.reencode false caches "
                "the context: set model.reencode true, or objective.latent_steps 0"
            )
        return self

    @model_validator(mode="after")
    def _adaptation_finds_what_it_moves(self) -> ExperimentConfig:
        adaptation = self.evaluation.adaptation
        if isinstance(self.model, TrmModel):
            missing = "an encoder" if isinstance(adaptation, EncoderAdaptation) else ""
        else:
            missing = "puzzle embeddings" if isinstance(adaptation, EmbeddingAdaptation) else ""
        if missing:
            other = "embedding" if isinstance(self.model, TrmModel) else "encoder"
            raise ValueError(
                f"evaluation.adaptation of kind {adaptation.kind} needs {missing}, which model.kind "
                f"{self.model.kind} has not: choose {other}, adapters or all"
            )
        return self

    @model_validator(mode="after")
    def _search_fits_the_model(self) -> ExperimentConfig:
        search = self.evaluation.search
        if isinstance(search, NoSearch):
            return self
        run = self.evaluation.act_steps or self.model.act.max_steps
        if search.act_steps is not None and search.act_steps > run:
            raise ValueError(
                f"evaluation.search.act_steps {search.act_steps} is over the {run} ACT steps that the "
                f"evaluation runs: set {run} or less, or leave it empty"
            )
        at_demonstrations = (
            isinstance(search, GradientSearch | EvolutionarySearch)
            and search.starts > 1
            and search.other_starts == "demonstrations"
        )
        if at_demonstrations and isinstance(self.model, TrmModel):
            raise ValueError(
                "evaluation.search.other_starts demonstrations needs an encoder, which model.kind trm has "
                "not: set it to perturbations"
            )
        return self

    @model_validator(mode="after")
    def _hypothesis_can_be_judged(self) -> ExperimentConfig:
        check_fits(self.hypothesis, self.training.steps, [each.name for each in self.evaluation.sets])
        return self

    @property
    def gradient_cut(self) -> tuple[str, bool] | None:
        """The field that cuts the encoder off from the loss, with its value; None where none does."""
        if not isinstance(self.model, EtrmModel):
            return None
        if getattr(self.model.encoder, "detach_context", False):
            return "model.encoder.detach_context", True
        return None if self.model.reencode else ("model.reencode", False)

    @property
    def variant(self) -> str:
        """What colours and groups the run: `trm`, or the kind of its encoder."""
        return "trm" if isinstance(self.model, TrmModel) else self.model.encoder.kind

    def set_of(self, term: Term) -> str:
        """The set that a measure's pass@k is of: the first held-out one where it does not say."""
        evaluated = [each.name for each in self.evaluation.sets]
        return term.set_name or first_held_out(self.data.training_sets, evaluated)
