"""The port of a trial to a cluster: lookups from client pods, over attached streams.

Each client pod has one stream. The relays of arm R report each query with the CoreDNS
pod that got it: a query is found there by the client's source port and the query's ID.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import ApiError
from minidns.trial.arms import Client, R, Target
from minidns.trial.live import client as protocol
from minidns.trial.lookup import TIMEOUT_S, Outcome, Result, Subject

PATIENCE_S = 4 * TIMEOUT_S
"""Seconds after which a lookup has no result: its client, or the way to it, is late."""
RELAY_WAIT_S = 0.5
"""Seconds that a result of arm R waits for the line of the relay."""
_MAX_FLOWS = 10_000


class Lost(Exception):
    """A client pod has ended; ``str()`` says which one and why."""


class _Passed(msgspec.Struct):
    """The fields of a relay's line that matter here."""

    client: str
    pod: str
    reply: bool
    id: int


class Flows:
    """The pods that got the queries of arm R, by source port and ID."""

    def __init__(self, pods: Mapping[str, str]) -> None:
        """Take the names of CoreDNS's ``pods`` by their addresses."""
        self._names = pods
        self._pods: OrderedDict[tuple[int, int], str] = OrderedDict()
        self._news = asyncio.Event()

    def add(self, line: bytes) -> None:
        """Read a line of a relay; other lines are ignored."""
        try:
            passed = msgspec.json.decode(line, type=_Passed)
        except ValueError:
            return
        if passed.reply or passed.pod not in self._names:
            return
        port = int(passed.client.rpartition(":")[2])
        self._pods[port, passed.id] = self._names[passed.pod]
        if len(self._pods) > _MAX_FLOWS:
            self._pods.popitem(last=False)
        self._news.set()

    async def pod_of(self, source_port: int, ident: int) -> str:
        """Return the pod that got a query; empty if no relay tells in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RELAY_WAIT_S):
                while (source_port, ident) not in self._pods:
                    self._news.clear()
                    await self._news.wait()
        return self._pods.pop((source_port, ident), "")


class Stream(Protocol):
    """The standard streams of a program in a pod."""

    async def write(self, data: bytes) -> None:
        """Send a line."""
        ...

    def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines that it prints."""
        ...


@dataclass(slots=True)
class _Pod:
    """A client pod, and the lookups that it makes."""

    client: Client
    stream: Stream
    waiting: dict[int, "asyncio.Future[protocol.Response]"] = field(
        default_factory=dict
    )
    ended: str = ""
    """Why no more results come; empty while they do."""

    async def read(self) -> None:
        """Hand out results until the program ends."""
        reason = "its program ended"
        try:
            async for line in self.stream.lines():
                with suppress(ValueError):
                    got = protocol.response(line)
                    if (result := self.waiting.pop(got.number, None)) is not None:
                        result.set_result(got)
        except (ApiError, OSError) as error:
            reason = str(error) or "the connection broke off"
        self.ended = f"client pod {self.client.pod}: {reason}"
        for result in self.waiting.values():
            if not result.done():
                result.set_exception(Lost(self.ended))
        self.waiting.clear()


class RemoteProber:
    """Makes lookups from client pods; see `minidns.trial.lookup.Prober`."""

    def __init__(self, streams: Mapping[Client, Stream], flows: Flows) -> None:
        self._pods = {
            client: _Pod(client, stream) for client, stream in streams.items()
        }
        self._flows = flows
        self._number = 0

    async def run(self) -> None:
        """Hand out results until every client has ended."""
        await asyncio.gather(*(pod.read() for pod in self._pods.values()))

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        """Make one lookup.

        Raises:
            Lost: the client pod has ended.

        """
        pod = self._pods[client]
        if pod.ended:
            raise Lost(pod.ended)
        loop = asyncio.get_running_loop()
        self._number += 1
        number, sent_at = self._number, loop.time()
        waiting: asyncio.Future[protocol.Response] = loop.create_future()
        pod.waiting[number] = waiting
        try:
            await pod.stream.write(protocol.request(number, target, subject))
            async with asyncio.timeout(PATIENCE_S):
                got = await waiting
        except TimeoutError:
            return Result(
                sent_at,
                PATIENCE_S,
                Outcome.SILENT,
                replica=target.replica,
                late_s=PATIENCE_S,
            )
        except OSError as error:
            raise Lost(f"client pod {client.pod}: the connection broke off") from error
        finally:
            pod.waiting.pop(number, None)
        result = got.result(sent_at, target)
        if target.arm == R and result.transport == "udp":
            name = await self._flows.pod_of(result.source_port, result.ident)
            return replace(result, replica=name)
        return result


@asynccontextmanager
async def attached(
    api: Documents,
    clients: Mapping[Client, str],
    relays: Iterable[str],
    flows: Flows,
) -> AsyncIterator[RemoteProber]:
    """Attach to client pods and relays; their programs end with the block.

    ``clients`` and ``relays`` have the paths of pods in the API; the container of each
    has the name of the pod's role.

    Raises:
        ApiError: attaching is refused, or breaks off.

    """

    async def read_relay(stream: Stream) -> None:
        with suppress(ApiError, OSError):  # without it, arm R does not name replicas
            async for line in stream.lines():
                flows.add(line)

    async with AsyncExitStack() as stack:
        streams = {
            client: await stack.enter_async_context(api.attach(path, CLIENT))
            for client, path in clients.items()
        }
        reports = [
            await stack.enter_async_context(api.attach(path, RELAY)) for path in relays
        ]
        prober = RemoteProber(streams, flows)
        reading = asyncio.gather(prober.run(), *map(read_relay, reports))
        try:
            yield prober
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


CLIENT, RELAY = "client", "relay"
"""Names of the containers of the two Jobs."""
