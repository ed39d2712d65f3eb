"""A whole Corefile at work in memory: asked in bytes, by a client's or upstream's side.

Everything of minidns is real but the edges: time moves by hand, files are in a dict,
upstreams and the API server are scripts of the test.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from minidns import plugins
from minidns.corefile import blocks
from minidns.corefile.releases import NEWEST, Release
from minidns.metrics.traffic import Traffic
from minidns.server.answer import Answerer
from minidns.server.instance import Instance, Listener
from minidns.upstream.upstream import Upstream
from tests.conformance.api import Api
from tests.world import World

CLIENT, SERVER = "192.0.2.200", "192.0.2.53"
Message = dns.message.Message


@dataclass
class Resolver:
    """The upstream of *forward*: records by name and type; NXDOMAIN for other names."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    change: Callable[[Message, Message], Message | None] = lambda query, reply: reply
    """Makes another reply of the right one; None for silence."""
    asked: list[Message] = field(default_factory=list)
    to: list[Upstream] = field(default_factory=list)
    soa: str = ". 600 SOA ns.example.org. admin.example.org. 1 2 3 4 5"

    async def __call__(self, to: Upstream, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        self.asked.append(query)
        self.to.append(to)
        reply = self.change(query, self._reply(query))
        if reply is None:
            raise TimeoutError(f"read udp 192.0.2.1:40000->{to}: i/o timeout")
        return reply.to_wire(max_size=65535)

    @property
    def names(self) -> list[str]:
        """Names asked for, in order."""
        return [str(each.question[0].name) for each in self.asked]

    def _reply(self, query: Message) -> Message:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        question = query.question[0]
        key = (str(question.name), dns.rdatatype.to_text(question.rdtype))
        if key in self.records:
            reply.answer = rrsets(self.records[key])
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
            reply.authority = rrsets([self.soa])
        return reply


def rrsets(lines: Sequence[str]) -> list[dns.rrset.RRset]:
    """Return records from lines ``owner ttl TYPE data``."""
    found = []
    for line in lines:
        owner, ttl, rtype, data = line.split(" ", 3)
        found.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, data))
    return found


@dataclass
class Whole:
    """A loaded and started Corefile."""

    world: World
    instance: Instance
    resolver: Resolver

    def listener(self, number: int = 0) -> Listener:
        return list(self.instance.routes)[number]

    def answerer(self, listener: Listener | None = None) -> Answerer:
        listener = listener or self.listener()
        return Answerer(
            str(listener), self.instance.routes[listener], unserved=Traffic(self.world.metrics).count_dropped
        )

    async def reply(
        self,
        wire: bytes,
        transport: Literal["udp", "tcp"] = "udp",
        peer: str = CLIENT,
        listener: Listener | None = None,
    ) -> bytes | None:
        """Return the bytes that a client gets back; None for nothing."""
        answerer = self.answerer(listener)
        query = answerer.decode(wire, transport, (peer, 40000), (SERVER, 53))
        if query is None or isinstance(query, bytes):
            return query
        return next(iter(await answerer.answer(query)), None)

    async def ask(
        self,
        name: str,
        qtype: str = "A",
        *,
        qclass: str = "IN",
        do: bool | None = None,
        flags: int = dns.flags.RD,
        transport: Literal["udp", "tcp"] = "udp",
        peer: str = CLIENT,
        listener: Listener | None = None,
    ) -> Message:
        """Return the reply to a question; ``do`` says whether with EDNS and the bit."""
        query = dns.message.make_query(
            name, qtype, qclass, flags=flags, want_dnssec=bool(do),
            use_edns=None if do is None else 0,
        )  # fmt: skip
        wire = await self.reply(query.to_wire(), transport, peer, listener)
        assert wire is not None, f"no reply to {name} {qtype}"
        reply = dns.message.from_wire(wire)
        assert reply.id == query.id
        return reply

    async def lines(self, name: str, qtype: str = "A") -> list[str]:
        """Return rcode and records of an answer; see ``shown``."""
        return shown(await self.ask(name, qtype))

    async def pass_(self, seconds: float) -> None:
        """Let time pass."""
        await self.world.clock.advance(seconds)


def shown(message: Message) -> list[str]:
    """Return the rcode and the sorted answer of ``message``."""
    lines = [line for rrset in message.answer for line in rrset.to_text().splitlines()]
    return [dns.rcode.to_text(message.rcode()), *sorted(lines)]


def ttls(message: Message) -> set[int]:
    """Return the TTLs in all sections."""
    sections = (message.answer, message.authority, message.additional)
    return {rrset.ttl for section in sections for rrset in section}


async def _nothing() -> None: ...


@contextlib.asynccontextmanager
async def whole(
    text: str,
    *,
    files: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
    resolver: Resolver | None = None,
    api: Api | None = None,
    start: bool = True,
    seed: int = 1,
    release: Release = NEWEST,
) -> AsyncIterator[Whole]:
    """Load ``text``, do what comes before and after the sockets open."""
    resolver = resolver or Resolver()
    incluster = {"KUBERNETES_SERVICE_HOST": SERVER, "KUBERNETES_SERVICE_PORT": "443"}
    world = World(
        files={"/etc/resolv.conf": "nameserver 192.0.2.1\n", **(files or {})},
        environ={**incluster, **(environ or {})},
        answer=resolver,
        list_watch=(api or Api([])).list_watch,
        seed=seed,
    )
    parsed = blocks.parse(
        text, files=world.files, environ=world.edges.environ, known=plugins.order(release), directory="/etc/coredns"
    )
    instance = Instance(
        parsed,
        world.edges,
        world.metrics,
        read=lambda: parsed,
        reload=_nothing,
        fatal=lambda text: None,
        forget=lambda keys: None,
        release=release,
    )
    try:
        if start:
            await instance.start()
            await instance.serving()
        yield Whole(world, instance, resolver)
    finally:
        await instance.stop()
