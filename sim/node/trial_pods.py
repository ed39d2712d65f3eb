"""The relays and clients of trials: the code of real pods over simulated links."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from minidns.commands import relay as relay_command
from minidns.dns.model import Address
from minidns.probe.relay import Passed, Relay, relay
from minidns.probe.servers import Target
from minidns.trial import resolving
from minidns.trial.live import client

from ..api.kubelet_paths import Streams
from .container import Container
from .kind_corefile import HOST
from .over_sockets import resolve
from .passage import Passage, passage


@dataclass(slots=True)
class RelayPod:
    """A relay that runs."""

    port: int
    """The port in its pod."""
    relay: Relay
    passages: list[Passage]
    listeners: list[Callable[[Passed], None]] = field(default_factory=list)

    @property
    def address(self) -> Address:
        """The address of its sockets on loopback."""
        return self.relay.address

    async def close(self) -> None:
        """End the relay."""
        await self.relay.close()
        for way in self.passages:
            await way.close()

    async def report(self, streams: Streams) -> None:
        """Write a line for each message that passes, until standard input ends."""
        lines: asyncio.Queue[str] = asyncio.Queue()

        def listen(passed: Passed) -> None:
            lines.put_nowait(relay_command.line(passed))

        self.listeners.append(listen)
        ended = asyncio.ensure_future(streams.stdin.read())
        following = asyncio.ensure_future(lines.get())
        try:
            while not ended.done():
                await asyncio.wait(
                    (following, ended), return_when=asyncio.FIRST_COMPLETED
                )
                if following.done():
                    text = following.result()
                    following = asyncio.ensure_future(lines.get())
                    await streams.write(f"{text}\n".encode())
        finally:
            following.cancel()
            ended.cancel()
            self.listeners.remove(listen)


async def relay_pod(container: Container, words: list[str]) -> RelayPod:
    """Start the relay of a pod with the arguments ``words``."""
    args = relay_command.parser().parse(words)
    place = container.address, container.network, container.links
    passages = [await passage(*place, server) for server in args.servers]
    pods = [
        Target(server, way.address)
        for server, way in zip(args.servers, passages, strict=True)
    ]
    listeners: list[Callable[[Passed], None]] = []

    def report(passed: Passed) -> None:
        for listener in listeners:
            listener(passed)

    running = await relay((HOST, 0), lambda: pods, Random(), report)
    return RelayPod(args.listen.address[1], running, passages, listeners)


async def serve_client(container: Container, streams: Streams) -> None:
    """Make the lookups that lines on standard input ask for."""

    async def look_up(asked: client.Request) -> client.Response:
        lookup = resolving.lookup(
            asked.name, asked.types, asked.manner, asked.address, container.rng
        )
        began = asyncio.get_running_loop().time()
        got = await resolve(
            lookup, container.address, container.network, container.links
        )
        end, first = resolving.ending(got.outcome), got.queries[0]
        return client.Response(
            asked.number,
            asyncio.get_running_loop().time() - began,
            end.outcome,
            end.rcode,
            tuple(sorted(end.addresses)),
            first.port,
            int.from_bytes(first.send.wire[:2]),
            got.queries[-1].send.transport,
        )

    await client.serve(streams.stdin, streams.write, look_up)
