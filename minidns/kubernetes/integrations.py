"""Values that other plugins read from *kubernetes*.

*metadata* reads labels of a query: the meaning of its name, and the Pod that sent it.
*autopath* reads the search list of that Pod.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from minidns.dns.model import Name, Query, Response
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.names import ParsedName
from minidns.kubernetes.records import within

Label: TypeAlias = Callable[[Query, Response | None], str]

NOT_READABLE = "invalid query name"
_NO_NAME = ParsedName("", "")


def parsed_name(cluster: ClusterZones, query: Query) -> ParsedName | None:
    """Return the meaning of the name of ``query``; None if it has none.

    All fields are empty for names outside the zones and names without a namespace.
    """
    name = query.question.qname
    zone = cluster.zone_of(name)
    if zone is None:
        return _NO_NAME
    labels = cluster.labels(name, zone)
    if not labels or labels in (["svc"], ["pod"]):
        return _NO_NAME
    if labels[-1] not in ("svc", "pod"):
        return None
    return cluster.parse(labels, zone)


def metadata_labels(cluster: ClusterZones) -> dict[str, Label]:
    """Return the labels of *kubernetes*, each with the function that reads it."""

    def field(attribute: str) -> Label:
        def label(query: Query, response: Response | None) -> str:
            return str(getattr(parsed_name(cluster, query), attribute, ""))

        return label

    def parse_error(query: Query, response: Response | None) -> str:
        return "" if parsed_name(cluster, query) else NOT_READABLE

    def client(attribute: str) -> Label:
        def label(query: Query, response: Response | None) -> str:
            pod = cluster.main.pod_at(query.peer[0])
            return str(getattr(pod.key, attribute)) if pod else ""

        return label

    return {
        "kubernetes/endpoint": field("endpoint"),
        "kubernetes/service": field("service"),
        "kubernetes/namespace": field("namespace"),
        "kubernetes/kind": field("tree"),
        "kubernetes/port-name": field("port"),
        "kubernetes/protocol": field("protocol"),
        "kubernetes/cluster": field("cluster"),
        "kubernetes/zone": field("zone"),
        "kubernetes/parse-error": parse_error,
        "kubernetes/client-namespace": client("namespace"),
        "kubernetes/client-pod-name": client("name"),
    }


class SearchLists:
    """The search lists that a kubelet writes for Pods with ``ClusterFirst``.

    ``own`` are the search domains of the machine, which come after those of the
    cluster in each list.
    """

    def __init__(self, cluster: ClusterZones, own: Sequence[Name]) -> None:
        self._cluster = cluster
        self._own = own

    def of(self, query: Query) -> tuple[Name, ...]:
        """Return the search list of the client; empty if it is no known Pod.

        The list ends with an empty name, for the query name without any domain.
        """
        zone = self._cluster.zone_of(query.question.qname)
        if zone is None or self._cluster.options.pods != "verified":
            return ()
        pod = self._cluster.main.pod_at(query.peer[0])
        if pod is None:
            return ()
        services = within("svc.", zone)
        return (f"{pod.key.namespace}.{services}", services, zone, *self._own, "")
