"""The part of OpenAPI v3 that `kubectl apply` and `kubectl create` read.

They check whether PATCH of a kind accepts `fieldValidation`. There are no schemas:
`kubectl explain` shows nothing and unknown fields are accepted. Clients before 1.29
read OpenAPI v2 in protobuf and need `--validate=false`.
"""

from .kind import Kind
from .kinds import KINDS
from .objects import Json

INDEX = "/openapi/v3"


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
        "paths": {_path(kind): {"patch": _patch(kind)} for kind in kinds},
        "components": {"schemas": {}},
    }


def _path(kind: Kind) -> str:
    """Return the path template of one object of a kind."""
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"{kind.prefix}{namespace}/{kind.plural}/{{name}}"


def _patch(kind: Kind) -> Json:
    """Return the PATCH operation of a kind."""
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
