"""A container whose only name server is the simulated internet, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import NamedTuple

from minidns.dns.model import Address
from sim.node.container import Container
from sim.node.internet import Internet
from sim.node.kube_proxy import Flow
from sim.node.over_sockets import Path
from sim.resolver.kinds import GLIBC, Kind


class Wire(NamedTuple):
    """One real server behind every address."""

    path: Path

    def route(self, flow: Flow) -> Path:
        return self.path

    def client_of(self, flow: Flow) -> Address:
        return flow.client

    def race(self, flow: Flow, first: Path) -> Path:
        return first

    def replied(self, flow: Flow) -> None:
        pass

    def real_of(self, endpoint: Address, protocol: str) -> Address | None:
        return self.path.real


class Outside(NamedTuple):
    """The container and where its server really is."""

    container: Container
    real: Address


@asynccontextmanager
async def outside(resolv_conf: str = "nameserver 127.0.0.1\n", libc: Kind = GLIBC) -> AsyncIterator[Outside]:
    async with Internet().serving() as real:
        wire = Wire(Path(("127.0.0.1", 53), real))
        container = Container("10.244.1.5", resolv_conf, wire, libc, Random(1))
        yield Outside(container, real)


def unreachable(*, refused: bool = False) -> Container:
    """A container whose name server is not there, or is a Service without endpoints."""
    wire = Wire(Path(None, None, refused))
    conf = "nameserver 10.96.0.20\noptions timeout:1 attempts:1\n"
    return Container("10.244.1.5", conf, wire, GLIBC, Random(1))
