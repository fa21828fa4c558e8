"""Studies: the claims of a paper put to the test by runs, evaluations and intervals. Pure.

What a study is, which configs it runs, what its claims come to, and what is to be done next.
"""

from backend.domain.study.configs import Design, check
from backend.domain.study.definition import (
    Claim,
    Measurement,
    Scale,
    Study,
    Test,
    from_toml,
    parse_study,
    read_study,
)
from backend.domain.study.known import Known, Sample, Scored, Scoring, Trained, Training
from backend.domain.study.planning import Plan, plan, rounds_of, stated_seconds
from backend.domain.study.verdicts import ClaimResult, SampleResult, TestResult, judged

__all__ = [
    "Claim",
    "ClaimResult",
    "Design",
    "Known",
    "Measurement",
    "Plan",
    "Sample",
    "SampleResult",
    "Scale",
    "Scored",
    "Scoring",
    "Study",
    "Test",
    "TestResult",
    "Trained",
    "Training",
    "check",
    "from_toml",
    "judged",
    "parse_study",
    "plan",
    "read_study",
    "rounds_of",
    "stated_seconds",
]
