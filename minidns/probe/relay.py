"""A byte relay between a Service and the pods of another: arm R of a trial.

Theory of operation
-------------------

The relay shows whether CoreDNS fails although the path to it is a different one. So it
must neither hide nor add a failure. It does what kube-proxy does, and nothing else:

* each flow goes to one pod, drawn at random when its first packet comes. A flow of UDP
  is a client's address and port, forgotten after `FLOW_S` without a packet; a flow of
  TCP is a connection;
* bytes pass unchanged in both directions. Nothing is sent twice, stored, or checked,
  and no pod is avoided because it did not answer. *forward* would try the next
  upstream, and so acquit a CoreDNS that is guilty;
* a failure on the way to the pod is the client's to see: a refused connection is reset,
  and a lost datagram stays lost. Only an ICMP message ends here; the client waits.

Every query and every reply is reported with the pod that it went to, so that a query
without a reply can be told from one that never arrived.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol, TypeAlias, cast

from minidns.dns.model import Address
from minidns.probe.exchange import connected
from minidns.probe.servers import Target

FLOW_S = 30.0
"""Seconds without a packet after which a flow ends (nf_conntrack_udp_timeout)."""
_MAX_FLOWS = 10_000
_CHUNK = 65536


class Passed(NamedTuple):
    """A message that passed the relay."""

    at: float
    """Time in seconds since the epoch."""
    client: Address
    pod: str
    transport: str
    is_reply: bool
    ident: int
    """ID of the message over UDP; 0 over TCP, whose bytes are not looked at."""
    size: int
    failure: str = ""
    """Why the pod did not get the query: ``refused`` or ``unreachable``."""


Report: TypeAlias = Callable[[Passed], None]


class Pods(Protocol):
    """The pods to relay to, as they are now."""

    def __call__(self) -> Sequence[Target]:
        """Return the ready pods; none if there are none."""
        ...


class _Flow:
    """One client's datagrams, and the connected socket to the pod that gets them."""

    def __init__(self, client: Address, pod: Target, to_client: "ToClient") -> None:
        """Connect to the pod.

        Raises:
            OSError: there is no way to the pod, or no socket is left.

        """
        self.client, self.pod = client, pod
        self._to_client = to_client
        self._loop = asyncio.get_running_loop()
        self.last_s = self._loop.time()
        """Time of the loop at which the last packet passed."""
        self._sock = connected(pod.address)
        self._loop.add_reader(self._sock, self._read)

    def close(self) -> None:
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def send(self, query: bytes) -> str:
        """Send a query to the pod; return why that failed, or an empty text."""
        self.last_s = self._loop.time()
        try:
            self._sock.send(query)
        except OSError as error:
            return _failure(error)
        return ""

    def _read(self) -> None:
        while True:
            try:
                reply = self._sock.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError as error:
                self._to_client(self, b"", _failure(error))
                return
            self.last_s = self._loop.time()
            self._to_client(self, reply, "")


ToClient: TypeAlias = Callable[[_Flow, bytes, str], None]
"""Takes a reply of the pod, or why there is none."""


def _failure(error: OSError) -> str:
    is_refused = isinstance(error, ConnectionRefusedError)
    return "refused" if is_refused else "unreachable"


class _Datagrams(asyncio.DatagramProtocol):
    """The relay's listening socket for UDP."""

    def __init__(self, pods: Pods, rng: Random, report: Report) -> None:
        self._pods, self._rng, self._report = pods, rng, report
        self._flows: dict[Address, _Flow] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for flow in self._flows.values():
            flow.close()
        self._flows.clear()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        flow = self._flows.get(addr)
        if flow is None:
            pods = self._pods()
            if not pods or len(self._flows) >= _MAX_FLOWS:
                # a Service without endpoints, or a full conntrack table
                self._passed(addr, "", data, failure="unreachable")
                return
            pod = self._rng.choice(pods)
            try:
                flow = self._flows[addr] = _Flow(addr, pod, self._reply)
            except OSError as error:
                self._passed(addr, pod.label, data, failure=_failure(error))
                return
            asyncio.get_running_loop().call_later(FLOW_S, self._end_if_idle, flow)
        self._passed(addr, flow.pod.label, data, failure=flow.send(data))

    def _reply(self, flow: _Flow, reply: bytes, failure: str) -> None:
        self._passed(flow.client, flow.pod.label, reply, is_reply=True, failure=failure)
        if not failure:
            self._transport.sendto(reply, flow.client)

    def _passed(
        self,
        client: Address,
        pod: str,
        message: bytes,
        *,
        is_reply: bool = False,
        failure: str = "",
    ) -> None:
        at, ident = time.time_ns() / 1e9, int.from_bytes(message[:2])
        size = len(message)
        self._report(Passed(at, client[:2], pod, "udp", is_reply, ident, size, failure))

    def _end_if_idle(self, flow: _Flow) -> None:
        if self._flows.get(flow.client) is not flow:
            return  # the relay was closed meanwhile
        loop = asyncio.get_running_loop()
        left = flow.last_s + FLOW_S - loop.time()
        if left > 0:
            loop.call_later(left, self._end_if_idle, flow)
        else:
            del self._flows[flow.client]
            flow.close()


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay that listens; `close` ends it."""

    address: Address
    _datagrams: asyncio.DatagramTransport
    _streams: asyncio.Server

    async def close(self) -> None:
        """Stop listening, and end all flows."""
        self._datagrams.close()
        self._streams.close()
        await self._streams.wait_closed()


async def relay(listen: Address, pods: Pods, rng: Random, report: Report) -> Relay:
    """Listen over UDP and TCP, and pass everything on to ``pods``.

    Raises:
        OSError: the address cannot be listened at.

    """

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await _pass_stream(reader, writer, pods, rng, report)

    loop = asyncio.get_running_loop()
    streams = await asyncio.start_server(connected, *listen)
    address: Address = streams.sockets[0].getsockname()[:2]
    try:
        datagrams, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(pods, rng, report), local_addr=address
        )
    except OSError:
        streams.close()
        raise
    return Relay(address, datagrams, streams)


async def _pass_stream(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    pods: Pods,
    rng: Random,
    report: Report,
) -> None:
    """Pass one connection on; whichever side ends it, the other sees that."""
    client = cast(Address, writer.get_extra_info("peername")[:2])
    ready = pods()
    pod = rng.choice(ready) if ready else None
    to_pod: asyncio.StreamWriter | None = None

    def passed(size: int, *, is_reply: bool, failure: str = "") -> None:
        label = pod.label if pod else ""
        at = time.time_ns() / 1e9
        report(Passed(at, client, label, "tcp", is_reply, 0, size, failure))

    try:
        if pod is None:
            passed(0, is_reply=False, failure="unreachable")
            return
        from_pod, to_pod = await asyncio.open_connection(*pod.address)
        await asyncio.gather(
            _copy(reader, to_pod, lambda size: passed(size, is_reply=False)),
            _copy(from_pod, writer, lambda size: passed(size, is_reply=True)),
        )
    except OSError as error:
        passed(0, is_reply=to_pod is not None, failure=_failure(error))
    finally:
        for each in (writer, to_pod):
            if each is not None:
                each.transport.abort()


async def _copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    passed: Callable[[int], None],
) -> None:
    while data := await reader.read(_CHUNK):
        passed(len(data))
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
