"""The walk of a lookup as values: steps with who did them, and their JSON form.

Stable fields of the JSON form of a step: ``kind``, ``ms`` (milliseconds since the start
of the lookup), ``who``, ``says`` (one sentence), ``lane`` (the number of the query that
it belongs to, from 1 in the order of sending; 0 for the whole lookup), ``inside`` (the
lane of the query that a DNS server handled when it sent this one to its upstream; 0
otherwise), ``facts`` (what the sentence is made of) and ``packet`` (``hex`` and
``fields``, null without a packet).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from minidns.dns.model import FormatError
from minidns.walk.dissect import dissect

Facts: TypeAlias = Mapping[str, Any]
"""Values of JSON by name."""


class Kind(StrEnum):
    """What a step is about."""

    CALL = "call"
    """The program calls its resolver."""
    CONFIG = "config"
    """The resolver reads its resolv.conf."""
    QUERY = "query"
    """A query leaves its sender."""
    ROUTE = "route"
    """kube-proxy selects the endpoint of a packet to a ClusterIP."""
    FAULT = "fault"
    """A fault affects the packet or the server."""
    RECEIVE = "receive"
    """A DNS server receives the query."""
    PLUGIN = "plugin"
    """A plugin of the server decides."""
    REASON = "reason"
    """The objects that the answer follows from, or what nearly matched."""
    ANSWER = "answer"
    """The reply as the server has made it."""
    REPLY = "reply"
    """The reply reaches the sender of the query."""
    REFUSED = "refused"
    """A node refuses the packet."""
    TIMEOUT = "timeout"
    """The resolver has waited long enough."""
    RESULT = "result"
    """The program has the result."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a lookup; see the module for its fields."""

    kind: Kind
    at: float
    """Seconds since the start of the lookup."""
    who: str
    says: str
    lane: int = 0
    inside: int = 0
    facts: Facts = field(default_factory=dict)
    wire: bytes = b""
    """The packet, if the step is about one."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind": self.kind.value,
            "ms": round(self.at * 1000, 3),
            "who": self.who,
            "says": self.says,
            "lane": self.lane,
            "inside": self.inside,
            "facts": dict(self.facts),
            "packet": packet(self.wire) if self.wire else None,
        }


def packet(wire: bytes) -> dict[str, Any]:
    """Return a message as hexadecimal digits, beside its fields with their offsets."""
    try:
        fields = [each._asdict() for each in dissect(wire)]
    except FormatError:
        fields = []
    return {"hex": wire.hex(), "fields": fields}


class Client(NamedTuple):
    """The program that looks a name up."""

    pod: str
    """Namespace and name with a slash."""
    resolver: str
    """The name of its stub resolver."""
    resolv_conf: str
    """Content of its /etc/resolv.conf."""
    replaced: tuple[str, ...] | None = None
    """The name servers of the pod's own file, if the walk puts another one in their
    place; None if the file is as the kubelet wrote it."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A lookup from the call to the result, with one DNS service."""

    service: str
    """The name of the DNS service, such as kube-dns."""
    server: str
    """The address in the resolv.conf."""
    is_own: bool
    """Whether the pod has this server in its resolv.conf; if not, it takes the place of
    that server in this walk."""
    client: Client
    name: str
    steps: tuple[Step, ...]
    sees_server: bool = True
    """Whether the steps have what happens in the DNS server; if not, nothing is known
    of its plugins and its upstream."""
    note: str = ""
    """What to know when this walk is compared with the others, as a sentence."""

    @property
    def result(self) -> Step:
        """The last step."""
        return self.steps[-1]

    @property
    def queries(self) -> int:
        """The number of queries of the stub resolver."""
        own = (step for step in self.steps if step.kind is Kind.QUERY)
        return sum(not step.inside for step in own)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "service": self.service,
            "server": self.server,
            "own": self.is_own,
            "pod": self.client.pod,
            "resolver": self.client.resolver,
            "resolv_conf": self.client.resolv_conf,
            "name": self.name,
            "sees_server": self.sees_server,
            "note": self.note,
            "queries": self.queries,
            "ms": round(self.result.at * 1000, 3),
            "steps": [step.to_json() for step in self.steps],
        }
