"""What the objects of a cluster said about names, and when: the oracle of explorations.

The rules are those of the DNS specification of Kubernetes (2.3 and 2.4) for addresses,
written down a second time and without any code of the server.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from minidns.dns.model import Rcode

from ...api.objects import dig, labels_of
from ...api.server import ClusterApi
from ...api.store import Change
from . import plan

LABEL = "kubernetes.io/service-name"


class Answer(NamedTuple):
    """The response code and the addresses of an answer."""

    rcode: int
    addresses: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return the answer in words."""
        if self.addresses:
            return ", ".join(sorted(self.addresses))
        return "NODATA" if self.rcode == Rcode.NOERROR else Rcode(self.rcode).name


DENIED = Answer(Rcode.NXDOMAIN)


def truth(cluster: ClusterApi, name: str) -> Answer:
    """Return the answer to an A question for ``name`` by the current objects."""
    if name == plan.EXTERNAL:
        return Answer(Rcode.NOERROR, frozenset(("192.0.2.7",)))
    service = cluster.find("Service", "default", name.split(".")[0])
    if service is None:
        return DENIED
    address = dig(service, "spec.clusterIP")
    if address != "None":
        return Answer(Rcode.NOERROR, frozenset((address,)))
    addresses = frozenset(_ready(cluster, service["metadata"]["name"]))
    return Answer(Rcode.NOERROR, addresses) if addresses else DENIED


def _ready(cluster: ClusterApi, service: str) -> Iterator[str]:
    for slice_ in cluster.list("EndpointSlice", "default"):
        if labels_of(slice_).get(LABEL) == service:
            for end in slice_.get("endpoints") or ():
                if (end.get("conditions") or {}).get("ready") is not False:
                    yield from end["addresses"]


class History:
    """The answers to every name since the start, by the time of changes."""

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
        for name in plan.NAMES:
            answers = self._answers.setdefault(name, [])
            answer = truth(self._cluster, name)
            if not answers or answers[-1][1] != answer:
                answers.append((self._now(), answer))

    def between(self, name: str, since: float, until: float) -> set[Answer]:
        """Return the answers that were right at some time from ``since`` to ``until``.

        A Service that is created and gets its endpoints within one moment may be seen
        without them.
        """
        result = set[Answer]()
        for (start, answer), end in zip(
            self._answers[name],
            [at for at, _ in self._answers[name][1:]] + [float("inf")],
            strict=True,
        ):
            if start <= until and end >= since:
                result.add(answer)
        return result
