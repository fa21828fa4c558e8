"""/api/openapi.json, and /api/docs: the same as a plain page that needs no script and no other host."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.data.api import ImportBody
from backend.domain.experiment import ExperimentConfig
from backend.domain.people import Scope
from backend.domain.sweeps import Sweep
from backend.run_page.series_api import MetricsBody
from backend.web.errors import ErrorModel, responses
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
    described = request.app.openapi()
    entries = "".join(_entries(described["paths"]))
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API · ETRM Lab</title>'
        '<meta name="viewport" content="width=device-width"><style>' + _STYLE + "</style></head><body>"
        f"<h1>ETRM Lab API</h1><p>{html.escape(INTRODUCTION)}</p>"
        '<p>For tools: <a href="/api/openapi.json">openapi.json</a>. <a href="/">Back to the lab.</a></p>'
        f"{entries}</body></html>"
    )


_STYLE = (
    "body{font:14px/1.45 system-ui;max-width:60rem;margin:24px auto;padding:0 16px}"
    "html{color-scheme:light dark}"
    "h2{font:600 14px ui-monospace,monospace;border-top:1px solid #8884;padding-top:12px}"
    "pre{font:12px ui-monospace,monospace;white-space:pre-wrap}td{padding:2px 16px 2px 0;vertical-align:top}"
    "h2,pre,td:last-child{overflow-wrap:anywhere}table{display:block;overflow-x:auto}"
)


def _entries(paths: dict[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {html.escape(path)}</h2>"
            scope = f" · scope of a token: {operation['x-scope']}" if "x-scope" in operation else ""
            yield f"<p>Role: {operation['x-role']}{scope}</p>"
            yield f"<pre>{html.escape(operation.get('description', operation['summary']))}</pre>"
            yield _parameters(operation.get("parameters", []))
            yield from _examples(operation)


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{html.escape(each.get('description', ''))}</td>"
        f"<td>{html.escape(json.dumps(each['schema'].get('default', '')))}</td></tr>"
        for each in parameters
    )
    return f"<table>{rows}</table>" if rows else ""


def _examples(operation: dict[str, Any]) -> Iterator[str]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for example in body.get("examples", {}).values():
        yield f"<p>For example:</p><pre>{html.escape(json.dumps(example['value']))}</pre>"
