"""The ways on which the page's queries reach the DNS service of a real cluster.

ClusterIPs are reached from nodes and pods, not from most laptops. From there a query
goes to one of the service's pods, through the API server, as with kubectl port-forward:
over TCP, and without kube-proxy.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol

from minidns.dns.model import Question
from minidns.dns.rdata import A
from minidns.dns.wire import encode_query
from minidns.kubernetes.documents import Documents, Refused
from minidns.kubernetes.resources import ApiError
from minidns.probe import exchange
from minidns.stub.protocol import Failure, Send
from minidns.walk.recorder import ACTIVE, NETWORK, PROXY
from minidns.walk.steps import Kind
from minidns.walk.wording import has_records, outcome

NAMESPACE, LABEL = "kube-system", "k8s-app=kube-dns"
DNS_PORT = 53
KNOWN = "kubernetes.default.svc.cluster.local."
"""A name that every cluster has: whoever knows it is the cluster's DNS."""
PATIENCE_S = 1.0
"""Time in which the DNS service must answer a first query, to be asked at all."""
LONGEST_S = 30.0
"""The resolver gives up before."""


class Endpoint(NamedTuple):
    """A ready endpoint of the DNS service."""

    address: str
    pod: str
    """The name of the Pod; empty if it is none."""
    port: int = DNS_PORT
    """The TCP port."""


class Service(NamedTuple):
    """The DNS service of the cluster."""

    name: str
    address: str
    endpoints: tuple[Endpoint, ...]
    """The ready endpoints."""


class Way(Protocol):
    """A way to the DNS service."""

    async def problem(self) -> str:
        """Return why no query can go this way; empty if it can."""
        ...

    async def __call__(self, send: Send) -> bytes | Failure | None:
        """Carry a query, and record what happens."""
        ...


@dataclass(frozen=True, slots=True)
class OverNetwork:
    """The way of pods: to the ClusterIP, through kube-proxy."""

    service: Service
    exchanges: Mapping[str, exchange.Exchange]
    """By transport: udp, tcp."""

    async def problem(self) -> str:
        """Return why the ClusterIP cannot be asked from here; empty if it can."""
        query = _known_name()
        at = (self.service.address, DNS_PORT)
        got = await self.exchanges["udp"](at, query, PATIENCE_S)
        if got.wire and has_records(got.wire):
            return ""
        why = got.reason or f"no reply in {PATIENCE_S:g} s"
        if got.wire:  # a program in between, that answers for all addresses
            why = f"what answers at its address says {outcome(got.wire)} for {KNOWN}"
        return f"{self.service.address} cannot be asked from this machine: {why}"

    async def __call__(self, send: Send) -> bytes | Failure | None:
        """Carry a query, and record what happens."""
        recorder = ACTIVE.get()
        assert recorder is not None
        recorder.query(send.wire, send.server, send.transport, "", {})
        if send.server == self.service.address:
            count = len(self.service.endpoints)
            says = (
                f"sends it to one of {count} ready endpoints of {self.service.name};"
                " which one, only the node knows"
            )
            facts = {
                "service": f"{NAMESPACE}/{self.service.name}",
                "cluster_ip": self.service.address,
                "candidates": [end.address for end in self.service.endpoints],
            }
            recorder.add(Kind.ROUTE, PROXY, says, facts)
        ask = self.exchanges[send.transport]
        got = await ask((send.server, DNS_PORT), send.wire, LONGEST_S)
        if got.wire:
            recorder.reply(got.wire, "")
            return got.wire
        return Failure.REFUSED if got.kind is exchange.Kind.REFUSED else None


@dataclass(frozen=True, slots=True)
class OverApi:
    """The way of kubectl port-forward: to one pod, through the API server, over TCP."""

    service: Service
    endpoint: Endpoint
    api: Documents
    instead: str
    """Why queries do not go to the ClusterIP."""

    async def problem(self) -> str:
        """Return why the pod cannot be asked; empty if it can."""
        try:
            async with asyncio.timeout(LONGEST_S):
                wire = await self._ask(_known_name())
        except Refused as refused:
            if refused.status != 403:
                return str(refused)
            return (
                "port-forward is not allowed: it needs the rights to get and create "
                f"pods/portforward in {NAMESPACE}"
            )
        except ApiError as error:
            return str(error)
        except TimeoutError:
            return f"no reply of pod {self.endpoint.pod} in {LONGEST_S:g} s"
        if not has_records(wire):
            said = outcome(wire) if wire else "nothing"
            return f"pod {self.endpoint.pod} says {said} for {KNOWN}"
        return ""

    async def __call__(self, send: Send) -> bytes | Failure | None:
        """Carry a query, and record what happens."""
        recorder = ACTIVE.get()
        assert recorder is not None
        recorder.query(send.wire, send.server, send.transport, "", {})
        pod = f"{NAMESPACE}/{self.endpoint.pod}"
        says = (
            f"carries it to pod {pod} over TCP through the API server (port-forward),"
            f" without kube-proxy: {self.instead}"
        )
        facts = {"pod": pod, "address": self.endpoint.address, "instead": self.instead}
        recorder.add(Kind.ROUTE, NETWORK, says, facts)
        try:
            wire = await self._ask(send.wire)
        except ApiError:
            return Failure.REFUSED
        if not wire:
            return None
        recorder.reply(wire, "")
        return wire

    async def _ask(self, query: bytes) -> bytes:
        """Return the reply to ``query``; empty if the connection ends before."""
        pod = f"/api/v1/namespaces/{NAMESPACE}/pods/{self.endpoint.pod}"
        came = b""
        async with self.api.port(pod, self.endpoint.port) as port:
            await port.write(len(query).to_bytes(2) + query)
            async for piece in port.pieces():
                came += piece
                end = 2 + int.from_bytes(came[:2])
                if len(came) > 2 and len(came) >= end:
                    return came[2:end]
        return b""


def _known_name() -> bytes:
    """Return a query for a name that every cluster has."""
    return encode_query(Question(KNOWN, A), Random().getrandbits(16))


async def find(
    service: Service, exchanges: Mapping[str, exchange.Exchange], api: Documents
) -> tuple[Way, str]:
    """Return a way to the service, and why none works; empty if one does."""
    network = OverNetwork(service, exchanges)
    instead = await network.problem()
    pods = [end for end in service.endpoints if end.pod]
    if not instead or not pods:
        return network, instead
    forward = OverApi(service, Random().choice(pods), api, instead)
    problem = await forward.problem()
    if not problem:
        return forward, ""
    return network, f"{instead}; through the API server neither: {problem}"
