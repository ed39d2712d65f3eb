"""The links of a network with their faults, for messages in memory and on sockets."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from minidns.dns.model import Address
from minidns.stub.protocol import Transport

from .faults import HOP_S, Fault, Faults, Locate, Packet, Place
from .kube_proxy import Flow
from .server_faults import ServerFaults, query_of

_NOWHERE = Place(frozenset())
_ANY_PACKET = Packet(_NOWHERE, _NOWHERE, "udp", 0)


@dataclass(slots=True)
class Losses:
    """The next messages of a type over UDP that are lost, of all servers."""

    what: str
    """query or reply"""
    qtype: int
    left: int
    lost: int = 0


@dataclass(slots=True)
class Links:
    """Decides what befalls a message on its way and at the server."""

    servers: ServerFaults = field(default_factory=ServerFaults)
    locate: Locate = lambda address, service: Place(frozenset((address,)))
    addresses: Callable[[str], Collection[str]] = lambda name: ()
    """Maps the name of a server to its addresses, for interceptors."""
    losses: dict[str, Losses] = field(default_factory=dict)
    """The next losses by their words."""
    _repeated: dict[tuple[str, bytes], tuple[float, bytes]] = field(
        default_factory=dict
    )
    """The replies that interceptors repeat, with the time of their end."""

    @property
    def faults(self) -> Faults:
        """The active faults."""
        return self.servers.faults

    @property
    def is_faulty(self) -> bool:
        """Whether there is any fault."""
        return bool(self.faults.active or self.servers.silent or self.losses)

    def names_of(self, address: str) -> frozenset[str]:
        """Return the names of the server at an address."""
        return self.locate(address, address).names

    def packet(
        self,
        flow: Flow,
        endpoint: Address,
        transport: Transport,
        size: int,
        *,
        second: bool = False,
    ) -> Packet:
        """Return the packet that carries a query of ``flow`` to ``endpoint``.

        ``second`` says that another query left the same socket at the same moment.
        """
        if not self.faults.active:  # the names of the places are not needed
            return _ANY_PACKET
        source = self.locate(flow.client[0], flow.client[0])
        destination = self.locate(endpoint[0], flow.server[0])
        return Packet(source, destination, transport, size, flow, second)

    def delays_s(self, packet: Packet) -> tuple[float, ...]:
        """Return the seconds until each delivery of a packet."""
        if not self.faults.active or packet.source is _NOWHERE:
            return (HOP_S,)
        return self.faults.delays_s(packet)

    def loses(self, what: str, wire: bytes, transport: Transport) -> bool:
        """Return whether the query ``wire``, or the reply to it, is the next lost one.

        ``what`` is query or reply.
        """
        if transport != "udp" or not self.losses:
            return False
        query = query_of(wire, transport)
        qtype = query.question.qtype if query else 0
        for losses in self.losses.values():
            if losses.left and losses.what == what and losses.qtype == qtype:
                losses.left -= 1
                losses.lost += 1
                return True
        return False

    def interceptor(self, packet: Packet) -> Fault | None:
        """Return the fault that answers a query on its way, or None."""
        return self.faults.interceptor(packet) if self.faults.active else None

    def repeated(self, fault: Fault, wire: bytes, now: float) -> bytes | None:
        """Return the reply to ``wire`` that an interceptor repeats, or None."""
        until, reply = self._repeated.get((fault.text, wire[2:]), (0.0, b""))
        return wire[:2] + reply[2:] if until > now else None

    def repeat(self, fault: Fault, wire: bytes, reply: bytes, now: float) -> None:
        """Let an interceptor repeat a reply, if it does so."""
        if fault.cache_s:
            self._repeated[fault.text, wire[2:]] = now + fault.cache_s, reply

    async def reply(
        self, at: Address, wire: bytes, transport: Transport, reply: bytes | None
    ) -> bytes | None:
        """Return the reply that leaves the server at ``at`` for the query ``wire``."""
        if not self.is_faulty:
            return reply
        names = self.names_of(at[0])
        return await self.servers.reply(at, names, wire, transport, reply)


def back(packet: Packet, size: int) -> Packet:
    """Return the packet of a reply to that of a query."""
    return packet._replace(
        source=packet.destination, destination=packet.source, size=size
    )
