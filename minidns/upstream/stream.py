"""Connections to upstreams over TCP and TLS, and those that wait for another query.

A connection carries one query at a time. Between queries it is kept for a while; the
one that has waited longest is taken first, so that source ports change (CoreDNS).
"""

import asyncio
import functools
import ssl
from collections import deque
from typing import TypeVar

from minidns.upstream.acceptance import Doubtful
from minidns.upstream.upstream import GRACE_S, Accept, Upstream, failure, joined, reason

T = TypeVar("T")

MAX_REJECTED = 10
"""Replies that match nothing before a way to an upstream is given up (BIND)."""


class Closed(ConnectionError):
    """The other side ended the connection before it had replied."""


class Stream:
    """One connection to an upstream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.born = asyncio.get_running_loop().time()
        self.expiry: asyncio.TimerHandle | None = None
        """Ends it when it has waited for too long."""
        here, there = (writer.get_extra_info(end) for end in ("sockname", "peername"))
        self._path = f"tcp {joined(*here[:2])}->{joined(*there[:2])}"

    @property
    def is_open(self) -> bool:
        """Whether nothing is known against asking another query on it."""
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
            TimeoutError: nothing before ``deadline`` (loop seconds).
            OSError: anything else, with too many wrong replies.

        """
        doubtful: list[Doubtful[T]] = []
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                self._writer.write(len(wire).to_bytes(2) + wire)
                for _ in range(MAX_REJECTED):
                    found = accept(await self._message())
                    if isinstance(found, Doubtful):
                        doubtful.append(found)
                        soon = asyncio.get_running_loop().time() + GRACE_S
                        timeout.reschedule(min(timeout.when() or deadline, soon))
                    elif found is not None:
                        return found
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

    async def _message(self) -> bytes:
        """Return the next message, its length in front of it (RFC 1035 4.2.2)."""
        length = int.from_bytes(await self._reader.readexactly(2))
        return await self._reader.readexactly(length)

    def close(self) -> None:
        """End it at once."""
        if self.expiry is not None:
            self.expiry.cancel()
        # not close(): a peer that does not read would keep the socket alive
        self._writer.transport.abort()


async def dial(to: Upstream, deadline: float) -> Stream:
    """Return a new connection to ``to``, over TLS if it says so.

    Raises:
        TimeoutError: not before ``deadline`` (loop seconds).
        OSError: refused, unreachable, or a certificate that cannot be trusted.

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


@functools.cache
def system_trust() -> ssl.SSLContext:
    """Return the settings that trust what the system trusts."""
    return ssl.create_default_context()


def servername(to: Upstream) -> str:
    """Return the name that the certificate is checked for."""
    return to.servername or to.host.partition("%")[0]


def tls_failure(error: Exception) -> str:
    """Return what to tell people of a TLS handshake that failed (Go's words)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {error.verify_message}"
    return f"tls: {failure(error) if isinstance(error, OSError) else error}"


class Streams:
    """Connections that wait, by upstream, the one that has waited longest first."""

    def __init__(self) -> None:
        self._idle: dict[Upstream, deque[Stream]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, to: Upstream) -> Stream | None:
        """Return a connection to ``to`` that can be asked on, if one waits."""
        idle = self._idle.get(to, ())
        while idle:
            stream = idle[0]
            self._forget(to, stream)
            if stream.is_open and not _too_old(to, stream):
                return stream
            stream.close()
        return None

    def put(self, to: Upstream, stream: Stream) -> None:
        """Keep ``stream`` for another query, or close it when ``to.keep`` says so."""
        keep = to.keep
        waiting = len(self._idle.get(to, ()))
        full = keep.max_idle and waiting >= keep.max_idle
        if full or not keep.idle_s or not stream.is_open or _too_old(to, stream):
            stream.close()
            return
        self._idle.setdefault(to, deque()).append(stream)
        loop = asyncio.get_running_loop()
        stream.expiry = loop.call_later(keep.idle_s, self._expire, to, stream)

    def _expire(self, to: Upstream, stream: Stream) -> None:
        self._forget(to, stream)
        stream.close()

    def _forget(self, to: Upstream, stream: Stream) -> None:
        self._idle[to].remove(stream)
        if not self._idle[to]:
            del self._idle[to]
        if stream.expiry is not None:
            stream.expiry.cancel()
            stream.expiry = None

    def close(self) -> None:
        """Close every connection that waits."""
        for idle in self._idle.values():
            for stream in idle:
                stream.close()
        self._idle.clear()


def _too_old(to: Upstream, stream: Stream) -> bool:
    age = asyncio.get_running_loop().time() - stream.born
    return bool(to.keep.max_age_s) and age > to.keep.max_age_s
