"""Parses names of a cluster, relative to their zone (CoreDNS *kubernetes*, DNS spec 2).

From right to left: ``svc`` or ``pod``, namespace, Service or pod address, and then an
endpoint, or a port and a protocol. There are no wildcards, and no label is refused for
its characters: what is not a name in Kubernetes simply matches nothing.
"""

from collections.abc import Sequence

from msgspec import Struct


class ParsedName(Struct, frozen=True):
    """The meaning of the labels below ``svc`` or ``pod``; a part may be empty."""

    tree: str
    """svc or pod."""
    namespace: str
    service: str = ""
    """Name of the Service; below ``pod`` the label of an address."""
    endpoint: str = ""
    cluster: str = ""
    """Cluster id before a ServiceImport (multicluster)."""
    port: str = ""
    protocol: str = ""
    directive: str = ""
    """pin or prefer, or the label in that place, which is an error (zonal)."""
    zone: str = ""
    """Topology zone (zonal)."""


def parse(
    labels: Sequence[str],
    *,
    multicluster: bool = False,
    zonal: bool = False,
    strict: bool = False,
) -> ParsedName | None:
    """Return the meaning of the ``labels`` left of a zone; None if there are too many.

    There are at least two labels, the last of which is ``svc`` or ``pod``. ``zonal`` is
    not for multicluster zones. With ``strict``, port and protocol need their
    underscores (DNS spec 2.3.2).

    >>> parse(["_http", "_tcp", "web", "prod", "svc"]).port
    'http'
    """
    count = len(labels)
    tree, namespace = labels[-1], labels[-2]
    if count == 3:
        return ParsedName(tree, namespace, labels[0])
    if count == 2:
        return ParsedName(tree, namespace)
    service = labels[-3]
    if count == 4:
        return ParsedName(tree, namespace, service, labels[0])
    if zonal and count > 5 and labels[-4] == "_zone" and tree == "svc":
        directive, zone = labels[-5], ".".join(labels[:-5])
        return ParsedName(tree, namespace, service, directive=directive, zone=zone)
    if count > 5:
        return None
    left, right = labels[0], labels[1]
    if multicluster and not left.startswith("_") and not right.startswith("_"):
        return ParsedName(tree, namespace, service, endpoint=left, cluster=right)
    port, protocol = left.removeprefix("_"), right.removeprefix("_")
    if strict and not (port and protocol and left[0] == right[0] == "_"):
        return None
    return ParsedName(tree, namespace, service, port=port, protocol=protocol)
