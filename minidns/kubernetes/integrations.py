"""What *metadata* may say of a query by what its name asks for, and who asks."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from minidns.dns import names
from minidns.dns.model import Name, Query, Response
from minidns.kubernetes import names as grammar
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.records import within

Label: TypeAlias = Callable[[Query, Response | None], str]

NOT_READABLE = "invalid query name"


def asked(answers: ClusterZones, query: Query) -> grammar.ParsedName | None:
    """Return what the name of ``query`` asks for; None when it cannot be read.

    Nothing is said by names outside the zones, and by those without a namespace.
    """
    name = query.question.qname
    zone = answers.zone_of(name)
    nothing = grammar.ParsedName("", "")
    if zone is None:
        return nothing
    labels = names.labels(name)[: -len(names.labels(zone)) or None]
    if not labels or labels in (["svc"], ["pod"]):
        return nothing
    if labels[-1] not in ("svc", "pod"):
        return None
    lookup = answers.lookup(zone)
    zonal = answers.options.zonal and not lookup.imports
    return grammar.read(labels, multicluster=lookup.imports, zonal=zonal)


def labels(answers: ClusterZones) -> dict[str, Label]:
    """Return the labels that *kubernetes* knows, each with what finds it."""

    def field(name: str) -> Label:
        def label(query: Query, response: Response | None) -> str:
            return str(getattr(asked(answers, query), name, ""))

        return label

    def parse_error(query: Query, response: Response | None) -> str:
        return "" if asked(answers, query) else NOT_READABLE

    def client(field: str) -> Label:
        def label(query: Query, response: Response | None) -> str:
            pod = answers.main.pod_at(query.peer[0])
            return str(getattr(pod.key, field)) if pod else ""

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
    """The lists that a kubelet writes for Pods with ``ClusterFirst``.

    ``own`` are the search domains of the machine, which stand behind those of the
    cluster in each of them.
    """

    def __init__(self, answers: ClusterZones, own: Sequence[Name]) -> None:
        self._answers = answers
        self._own = own

    def of(self, query: Query) -> tuple[Name, ...]:
        """Return the search list of who asks; empty when it is no Pod we know of.

        Ends with an empty name, for the name without any domain.
        """
        zone = self._answers.zone_of(query.question.qname)
        if zone is None or self._answers.options.pods != "verified":
            return ()
        pod = self._answers.main.pod_at(query.peer[0])
        if pod is None:
            return ()
        services = within("svc.", zone)
        return (f"{pod.key.namespace}.{services}", services, zone, *self._own, "")
