"""A server on loopback that histories are played on, and the oracle beside it."""

import asyncio
import socket
import sys
from collections.abc import Hashable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from minidns.server.instance import Instance, Listener
from minidns.server.listener import ListenerSockets
from minidns.upstream.exchange import Sockets
from tests.history import steps
from tests.history.cluster import FIRST, OBJECTS, Cluster, State
from tests.history.corefiles import Played
from tests.history.replies import Seen, seen
from tests.history.steps import CLIENTS, Ask, Change, Pass, Step
from tests.history.upstream import Upstream
from tests.world import World, settle

_PATIENCE_S = 2.0
_HELD_S = 1.1
"""Seconds after which *kubernetes* has let go of the last endpoints that left."""


class _NoEndpoints:
    """HTTP endpoints that are never opened."""

    def add(self, address: str, path: str, handler: Any) -> Any:
        async def close() -> None: ...

        return close

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class _Client:
    """A client at one address: its datagrams, and a connection to each listener."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = "::1" if ":" in host else "127.0.0.1"
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._sock: socket.socket | None = None
        self._streams: dict[int, asyncio.StreamWriter] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._id = 0

    def open(self) -> None:
        self._sock = socket.socket(self._family, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind((self._host, 0))
        asyncio.get_running_loop().add_reader(self._sock, self._read)

    def close(self) -> None:
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
        for writer in self._streams.values():
            writer.transport.abort()
        for task in self._readers:
            task.cancel()

    def _read(self) -> None:
        assert self._sock is not None
        try:
            while True:
                self._take(self._sock.recv(65535))
        except BlockingIOError:
            return

    def _take(self, wire: bytes) -> None:
        waiting = self._waiting.pop(int.from_bytes(wire[:2]), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(wire)

    async def send(self, port: int, wire: bytes, transport: str) -> "asyncio.Future[bytes]":
        """Send a query under a fresh id; return what its reply will be."""
        self._id = self._id % 0xFFFF + 1
        reply = asyncio.get_running_loop().create_future()
        self._waiting[self._id] = reply
        whole = self._id.to_bytes(2) + wire
        if transport == "udp":
            assert self._sock is not None
            self._sock.sendto(whole, (self._server, port))
        else:
            writer = await self._stream(port)
            writer.write(len(whole).to_bytes(2) + whole)
        return reply

    async def _stream(self, port: int) -> asyncio.StreamWriter:
        writer = self._streams.get(port)
        if writer is None or writer.is_closing():
            reader, writer = await asyncio.open_connection(self._server, port, local_addr=(self._host, 0))
            self._streams[port] = writer
            task = asyncio.get_running_loop().create_task(self._hear(reader, writer))
            self._readers.add(task)
            task.add_done_callback(self._readers.discard)
        return writer

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                self._take(await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()


class Server:
    """One Corefile at work: its listeners on loopback, which all share one instance."""

    def __init__(self, played: Played, upstream_port: int) -> None:
        self.cluster = Cluster()
        self._world = world = World(list_watch=self.cluster.list_watch)
        self._sockets = Sockets(world.metrics)
        self._edges = replace(world.edges, exchange=self._sockets, environ={}, files=played.files)
        self._parsed = played.parsed(upstream_port)
        self._loaded: Instance | None = None
        self._listening: dict[Listener, ListenerSockets] = {}
        self._clients = {host: _Client(host) for host in CLIENTS}

    @property
    def listeners(self) -> int:
        """The number of listeners."""
        return len(self._listening)

    async def open(self) -> None:
        """Begin to answer.

        Raises:
            ConfigError: the Corefile cannot be used.

        """
        self._loaded = await self._load()
        for listener in self._loaded.routes:
            self._listening[listener] = await self._listen(listener)
        self._answer()
        for client in self._clients.values():
            client.open()

    async def _listen(self, listener: Listener) -> ListenerSockets:
        """Open ports of the kernel's choice, which may be free for IPv4 alone."""
        anywhere = listener._replace(port=0, host="")
        metrics, now = self._world.metrics, self._world.clock.now
        for _ in range(20):
            listening = ListenerSockets(anywhere, metrics, now, lambda: None)
            try:
                await listening.open(None)
            except OSError:
                await listening.close(0)
            else:
                return listening
        raise AssertionError("no port that is free for both families")

    async def close(self) -> None:
        """End everything."""
        for client in self._clients.values():
            client.close()
        await asyncio.gather(*(each.close(0) for each in self._listening.values()))
        if self._loaded is not None:
            await self._loaded.stop()
        await self._sockets.close()

    async def _load(self) -> Instance:
        loaded = Instance(
            self._parsed,
            self._edges,
            self._world.metrics,
            read=lambda: self._parsed,
            reload=_never,
            fatal=lambda text: None,
            forget=self._forget,
            endpoints=_NoEndpoints(),
        )
        await loaded.start()
        await settle()
        return loaded

    def _answer(self) -> None:
        assert self._loaded is not None
        for listener, listening in self._listening.items():
            self._loaded.answer(listener, listening.answerer)
            listening.memory.clear()

    def _forget(self, keys: Iterable[Hashable]) -> None:
        stale = tuple(keys)
        for each in self._listening.values():
            each.memory.invalidate(stale)

    async def reset(self, state: State = FIRST) -> None:
        """Forget everything, as a reload does; the cluster is in ``state``."""
        assert self._loaded is not None
        self.cluster.become(state)
        await self._loaded.stop()
        self._loaded = await self._load()
        self._answer()

    async def change(self, change: Change) -> None:
        """Write to the cluster, and let the server hear of it."""
        state = list(self.cluster.state)
        state[change.number] = change.variant
        if self.cluster.become(tuple(state)):
            await settle()
            await self.pass_(_HELD_S)

    async def pass_(self, seconds: float) -> None:
        """Let time pass."""
        await self._world.clock.advance(seconds)

    async def ask(self, ask: Ask) -> bytes | None:
        """Ask as often as ``ask`` says; return the last reply, None for silence."""
        form = ask.form
        client = self._clients[form.client]
        port = list(self._listening.values())[ask.listener].port
        wire = form.wire(ask.name)
        reply: asyncio.Future[bytes]
        for number in range(ask.times):
            reply = await client.send(port, wire, form.transport)
            is_last = number == ask.times - 1
            if is_last and ask.is_lost:
                return None
            if ask.is_awaited or is_last:
                try:
                    async with asyncio.timeout(_PATIENCE_S):
                        await reply
                except TimeoutError:
                    return None
        return reply.result()


