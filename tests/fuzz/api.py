"""The whole OpenAPI description for one role: no 5xx, no undocumented status, every answer in its schema."""

from __future__ import annotations

from collections import Counter
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.lab import FuzzedLab

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
ENDLESS = "/events"  # event streams never end by themselves; they have their own tests
NOT_NOW = 503  # documented where the broker or database does not answer


def fuzz_api(lab: FuzzedLab, role: str, budget: int, number: int) -> Counter[int]:
    """About `budget` cases over all operations, from the seed `number`; gives statuses and how often each
    came. Every failure is noted with its smallest case."""
    with lab.client(role) as client:
        schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())
    operations = [each.ok() for each in schema.get_all_operations()]
    operations = [each for each in operations if each.path and not each.path.endswith(ENDLESS)]
    statuses: Counter[int] = Counter()
    for operation in operations:
        _fuzz_operation(lab, role, operation, max(2, budget // len(operations)), number, statuses)
    return statuses


def _fuzz_operation(
    lab: FuzzedLab, role: str, operation: Any, cases: int, number: int, statuses: Counter[int]
) -> None:
    headers = {"Authorization": f"Bearer {lab.tokens[role]}"}
    good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    bad = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @seed(number)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(case=st.one_of(good, bad), real=st.booleans())
    def ask(case: Any, real: bool) -> None:
        if real:  # a generated id hardly ever exists
            known = {name: lab.ids[name] for name in case.path_parameters or {} if name in lab.ids}
            case.path_parameters = {**(case.path_parameters or {}), **known}
        answer = case.call(base_url=lab.server.url, headers=headers, timeout=60)
        statuses[answer.status_code] += 1
        if answer.status_code != NOT_NOW:
            case.validate_response(answer, checks=CHECKS, headers=headers)

    try:
        ask()
    except (Failure, FailureGroup) as error:
        lab.note(f"{role} {operation.label} (seed {number}): {_told(error)}")
    except Exception as error:  # noqa: BLE001 — a case that cannot even be built is a finding as well
        if "negative" not in str(error).lower() and type(error).__name__ != "Unsatisfiable":
            lab.note(f"{role} {operation.label} (seed {number}): {type(error).__name__}: {error}")


def _told(error: BaseException) -> str:
    inner = getattr(error, "exceptions", ())
    return " | ".join(map(_told, inner)) if inner else f"{type(error).__name__}: {error}"[:1500]
