"""A container of a pod, for name resolution: address, resolv.conf and C library."""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from minidns.dns.rdata import rcode_name, type_name
from minidns.stub.protocol import BOTH, Lookup, Resolver

from ..resolver.kinds import GLIBC, Kind
from .links import Links
from .over_sockets import LookupResult, Network, QueryRecord, resolve


class Output(NamedTuple):
    """The exit status and output of a command, and the queries that it sent."""

    status: int
    text: str
    queries: tuple[QueryRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """A place where commands run and programs look names up."""

    address: str
    """The pod's cluster address."""
    resolv_conf: str
    """Content of /etc/resolv.conf."""
    network: Network
    libc: Kind = GLIBC
    """The resolver of its programs."""
    rng: Random = field(default_factory=Random)
    links: Links = field(default_factory=Links)
    """The links between the container and the servers."""
    hosts: str = ""
    """Content of /etc/hosts."""
    hostname: str = ""

    async def getaddrinfo(
        self, name: str, types: tuple[int, ...] = BOTH
    ) -> LookupResult:
        """Look ``name`` up as a program of the container that has just started."""
        return await self.look_up(
            self.libc.make(self.resolv_conf, self.rng), name, types
        )

    async def look_up(
        self, resolver: Resolver, name: str, types: tuple[int, ...]
    ) -> LookupResult:
        """Look ``name`` up with ``resolver``."""
        lookup = Lookup(resolver, resolver.look_up(name, types))
        return await resolve(lookup, self.address, self.network, self.links)


def query_lines(queries: tuple[QueryRecord, ...]) -> list[str]:
    """Return a line per query: question, server, endpoint, rcode and milliseconds."""
    width = max((len(query.send.question.qname) for query in queries), default=0)
    return [_query_line(query, width) for query in queries]


def _query_line(query: QueryRecord, width: int) -> str:
    question, path = query.send.question, query.path
    where = "nobody"
    if path.endpoint is not None:
        host, port = path.endpoint
        where = f"{host}:{port}"
    outcome = "no endpoint" if path.refused else "no reply"
    if query.reply is not None:
        outcome = rcode_name(query.reply.rcode)
        if not query.reply.rcode and not query.reply.answer:
            outcome = "NODATA"
        outcome = f"{outcome:9} {query.ms:6.1f} ms"
    tcp = " over TCP" if query.send.transport == "tcp" else ""
    return (
        f"{question.qname:{width}} {type_name(question.qtype):5}"
        f" {query.send.server} -> {where}{tcp}  {outcome}"
    )
