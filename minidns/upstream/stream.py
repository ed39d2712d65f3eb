"""Connections to upstreams over TCP and TLS, and the pool of idle ones.

A connection carries one query at a time. Between queries it stays open for a while. The
connection that has been idle longest is reused first, so that source ports change
(CoreDNS).
"""

import asyncio
import ssl
from collections import deque
from typing import TypeVar

from minidns.upstream.acceptance import Doubtful
from minidns.upstream.tls import servername, system_trust, tls_failure
from minidns.upstream.upstream import GRACE_S, Accept, Upstream, joined, reason

T = TypeVar("T")

MAX_REJECTED = 10
"""Number of replies to other queries after which an exchange fails (BIND)."""


class Closed(ConnectionError):
    """The upstream closed the connection before it replied."""


class Stream:
    """One connection to an upstream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.opened_at = asyncio.get_running_loop().time()
        self.expiry: asyncio.TimerHandle | None = None
        """Closes the connection when it has been idle for too long."""
        here, there = (writer.get_extra_info(end) for end in ("sockname", "peername"))
        self._path = f"tcp {joined(*here[:2])}->{joined(*there[:2])}"

    @property
    def is_open(self) -> bool:
        """True if the connection can be used for another query, as far as is known."""
        return not (
            self._writer.is_closing()
            or self._reader.at_eof()
            or self._reader.exception() is not None
        )

    async def ask(self, wire: bytes, deadline: float, accept: Accept[T]) -> T:
        """Return the first accepted reply to the query ``wire``; see ``Exchange``.

        Raises:
            Closed: the connection ended first.
            DnsError: the outcome of a doubtful reply.
            TimeoutError: no reply before ``deadline`` (loop seconds).
            OSError: any other failure; also after too many replies to other queries.

        """
        doubtful: list[Doubtful[T]] = []
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                self._writer.write(len(wire).to_bytes(2) + wire)
                for _ in range(MAX_REJECTED):
                    reply = accept(await self._read_message())
                    if isinstance(reply, Doubtful):
                        doubtful.append(reply)
                        soon = asyncio.get_running_loop().time() + GRACE_S
                        timeout.reschedule(min(timeout.when() or deadline, soon))
                    elif reply is not None:
                        return reply
        except (OSError, asyncio.IncompleteReadError) as exc:
            if not doubtful:
                raise self._failure(exc) from None
        if doubtful:
            return doubtful[0].settled()
        raise ConnectionError(f"read {self._path}: only replies to other queries")

    def _failure(self, error: Exception) -> OSError:
        if isinstance(error, TimeoutError):
            return TimeoutError(f"read {self._path}: i/o timeout")
        if isinstance(error, asyncio.IncompleteReadError):
            return Closed("unexpected EOF" if error.partial else "EOF")
        if isinstance(error, ssl.SSLError):
            return ConnectionError(tls_failure(error))
        assert isinstance(error, OSError)
        return Closed(f"read {self._path}: read: {reason(error)}")

    async def _read_message(self) -> bytes:
        """Return the next message, which has its length before it (RFC 1035 4.2.2)."""
        length = int.from_bytes(await self._reader.readexactly(2))
        return await self._reader.readexactly(length)

    def close(self) -> None:
        """Close the connection at once."""
        if self.expiry is not None:
            self.expiry.cancel()
        # not close(): a peer that does not read would keep the socket alive
        self._writer.transport.abort()


async def dial(to: Upstream, deadline: float) -> Stream:
    """Return a new connection to ``to``, over TLS if that is its transport.

    Raises:
        TimeoutError: it was not open before ``deadline`` (loop seconds).
        OSError: refused, unreachable, or the certificate is not trusted.

    """
    where = f"dial tcp {to}"
    secure = to.transport == "tls"
    try:
        async with asyncio.timeout_at(deadline):
            return Stream(
                *await asyncio.open_connection(
                    to.host,
                    to.port,
                    ssl=(to.tls or system_trust()) if secure else None,
                    server_hostname=servername(to) if secure else None,
                    local_addr=(to.source, 0) if to.source else None,
                )
            )
    except TimeoutError:
        raise TimeoutError(f"{where}: i/o timeout") from None
    except ssl.SSLError as exc:
        raise ConnectionError(tls_failure(exc)) from None
    except OSError as exc:
        raise ConnectionError(f"{where}: connect: {reason(exc)}") from None


class Streams:
    """The idle connections by upstream, the one that is idle longest first."""

    def __init__(self) -> None:
        self._idle: dict[Upstream, deque[Stream]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, to: Upstream) -> Stream | None:
        """Remove and return an idle connection to ``to``, None without a usable one."""
        idle = self._idle.get(to, ())
        while idle:
            stream = idle[0]
            self._remove(to, stream)
            if stream.is_open and not _too_old(to, stream):
                return stream
            stream.close()
        return None

    def put(self, to: Upstream, stream: Stream) -> None:
        """Keep ``stream`` for another query, or close it if ``to.keep`` says so."""
        keep = to.keep
        full = keep.max_idle and len(self._idle.get(to, ())) >= keep.max_idle
        if full or not keep.idle_s or not stream.is_open or _too_old(to, stream):
            stream.close()
            return
        self._idle.setdefault(to, deque()).append(stream)
        loop = asyncio.get_running_loop()
        stream.expiry = loop.call_later(keep.idle_s, self._expire, to, stream)

    def _expire(self, to: Upstream, stream: Stream) -> None:
        self._remove(to, stream)
        stream.close()

    def _remove(self, to: Upstream, stream: Stream) -> None:
        self._idle[to].remove(stream)
        if not self._idle[to]:
            del self._idle[to]
        if stream.expiry is not None:
            stream.expiry.cancel()
            stream.expiry = None

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for stream in idle:
                stream.close()
        self._idle.clear()


def _too_old(to: Upstream, stream: Stream) -> bool:
    age = asyncio.get_running_loop().time() - stream.opened_at
    return bool(to.keep.max_age_s) and age > to.keep.max_age_s
