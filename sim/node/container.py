"""A container of a pod, as far as name resolution goes: address, resolv.conf, libc."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

from minidns.dns.rdata import rcode_name, type_name

from ..resolver.protocol import Session
from ..resolver.search import BOTH, GLIBC, Lookup, Policy, Status
from .over_sockets import Asked, Network, Resolved, resolve


class Output(NamedTuple):
    """What a command in a container printed, and what it put on the wire."""

    status: int
    text: str
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """Where commands run and programs look names up."""

    address: str
    """The pod's, in the cluster."""
    resolv_conf: str
    """Text of its /etc/resolv.conf."""
    network: Network
    libc: Policy = GLIBC
    rng: Random = field(default_factory=Random)

    async def getaddrinfo(self, name: str, types: tuple[int, ...] = BOTH) -> Resolved:
        """Look ``name`` up as a program linked to the container's C library does."""
        return await self.look_up(self.libc, name, types)

    async def look_up(
        self,
        policy: Policy,
        name: str,
        types: tuple[int, ...],
        *,
        server: str = "",
        flags: frozenset[str] = frozenset(),
    ) -> Resolved:
        """Look ``name`` up by ``policy``; ``server`` instead of those in the file."""
        conf = policy.reading.conf(self.resolv_conf)
        conf = replace(conf, flags=conf.flags | flags)
        if server:
            conf = replace(conf, servers=(server,))
        lookup = Lookup(Session(conf, self.rng), policy, name, types)
        return await resolve(lookup, self.address, self.network)


async def getent(container: Container, words: list[str]) -> Output:
    """Run ``getent ahosts NAME``: what getaddrinfo gives to programs."""
    match words:
        case ["ahosts", name]:
            resolved = await container.getaddrinfo(name)
        case _:
            return Output(1, "usage: getent ahosts NAME\n")
    if resolved.outcome.status is not Status.ANSWERED:
        return Output(2, "", resolved.asked)
    shown = resolved.outcome.name.removesuffix(".")
    lines = []
    for address in resolved.outcome.addresses:
        lines += [f"{address:15} STREAM {shown}", f"{address:15} DGRAM"]
        lines += [f"{address:15} RAW"]
        shown = ""
    return Output(0, "".join(line.rstrip() + "\n" for line in lines), resolved.asked)


def query_lines(asked: tuple[Asked, ...]) -> list[str]:
    """Return one line per query: question, server and endpoint, rcode, milliseconds."""
    width = max((len(each.send.question.qname) for each in asked), default=0)
    return [_query_line(each, width) for each in asked]


def _query_line(asked: Asked, width: int) -> str:
    question, path = asked.send.question, asked.path
    where = "nobody"
    if path.endpoint is not None:
        host, port = path.endpoint
        where = f"{host}:{port}"
    outcome = "no endpoint" if path.refused else "no reply"
    if asked.reply is not None:
        outcome = rcode_name(asked.reply.rcode)
        if not asked.reply.rcode and not asked.reply.answer:
            outcome = "NODATA"
        outcome = f"{outcome:9} {asked.ms:6.1f} ms"
    tcp = " over TCP" if asked.send.transport == "tcp" else ""
    return (
        f"{question.qname:{width}} {type_name(question.qtype):5}"
        f" {asked.send.server} -> {where}{tcp}  {outcome}"
    )
