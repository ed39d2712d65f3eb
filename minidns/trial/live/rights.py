"""The rights that a trial needs, and which of them the user has."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minidns.kubernetes.documents import Documents, Refused

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Right(NamedTuple):
    """A verb on a resource in a namespace."""

    verb: str
    resource: str
    """The plural, with a subresource as in pods/attach."""
    group: str
    namespace: str

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group} in {self.namespace}"


_CLIENTS = (
    ("create", "jobs", "batch"),
    ("get", "jobs", "batch"),
    ("list", "jobs", "batch"),
    ("delete", "jobs", "batch"),
    ("list", "pods", ""),
    ("create", "pods/attach", ""),
    ("get", "pods/attach", ""),
)
_RELAYS = (
    ("create", "services", ""),
    ("get", "services", ""),
    ("list", "services", ""),
    ("delete", "services", ""),
)
_SERVERS = (
    ("list", "deployments", "apps"),
    ("create", "deployments", "apps"),
    ("get", "deployments", "apps"),
    ("delete", "deployments", "apps"),
    ("get", "configmaps", ""),
    ("list", "configmaps", ""),
    ("create", "configmaps", ""),
    ("delete", "configmaps", ""),
    ("create", "endpointslices", "discovery.k8s.io"),
    ("list", "endpointslices", "discovery.k8s.io"),
    ("patch", "endpointslices", "discovery.k8s.io"),
    ("delete", "endpointslices", "discovery.k8s.io"),
)


def of_clients(namespace: str) -> tuple[Right, ...]:
    """Return the rights without which there is no trial: clients for arm A."""
    return _in(namespace, _CLIENTS)


def of_replicas(dns: str) -> tuple[Right, ...]:
    """Return the rights to learn CoreDNS's pods, for arms D and R."""
    return _in(
        dns, (("list", "endpointslices", "discovery.k8s.io"), ("get", "services", ""))
    )


def of_relays(namespace: str) -> tuple[Right, ...]:
    """Return the rights for arm R."""
    return _in(namespace, (*_CLIENTS, *_RELAYS))


def to_see(namespace: str) -> Right:
    """Return the right to see whether a trial is there: its Jobs are the first."""
    return Right("list", "jobs", "batch", namespace)


def of_servers(dns: str) -> tuple[Right, ...]:
    """Return the rights for minidns beside CoreDNS: arms M, P, K, KP, V and VP."""
    return _in(dns, (*_CLIENTS, *_RELAYS, *_SERVERS))


def _in(namespace: str, rows: Iterable[tuple[str, str, str]]) -> tuple[Right, ...]:
    return tuple(Right(*row, namespace) for row in rows)


async def missing(api: Documents, rights: Iterable[Right]) -> Sequence[Right]:
    """Return those of ``rights`` that the user does not have.

    A cluster that does not answer such reviews refuses the requests themselves.
    """
    return [right for right in rights if not await _is_allowed(api, right)]


async def _is_allowed(api: Documents, right: Right) -> bool:
    resource, _, sub = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "namespace": right.namespace,
        **({"subresource": sub} if sub else {}),
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await api.create(REVIEWS, review)
    except Refused:
        return True
    return bool((answer.get("status") or {}).get("allowed"))
