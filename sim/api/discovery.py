"""Discovery of groups, versions and kinds, aggregated and unaggregated."""

from collections.abc import Iterator

from .kind import Kind
from .kinds import KINDS
from .objects import Json

VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)
SUB_VERBS = ("get", "patch", "update")
AGGREGATED = ("v2", "v2beta1")
"""Versions of aggregated discovery, preferred first."""


def is_path(path: str) -> bool:
    """Return whether discovery answers at ``path``."""
    return path in _DOCUMENTS


def document(path: str, accept: str) -> tuple[Json, str]:
    """Return the discovery document at ``path`` and its media type."""
    if path in ("/api", "/apis"):
        for version in AGGREGATED:
            if f"v={version};as=APIGroupDiscoveryList" in accept:
                form = f"g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                return _aggregated(path, version), f"application/json;{form}"
    return _DOCUMENTS[path], "application/json"


def _groups() -> list[str]:
    """Return the groups in the order of KINDS; the core group is the empty text."""
    return list(dict.fromkeys(kind.group for kind in KINDS))


def _kinds(group: str) -> list[Kind]:
    """Return the kinds of a group."""
    return [kind for kind in KINDS if kind.group == group]


def _resources(group: str) -> Iterator[Json]:
    """Yield the resources and subresources of a group, unaggregated."""
    for kind in _kinds(group):
        main: Json = {
            "name": kind.plural,
            "singularName": kind.name.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": list(VERBS),
        }
        if kind.short:
            main["shortNames"] = list(kind.short)
        if kind.categories:
            main["categories"] = list(kind.categories)
        yield main
        for name, response in _subresources(kind):
            yield {
                "name": f"{kind.plural}/{name}",
                "singularName": "",
                "namespaced": kind.namespaced,
                "verbs": list(SUB_VERBS),
                **response,
            }


def _subresources(kind: Kind) -> Iterator[tuple[str, Json]]:
    """Yield the name and the response kind of each subresource."""
    if kind.has_status:
        own = {"group": kind.group, "version": kind.version, "kind": kind.name}
        yield "status", own
    if kind.has_scale:
        yield "scale", {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def _group(name: str) -> Json:
    """Return a group of APIGroupList."""
    version = _kinds(name)[0].version
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def _documents() -> Iterator[tuple[str, Json]]:
    """Yield the path and the document of unaggregated discovery."""
    yield "/api", {"kind": "APIVersions", "versions": ["v1"]}
    groups = [_group(name) for name in _groups() if name]
    yield "/apis", {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for group in groups:
        name = group["name"]
        yield f"/apis/{name}", {"kind": "APIGroup", "apiVersion": "v1", **group}
    for name in _groups():
        first = _kinds(name)[0]
        yield (
            first.prefix,
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": first.api_version,
                "resources": list(_resources(name)),
            },
        )


_DOCUMENTS = dict(_documents())


def _aggregated(path: str, version: str) -> Json:
    """Return the core group, or all others, as one APIGroupDiscoveryList."""
    groups = [name for name in _groups() if bool(name) == (path == "/apis")]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": name} if name else {},
                "versions": [
                    {
                        "version": _kinds(name)[0].version,
                        "resources": [_entry(kind) for kind in _kinds(name)],
                        "freshness": "Current",
                    }
                ],
            }
            for name in groups
        ],
    }


def _entry(kind: Kind) -> Json:
    """Return one resource of an aggregated discovery document."""
    response = {"group": kind.group, "version": kind.version, "kind": kind.name}
    entry: Json = {
        "resource": kind.plural,
        "responseKind": response,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.name.lower(),
        "verbs": list(VERBS),
        "shortNames": list(kind.short),
        "categories": list(kind.categories),
    }
    entry["subresources"] = [
        {"subresource": name, "responseKind": kind_, "verbs": list(SUB_VERBS)}
        for name, kind_ in _subresources(kind)
    ]
    return entry
