"""What the objects of a cluster said about names, and when: the oracle of explorations.

The rules are those of the DNS specification of Kubernetes (2.3 and 2.4), written down a
second time and without any code of the server.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from minidns.dns.model import Rcode

from ...api.objects import Json, dig, labels_of
from ...api.server import ClusterApi
from ...api.store import Change
from . import plan

LABEL = "kubernetes.io/service-name"


class Answer(NamedTuple):
    """The response code of an answer and its data of the type in question."""

    rcode: int
    data: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return the answer in words."""
        if self.data:
            return ", ".join(sorted(self.data))
        return "NODATA" if self.rcode == Rcode.NOERROR else Rcode(self.rcode).name


DENIED = Answer(Rcode.NXDOMAIN)
NODATA = Answer(Rcode.NOERROR)


def truth(cluster: ClusterApi, question: str) -> Answer:
    """Return the answer to ``NAME TYPE`` by the current objects."""
    name, rtype = question.split()
    if name == plan.EXTERNAL:
        return _found("192.0.2.7")
    if rtype == "PTR":
        return _reverse(cluster, ".".join(reversed(name.split(".")[:4])))
    labels = name.removeprefix("_http._tcp.").split(".")
    service = cluster.find("Service", "default", labels[0])
    if service is None:
        return DENIED
    address = str(dig(service, "spec.clusterIP"))
    addresses = {address} if address != "None" else set(_ready(cluster, labels[0]))
    if not addresses:
        return DENIED
    match rtype:
        case "A":
            return _found(*addresses)
        case "SRV":
            return _found(f"0 100 80 {'.'.join(labels)}.")
    return NODATA


def _found(*data: str) -> Answer:
    return Answer(Rcode.NOERROR, frozenset(data))


def _reverse(cluster: ClusterApi, address: str) -> Answer:
    """Return the names of the Services with a ClusterIP."""
    services: list[Json] = cluster.list("Service", "default")
    owners = [s for s in services if dig(s, "spec.clusterIP") == address]
    zone = f"default.{plan.ZONE}"
    names = [f"{service['metadata']['name']}.{zone}." for service in owners]
    return _found(*names) if names else DENIED


def _ready(cluster: ClusterApi, service: str) -> Iterator[str]:
    for slice_ in cluster.list("EndpointSlice", "default"):
        if labels_of(slice_).get(LABEL) == service:
            for end in slice_.get("endpoints") or ():
                if (end.get("conditions") or {}).get("ready") is not False:
                    yield from end["addresses"]


class History:
    """The answers to every question since the start, by the time of changes."""

    def __init__(self, cluster: ClusterApi, now: Callable[[], float]) -> None:
        self._cluster = cluster
        self._now = now
        self._answers: dict[str, list[tuple[float, Answer]]] = {}
        self._note()
        cluster.subscribe(self._on_change)

    def _on_change(self, change: Change) -> None:
        if change.kind.name in ("Service", "EndpointSlice"):
            self._note()

    def _note(self) -> None:
        for question in plan.QUESTIONS:
            answers = self._answers.setdefault(question, [])
            answer = truth(self._cluster, question)
            if not answers or answers[-1][1] != answer:
                answers.append((self._now(), answer))

    def between(self, question: str, since: float, until: float) -> set[Answer]:
        """Return the answers that were right at some time from ``since`` to ``until``.

        A Service that is created and gets its endpoints within one moment may be seen
        without them.
        """
        result = set[Answer]()
        for (start, answer), end in zip(
            self._answers[question],
            [at for at, _ in self._answers[question][1:]] + [float("inf")],
            strict=True,
        ):
            if start <= until and end >= since:
                result.add(answer)
        return result