async def _never() -> None:
    raise AssertionError("nobody reloads")


class Different(AssertionError):
    """A reply that depends on what was asked before."""


class Stage:
    """A server for histories, and one that is reset before each of its queries."""

    def __init__(self, played: Played) -> None:
        self.played = played
        self.upstream = Upstream()
        self._fresh_replies: dict[tuple[State, Ask], frozenset[Seen]] = {}
        self._stack = AsyncExitStack()
        self.histories = self.queries = self.oracles = 0

    async def open(self) -> None:
        """Start the servers, and the resolver that they forward to.

        Raises:
            ConfigError: the Corefile cannot be used.

        """
        try:
            await self.upstream.open()
            self._stack.callback(self.upstream.close)
            self._used = await self._server()
            self._fresh = await self._server()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End them."""
        await self._stack.aclose()

    async def _server(self) -> Server:
        server = Server(self.played, self.upstream.port)
        self._stack.push_async_callback(server.close)
        await server.open()
        return server

    async def play(self, rng: Random) -> None:
        """Play a random history; after each query compare with a server that is fresh.

        Raises:
            Different: a reply shows what was asked before.

        """
        used = self._used
        history = steps.history(rng, self.played.names, used.listeners, len(OBJECTS))
        await used.reset()
        states = {used.cluster.state}
        for number, step in enumerate(history):
            if isinstance(step, Change):
                await used.change(step)
                states.add(used.cluster.state)
            elif isinstance(step, Pass):
                await used.pass_(step.seconds)
            else:
                reply = await used.ask(step)
                self.queries += step.times
                if not step.is_lost:
                    await self._compare(history[: number + 1], step, reply, states)
        self.histories += 1

    async def _compare(self, history: list[Step], ask: Ask, reply: bytes | None, states: set[State]) -> None:
        got = seen(ask.form.wire(ask.name), reply)
        allowed: set[Seen] = set()
        if not self.played.caches(ask.name):
            states = {self._used.cluster.state}
        for state in states:
            allowed |= await self._replies(state, ask)
            if got in allowed:
                return
        told = "\n".join(map(str, history))
        raise Different(f"{self.played.name}:\n{told}\ngot {got}\nnot {allowed}")

    async def _replies(self, state: State, ask: Ask) -> frozenset[Seen]:
        """Return the replies of a server that hears nothing but this, three times.

        The second may have AA from the *cache*, the third may be a remembered one.
        """
        once = Ask(ask.name, ask.form, ask.listener, 1)
        known = self._fresh_replies.get((state, once))
        if known is None:
            self.oracles += 1
            await self._fresh.reset(state)
            _clear_caches()
            wire = ask.form.wire(ask.name)
            replies = [seen(wire, await self._fresh.ask(once)) for _ in range(3)]
            known = self._fresh_replies[state, once] = frozenset(replies)
        return known


@cache
def _caches() -> tuple[Any, ...]:
    """Return the functions of minidns that keep what they returned."""
    modules = [each for name, each in sys.modules.items() if name.startswith("minidns")]
    found = (value for module in modules for value in vars(module).values())
    return tuple(each for each in set(filter(callable, filter(_is_hashable, found))) if hasattr(each, "cache_clear"))


def _is_hashable(value: object) -> bool:
    return type(value).__hash__ is not None


def _clear_caches() -> None:
    """Let no function know what it was called with: also that is a history."""
    for each in _caches():
        each.cache_clear()
