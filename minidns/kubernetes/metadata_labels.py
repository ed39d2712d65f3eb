"""What *metadata* may say of a query by what its name asks for, and who asks."""

from collections.abc import Callable
from typing import TypeAlias

from minidns.dns import names
from minidns.dns.model import Query, Response
from minidns.kubernetes import names as grammar
from minidns.kubernetes.answers import Answers

Label: TypeAlias = Callable[[Query, Response | None], str]

NOT_READABLE = "invalid query name"


def asked(answers: Answers, query: Query) -> grammar.Asked | None:
    """Return what the name of ``query`` asks for; None when it cannot be read.

    Nothing is said by names outside the zones, and by those without a namespace.
    """
    name = query.question.qname
    zone = answers.zone_of(name)
    nothing = grammar.Asked("", "")
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


def labels(answers: Answers) -> dict[str, Label]:
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
