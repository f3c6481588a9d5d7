"""The service's reference: what its routes take and answer, and their document as one page that needs no script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any, Final

from persona.shapes import JSON, PROBLEM
from persona.wire import STATUS

COMMON: Final = ("bad_request", "unauthorized", "forbidden", "unknown", "invalid", "too_fast", "failed", "busy")
WITH_BODY: Final = ("too_late", "too_large", "unsupported_encoding", "not_json")

MEMBERS: Final = ("too_big", "unsupported", "circular")  # where members are asked for
QUESTION: Final = ("not_understood", "ambiguous", "model_not_configured", "too_long", "too_slow", *MEMBERS)


def responses_of(
    shape: type | None, *codes: str, status: int = 200, media: Mapping[str, str] = MappingProxyType({})
) -> dict[int | str, dict[str, Any]]:
    """What a route answers with, for its documentation: the shape where it works out, and a problem for each code."""
    found: dict[int | str, dict[str, Any]] = {status: {"description": "Done"}}
    if shape is not None:
        found[status]["description"] = (shape.__doc__ or "").split("\n")[0]
        content: dict[str, Any] = {JSON: {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}}
        content |= {kind: {"schema": {"type": "string", "description": said}} for kind, said in media.items()}
        found[status]["content"] = content
    for code in codes:
        known = found.setdefault(STATUS[code], {"description": "", "content": {PROBLEM: {"schema": PROBLEM_SCHEMA}}})
        known["description"] = ", ".join(filter(None, (known["description"], f"`{code}`")))
    return found


PROBLEM_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}
PROBLEM_SHAPE: Final = {
    "title": "Problem",
    "description": "Why a request was not carried out (RFC 9457). A refused question also has words, suggestions and "
    "readings.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "message"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(STATUS)},
        "detail": {"type": "string"},
        "message": {"type": "string"},
        "words": {"type": "array", "items": {"type": "string"}},
        "suggestions": {"type": "array", "items": {"type": "string"}},
        "readings": {"type": "array", "items": {"type": "object"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "model_usage": {"type": ["object", "null"]},
    },
}


def takes(schema: Mapping[str, Any] | str, example: Any, required: bool = True) -> dict[str, Any]:
    """What a route takes, for its documentation."""
    if isinstance(schema, str):
        schema = {"$ref": f"#/components/schemas/{schema}"}
    return {"requestBody": {"required": required, "content": {JSON: {"schema": schema, "example": example}}}}


def list_of(key: str) -> dict[str, Any]:
    """The schema of a body that has a list of objects under this key."""
    entries = {"type": "array", "maxItems": 10_000, "items": {"type": "object"}}
    return {"type": "object", "required": [key], "properties": {key: entries}}


EVENT: Final = {
    "event_name": "add-to-cart",
    "visitor_id": "u-17",
    "event_properties": {"cart_id": "c-9", "product_id": "p-1", "name": "Linen Shirt", "price": "39.00"},
    "event_timestamp": "2026-03-01 18:30:00",
}
TRACK: Final = {
    "type": "track",
    "event": "Product Added",
    "userId": "u-17",
    "properties": {"product_id": "p-1", "name": "Linen Shirt"},
    "messageId": "m-1",
}

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }
h2 { margin-top: 3rem } h3 { margin-top: 2rem; font-size: 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .85rem } pre { background: #f3f5f7; padding: .8rem }
pre { overflow: auto }
.verb { display: inline-block; min-width: 4rem; font-weight: 700; color: #14618b }
table { border-collapse: collapse } td { padding: .2rem 1rem .2rem 0; vertical-align: top } summary { cursor: pointer }
@media (prefers-color-scheme: dark) { body { background: #10161c; color: #dde4ea }
  pre { background: #1a232c } .verb { color: #6fb8e0 } }
"""


def page(document: Mapping[str, Any]) -> str:
    """The page: each route with what it takes and answers, and a curl command; then the shapes."""
    groups: dict[str, list[str]] = {}
    for path, verbs in document["paths"].items():
        for verb, told in verbs.items():
            groups.setdefault(told["tags"][0], []).append(_route(path, verb, told))
    shapes = [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(routes)}" for name, routes in groups.items())
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: HTTP</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><h1>{title}</h1>'
        f"<p>{escape(document['info']['description'])}</p>"
        f'<p>For programs: <a href="/openapi.json">/openapi.json</a></p>{body}'
        f"<h2>Shapes</h2>{''.join(shapes)}</body></html>"
    )


def _route(path: str, verb: str, told: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(given['name'])}</code></td><td>{given['in']}</td>"
        f"<td>{escape(given.get('description', ''))}</td></tr>"
        for given in told.get("parameters", ())
    ]
    rows += [
        f"<tr><td>{status}</td><td>{_kinds(answer)}</td><td>{escape(answer['description']).replace('`', '')}</td></tr>"
        for status, answer in sorted(told["responses"].items())
    ]
    return (
        f'<h3><span class="verb">{verb.upper()}</span><code>{escape(path)}</code></h3>'
        f"<p>{escape(told.get('description', ''))}</p><pre>{escape(_curl(path, verb, told))}</pre>"
        f"<details><summary>Parameters and answers</summary><table>{''.join(rows)}</table></details>"
    )


def _kinds(answer: Mapping[str, Any]) -> str:
    found = []
    for kind, content in answer.get("content", {}).items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        found.append(f'<a href="#{name}">{name}</a>' if name else escape(kind))
    return " ".join(found)


def _curl(path: str, verb: str, told: Mapping[str, Any]) -> str:
    words = ["curl", *(["-X", verb.upper()] if verb not in ("get", "post") else [])]
    security = [name for need in told.get("security", ()) for name in need]
    if "authkey" in security:
        words.append('-H "authkey: $KEY"')
    if "basic" in security:
        words.append('-u "$KEY:"')
    words.append(f'"$URL{path}"')
    content = told.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        words.append(f"-d '{json.dumps(content['example'])}'")
    return " ".join(words)


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    said = escape(schema.get("description", ""))
    return (
        f'<h3 id="{name}"><code>{name}</code></h3><p>{said}</p><details><summary>JSON Schema</summary>'
        f"<pre>{escape(json.dumps(schema, indent=2))}</pre></details>"
    )
