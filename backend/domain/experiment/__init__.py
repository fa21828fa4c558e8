"""ExperimentConfig: the one definition of an experiment.

The web form walks its JSON schema, the API takes it as the body, the command line parses it, the
database stores its JSON, the worker validates the same class, and the compare page diffs it. Every
field therefore carries a title, a description, bounds and (in `json_schema_extra`) a unit.

Settings and their published values: "Less is More" (arXiv 2510.04871) and the ETRM runs built on it.
"""

from backend.domain.experiment.adaptation import (
    AdaptationConfig,
    AdapterAdaptation,
    EmbeddingAdaptation,
    EncoderAdaptation,
    FullAdaptation,
    LearningAdaptation,
    NoAdaptation,
    adaptation_words,
)
from backend.domain.experiment.config import ExperimentConfig
from backend.domain.experiment.data import BUILT_IN_SETS, FETCHED_SETS, DataConfig
from backend.domain.experiment.encoders import ENCODERS, EncoderConfig
from backend.domain.experiment.evaluation import EvaluationConfig, EvaluationSet
from backend.domain.experiment.fields import Config
from backend.domain.experiment.generated import (
    GENERATED_FAMILIES,
    GENERATED_PREFIX,
    GENERATED_SETS,
    GeneratedFamily,
    augmentation_problems,
    augments,
)
from backend.domain.experiment.health import HealthConfig
from backend.domain.experiment.hypothesis import (
    BarHypothesis,
    BaselineHypothesis,
    HopelessStop,
    Hypothesis,
    HypothesisConfig,
    NoHypothesis,
    NoStop,
    ReachedStop,
)
from backend.domain.experiment.model import ActConfig, CoreConfig, EtrmModel, ModelConfig, TrmModel
from backend.domain.experiment.objective import ContrastConfig, InfoNce, NoContrast, ObjectiveConfig, SupCon
from backend.domain.experiment.optimisation import OptimisationConfig
from backend.domain.experiment.search import (
    EvolutionarySearch,
    GradientSearch,
    MovingSearch,
    NoSearch,
    RandomSearch,
    SearchConfig,
    search_label,
    search_words,
)
from backend.domain.experiment.training import (
    CheckpointStart,
    RunStart,
    SeededStart,
    StartConfig,
    TrainingConfig,
)

__all__ = [
    "BUILT_IN_SETS",
    "ENCODERS",
    "FETCHED_SETS",
    "GENERATED_FAMILIES",
    "GENERATED_PREFIX",
    "GENERATED_SETS",
    "ActConfig",
    "AdaptationConfig",
    "AdapterAdaptation",
    "BarHypothesis",
    "BaselineHypothesis",
    "CheckpointStart",
    "Config",
    "ContrastConfig",
    "CoreConfig",
    "DataConfig",
    "EmbeddingAdaptation",
    "EncoderAdaptation",
    "EncoderConfig",
    "EtrmModel",
    "EvaluationConfig",
    "EvaluationSet",
    "EvolutionarySearch",
    "ExperimentConfig",
    "FullAdaptation",
    "GeneratedFamily",
    "GradientSearch",
    "HealthConfig",
    "HopelessStop",
    "Hypothesis",
    "HypothesisConfig",
    "InfoNce",
    "LearningAdaptation",
    "ModelConfig",
    "MovingSearch",
    "NoAdaptation",
    "NoContrast",
    "NoHypothesis",
    "NoSearch",
    "NoStop",
    "ObjectiveConfig",
    "OptimisationConfig",
    "RandomSearch",
    "ReachedStop",
    "RunStart",
    "SearchConfig",
    "SeededStart",
    "StartConfig",
    "SupCon",
    "TrainingConfig",
    "TrmModel",
    "adaptation_words",
    "augmentation_problems",
    "augments",
    "search_label",
    "search_words",
]
