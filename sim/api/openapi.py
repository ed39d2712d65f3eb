"""OpenAPI v3: what `kubectl explain` shows, and what `apply` and `create` look up.

The schemas have the fields that the simulation reads (`sim.api.shapes`):
`kubectl explain` does not know others, and the API accepts them.
`apply` and `create` check whether PATCH of a kind accepts `fieldValidation`. Clients
before 1.29 read OpenAPI v2 in protobuf and need `--validate=false`.
"""

import typing
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any

from . import descriptions, shapes
from .kind import Kind
from .kinds import KINDS
from .objects import Json

INDEX = "/openapi/v3"
_TEXT: Json = {"type": "string"}
_PLAIN = {
    str: _TEXT,
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    dict[str, Any]: {"type": "object"},
}
_EITHER = "IntOrString"


def document(path: str) -> Json | None:
    """Return the document at ``path``, or None."""
    if path == INDEX:
        prefixes = dict.fromkeys(kind.prefix for kind in KINDS)
        return {
            "paths": {
                prefix[1:]: {"serverRelativeURL": f"{INDEX}{prefix}?hash=sim"}
                for prefix in prefixes
            }
        }
    kinds = [kind for kind in KINDS if kind.prefix == path.removeprefix(INDEX)]
    if not path.startswith(INDEX) or not kinds:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": "sim", "version": "v1"},
        "paths": {_path(kind): _operations(kind) for kind in kinds},
        "components": {"schemas": _schemas(kinds)},
    }


def _path(kind: Kind) -> str:
    """Return the path template of one object of a kind."""
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"{kind.prefix}{namespace}/{kind.plural}/{{name}}"


def _identity(kind: Kind) -> Json:
    """Return group, version and kind."""
    return {"group": kind.group, "kind": kind.name, "version": kind.version}


def _operations(kind: Kind) -> Json:
    """Return the operations GET and PATCH of a kind."""
    parameters = ("dryRun", "fieldManager", "fieldValidation", "force")
    common = {
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": _identity(kind),
    }
    return {
        "get": {
            "operationId": f"read{kind.name}",
            "x-kubernetes-action": "get",
            **common,
        },
        "patch": {
            "operationId": f"patch{kind.name}",
            "parameters": [
                {"name": name, "in": "query", "schema": _TEXT} for name in parameters
            ],
            "x-kubernetes-action": "patch",
            **common,
        },
    }


def _schemas(kinds: list[Kind]) -> Json:
    """Return the schemas of kinds and of what their fields refer to, by name."""
    schemas: Json = {_EITHER: {"oneOf": [{"type": "integer"}, _TEXT]}}

    def refer(shape: Any) -> Json:  # noqa: ANN401  # a type
        name = shape.__name__.removeprefix("_")
        if name not in schemas:
            schemas[name] = {}  # a place for types that refer to themselves
            schemas[name] = _object(name, typing.get_type_hints(shape), refer)
        return _reference(name)

    for kind in kinds:
        fields = {"apiVersion": str, "kind": str, **shapes.fields_of(kind)}
        schema = _object(kind.name, fields, refer)
        identity = {"x-kubernetes-group-version-kind": [_identity(kind)]}
        description = {"description": descriptions.KINDS[kind.name]}
        schemas[kind.name] = {**schema, **description, **identity}
    return schemas


def _object(
    name: str,
    fields: Mapping[str, Any],
    refer: Callable[[Any], Json],
) -> Json:
    """Return the schema of an object with fields of these types."""
    properties = {
        field: {
            **_schema(type_, refer),
            "description": descriptions.of_field(name, field),
        }
        for field, type_ in fields.items()
    }
    return {"type": "object", "properties": properties}


def _reference(name: str) -> Json:
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def _schema(shape: Any, refer: Callable[[Any], Json]) -> Json:  # noqa: ANN401  # a type
    """Return the schema of a type; ``refer`` returns the reference to a class."""
    if shape in _PLAIN:
        return _PLAIN[shape]
    of = typing.get_args(shape)
    if typing.get_origin(shape) is list:
        return {"type": "array", "items": _schema(of[0], refer)}
    if typing.get_origin(shape) is dict:
        values = _schema(of[1], refer)
        return {"type": "object", "additionalProperties": values}
    if isinstance(shape, UnionType):
        return _reference(_EITHER)
    return refer(shape)
