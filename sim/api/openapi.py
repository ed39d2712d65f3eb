"""OpenAPI v3, as little of it as `kubectl apply` and `create` look at.

They ask whether PATCH of a kind takes `fieldValidation`. There are no schemas: `kubectl
explain` has nothing to explain, and unknown fields are not refused. Clients before 1.29
want OpenAPI v2 in protobuf instead and need `--validate=false`.
"""

from .kinds import KINDS, Kind
from .objects import Json

INDEX = "/openapi/v3"


def document(path: str) -> Json | None:
    """Return the document at ``path``, None if there is none."""
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
        "paths": {_path(kind): {"patch": _patch(kind)} for kind in kinds},
        "components": {"schemas": {}},
    }


def _path(kind: Kind) -> str:
    """Return the path of one object of a kind, as a template."""
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"{kind.prefix}{namespace}/{kind.plural}/{{name}}"


def _patch(kind: Kind) -> Json:
    """Return the operation that changes one object of a kind."""
    parameters = ("dryRun", "fieldManager", "fieldValidation", "force")
    return {
        "operationId": f"patch{kind.name}",
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}}
            for name in parameters
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": kind.group,
            "kind": kind.name,
            "version": kind.version,
        },
    }
