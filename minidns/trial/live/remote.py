"""The port of a trial to a real cluster: lookups from the prober pods, over exec.

Each prober pod has one stream. The relay's log tells which CoreDNS pod got a query of
arm R: a query is found in it by the client's source port and the query's ID.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from minidns.kubernetes.documents import Documents
from minidns.kubernetes.exec import RemoteProcess
from minidns.trial.arms import Client, R, Target
from minidns.trial.live import agent
from minidns.trial.lookup import TIMEOUT_S, Outcome, Result, Subject

CONTAINER = "prober"
"""Name of the container in prober pods."""
PATIENCE_S = 4 * TIMEOUT_S
"""Seconds after which a lookup without a result counts as one without a reply."""
RELAY_WAIT_S = 0.5
"""Seconds that a result of arm R waits for the line of the relay."""
_MAX_FLOWS = 10_000


class Lost(Exception):
    """A prober pod has ended; ``str()`` says which one and why."""


class _Passed(msgspec.Struct):
    """The fields of a relay's line that matter here."""

    client: str
    pod: str
    reply: bool
    id: int


class Flows:
    """The pods that got the queries of arm R, by source port and ID."""

    def __init__(self) -> None:
        self._pods: OrderedDict[tuple[int, int], str] = OrderedDict()
        self._news = asyncio.Event()

    def add(self, line: bytes) -> None:
        """Read a line of a relay's log; other lines are ignored."""
        try:
            passed = msgspec.json.decode(line, type=_Passed)
        except ValueError:
            return
        if passed.reply or not passed.pod:
            return
        port = int(passed.client.rpartition(":")[2])
        self._pods[port, passed.id] = passed.pod
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
    """The standard streams of a prober."""

    async def write(self, data: bytes) -> None:
        """Send a line."""
        ...

    def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines that it prints."""
        ...


@dataclass(slots=True)
class _Pod:
    """A prober pod, and the lookups that it makes."""

    client: Client
    stream: Stream
    waiting: dict[int, "asyncio.Future[agent.Response]"] = field(default_factory=dict)
    ended: str = ""
    """Why no more results come; empty while they do."""

    async def read(self) -> None:
        """Hand out results until the prober ends."""
        reason = "its program ended"
        try:
            async for line in self.stream.lines():
                with suppress(ValueError):
                    got = agent.response(line)
                    if (result := self.waiting.pop(got.number, None)) is not None:
                        result.set_result(got)
        except Exception as error:  # whatever ends the stream ends the prober
            reason = str(error) or "the connection broke off"
        self.ended = f"prober pod {self.client.pod}: {reason}"
        for result in self.waiting.values():
            result.set_exception(Lost(self.ended))
        self.waiting.clear()


class RemoteProber:
    """Makes lookups from prober pods; see `minidns.trial.lookup.Prober`."""

    def __init__(self, streams: Mapping[Client, Stream], flows: Flows) -> None:
        self._pods = {
            client: _Pod(client, stream) for client, stream in streams.items()
        }
        self._flows = flows
        self._number = 0

    async def run(self) -> None:
        """Hand out results until every prober has ended."""
        await asyncio.gather(*(pod.read() for pod in self._pods.values()))

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        """Make one lookup.

        Raises:
            Lost: the prober pod has ended.

        """
        pod = self._pods[client]
        if pod.ended:
            raise Lost(pod.ended)
        loop = asyncio.get_running_loop()
        self._number += 1
        number, sent_at = self._number, loop.time()
        waiting: asyncio.Future[agent.Response] = loop.create_future()
        pod.waiting[number] = waiting
        await pod.stream.write(agent.request(number, target, subject))
        try:
            async with asyncio.timeout(PATIENCE_S):
                got = await waiting
        except TimeoutError:
            return Result(sent_at, PATIENCE_S, Outcome.SILENT, replica=target.replica)
        finally:
            pod.waiting.pop(number, None)
        result = got.result(sent_at, target)
        if target.arm == R and result.transport == "udp":
            pod_name = await self._flows.pod_of(result.source_port, result.ident)
            return replace(result, replica=pod_name)
        return result


@asynccontextmanager
async def probing(
    api: Documents, pods: Mapping[Client, str], command: tuple[str, ...], flows: Flows
) -> AsyncIterator[RemoteProber]:
    """Start ``command`` in the prober pods, which are given by path.

    Raises:
        ApiError: exec is refused, or breaks off.

    """
    async with AsyncExitStack() as stack:
        streams: dict[Client, RemoteProcess] = {}
        for client, path in pods.items():
            running = api.process(path, CONTAINER, command, stdin=True)
            streams[client] = await stack.enter_async_context(running)
        prober = RemoteProber(streams, flows)
        reading = asyncio.ensure_future(prober.run())
        try:
            yield prober
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
