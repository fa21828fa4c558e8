"""/api/openapi.json, and /api/docs: the same as a page."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.data.api import ImportBody
from backend.domain.experiment import ExperimentConfig
from backend.domain.people import Scope
from backend.domain.sweeps import Sweep
from backend.lab.contexts import ApiField, ApiModel, ApiPage, Operation
from backend.run_page.series_api import MetricsBody
from backend.web.errors import ErrorModel, responses
from backend.web.rendering import render
from backend.web.routing import OPEN, VIEWER, Access, Route, Router

router = Router(reads=VIEWER, include_in_schema=False)
OWN_MODELS: tuple[type[BaseModel], ...] = (
    ErrorModel,
    ExperimentConfig,
    Sweep,
    MetricsBody,
    ImportBody,
)
# Host and role; address and query; too much at once; no database.
ANY_REQUEST = (401, 403, 422, 429, 503)
PLACED = (404,)  # an address that names something
SENT = (408, 413)  # a body
REFERENCE = "#/components/schemas/{model}"
INTRODUCTION = """Everything the pages do. Send `Authorization: Bearer TOKEN` (`etrm token create NAME`).
`x-role` of each operation is the least role that may use it, `x-scope` the least scope of a token.
Times are seconds since the Unix epoch. Every error is
`{"error": {"code", "message", "hint", "fields": [{"field", "message", "hint"}]}}`."""


def document(app: FastAPI) -> None:
    """Give `app` its OpenAPI description, with the models that no endpoint declares."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = get_openapi(
                title=app.title,
                version=app.version,
                description=INTRODUCTION,
                routes=[each.api for each in app.routes if isinstance(each, Route)],
            )
            _, schemas = models_json_schema(
                [(model, "validation") for model in OWN_MODELS], ref_template=REFERENCE
            )
            components = described.setdefault("components", {})
            components.setdefault("schemas", {}).update(schemas["$defs"])
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            described["security"] = [{"token": []}]
            for path, methods in described["paths"].items():
                for method, operation in methods.items():
                    _complete(path, operation, app.state.addresses.access(method.upper(), path))
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _complete(path: str, operation: dict[str, Any], access: Access) -> None:
    """Add who may ask, and the statuses that any request may meet, whatever its endpoint does."""
    operation["x-role"] = str(access.role if isinstance(access, Scope) else access)
    if access != OPEN:
        operation["x-scope"] = str(Scope.of(access))
    statuses = {*ANY_REQUEST, *(PLACED if "{" in path else ()), *(SENT if "requestBody" in operation else ())}
    if access == OPEN:
        operation["security"] = []
        statuses.discard(HTTPStatus.UNAUTHORIZED)
    for status in sorted(statuses):
        operation["responses"].setdefault(str(int(status)), responses(status)[status])
    for status, response in operation["responses"].items():
        if status == "422":  # said by the door in the words of every other error
            response["content"] = responses(422)[422]["content"]


@router.get("/api/openapi.json")
def read_openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI description."""
    described: dict[str, Any] = request.app.openapi()
    return described


@router.get("/api/docs")
def read_docs(request: Request) -> HTMLResponse:
    """Every endpoint with what it takes and gives."""
    described: dict[str, Any] = request.app.openapi()
    subjects: dict[str, list[Operation]] = defaultdict(list)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            subjects[operation.get("tags", ["lab"])[0]].append(_operation(method, path, operation))
    models = [_model(name, schema) for name, schema in sorted(described["components"]["schemas"].items())]
    return render(ApiPage(_prose(INTRODUCTION), subjects, models))


def _operation(method: str, path: str, described: dict[str, Any]) -> Operation:
    content = described.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {})
    done: dict[str, Any] = next((e for status, e in described["responses"].items() if status < "300"), {})
    answer = done.get("content", {}).get("application/json", {}).get("schema")
    return Operation(
        method=method.upper(),
        path=path,
        role=described["x-role"],
        scope=described.get("x-scope", ""),
        about=_prose(described.get("description", described["summary"])),
        parameters=[_parameter(each) for each in described.get("parameters", [])],
        body=_type(body["schema"]) if "schema" in body else Markup(escape(next(iter(content), ""))),
        fields=_fields(body.get("schema", {})),
        examples=[json.dumps(each["value"]) for each in body.get("examples", {}).values()],
        answer=_type(answer) if answer else Markup(),
    )


def _parameter(described: dict[str, Any]) -> ApiField:
    schema = described["schema"]
    return ApiField(
        described["name"],
        _type(schema),
        _prose(described.get("description", "")),
        _default(schema),
        described.get("required", False),
        described["in"],
    )


def _model(name: str, schema: dict[str, Any]) -> ApiModel:
    fields = _fields(schema)
    return ApiModel(
        name, _prose(schema.get("description", "")), Markup() if fields else _type(schema), fields
    )


def _fields(schema: dict[str, Any]) -> list[ApiField]:
    """The fields of a schema that is written out; none of one that refers to a model."""
    required = schema.get("required", ())
    return [
        ApiField(name, _type(each), _prose(each.get("description", "")), _default(each), name in required)
        for name, each in schema.get("properties", {}).items()
    ]


def _default(schema: dict[str, Any]) -> str:
    return json.dumps(schema["default"]) if schema.get("default") not in (None, "") else ""


def _type(schema: dict[str, Any]) -> Markup:
    """A schema in words, with links to the models that it names: `list of TaskView or null`."""
    if "$ref" in schema:
        return Markup('<a href="#model-{0}">{0}</a>').format(schema["$ref"].rpartition("/")[2])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return Markup(" or ").join(json.dumps(each) for each in values)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return Markup(" or ").join(dict.fromkeys(_type(each) for each in schema[choice]))
    inner = schema.get("items", schema.get("additionalProperties"))
    kind = {"array": "list"}.get(schema.get("type", ""), schema.get("type", "anything"))
    return (
        Markup("{} of {}").format(kind, _type(inner)) if isinstance(inner, dict) and inner else Markup(kind)
    )


def _prose(text: str) -> Markup:
    """A docstring as paragraphs, with code where it has backticks."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return Markup("").join(
        Markup("<p>{}</p>").format(Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(each)))))
        for each in paragraphs
        if each
    )
