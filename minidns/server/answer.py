"""From the bytes of a query to the bytes of its reply, for UDP and TCP alike.

    wire --cached--> reply bytes
    wire --decode--> Query --respond--> Response --encode--> reply bytes --> remembered

An `Answerer` belongs to a listener and holds its handler, which a reload replaces. A
`Responder` belongs to a socket: it adds the remembered replies, and the transport and
local address of the queries.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from minidns.dns.model import (
    Address,
    DnsError,
    Dropped,
    FormatError,
    Handler,
    Query,
    Rcode,
    Response,
)
from minidns.dns.wire import bad_version, decode_query, encode_response, error_reply
from minidns.plugins.chain import Unserved
from minidns.plugins.contracts import ReplySampler
from minidns.server.remembered import Memory, Miss, channel
from minidns.system.limits import StreamLimits

log = logging.getLogger(__name__)

Transport: TypeAlias = Literal["udp", "tcp"]
Send: TypeAlias = Callable[[bytes], None]
"""Sends a reply message to the client of the query."""
Drained: TypeAlias = Callable[[], Awaitable[None]]
"""Waits until the client has taken most of what was sent."""


class Answerer:
    """Answers the queries of a listener."""

    def __init__(
        self,
        server: str,
        top: Handler,
        panicked: Callable[[], None] = lambda: None,
        unserved: Callable[[Query, Response], None] = lambda query, response: None,
    ) -> None:
        self.server = server
        """Label of the listener: scheme, bound address if any, port."""
        self.top = top
        """The handler of all queries; a reload replaces it."""
        self.limits = StreamLimits()
        """Limits for the listener's connections; a reload replaces them."""
        self.shed: Callable[[], None] | None = None
        """Counts a query dropped under overload (*shed*); None: it gets SERVFAIL."""
        self.sampler: ReplySampler | None = None
        """Looks at some of the replies once they have left (*shadow*)."""
        self._panicked = panicked
        self._unserved = unserved

    async def respond(self, query: Query) -> Response:
        """Answer a query; an error of the chain becomes an empty reply.

        Raises:
            Dropped: no reply must be sent.

        """
        if (refusal := bad_version(query)) is not None:
            return refusal
        try:
            return await self.top(query)
        except Dropped:
            raise
        except Unserved as exc:
            response = Response(exc.rcode)
            self._unserved(query, response)
            return response
        except DnsError as exc:
            return Response(exc.rcode, opt=exc.opt)
        except Exception:
            self._panicked()
            log.exception("unexpected failure answering %s", query.question.qname)
            response = Response(Rcode.SERVFAIL)
            self._unserved(query, response)
            return response

    def decode(
        self,
        wire: bytes,
        transport: Transport,
        peer: Address,
        local: Address,
        miss: Miss | None = None,
    ) -> Query | bytes | None:
        """Return the query in ``wire``, or the error reply to it, or None for no reply.

        Without a ``miss`` the reply will not be remembered.
        """
        seen = (miss.asked_before, miss.like_asked_before) if miss else (False, False)
        try:
            return decode_query(wire, transport, peer, local, self.server, seen)
        except Dropped:
            return None
        except FormatError as exc:
            return error_reply(wire, exc.rcode, exc.record, exc.question)

    async def answer(self, query: Query) -> list[bytes]:
        """Return the messages of the reply: none, one, or those of a zone transfer."""
        try:
            response = await self.respond(query)
        except Dropped:
            return []
        return [self.encode(query, part) for part in (response, *response.more)]

    def encode(self, query: Query, response: Response) -> bytes:
        """Return the bytes of ``response``, or of SERVFAIL if it cannot be encoded."""
        try:
            return encode_response(query, response)
        except Exception:
            self._panicked()
            log.exception("cannot write the answer to %s", query.question.qname)
            return encode_response(query, Response(Rcode.SERVFAIL))


class Responder:
    """Replies to the queries that arrive at one socket."""

    def __init__(
        self,
        answerer: Answerer,
        memory: Memory,
        transport: Transport,
        local: Address,
        now: Callable[[], float],
    ) -> None:
        self.answerer = answerer
        self.memory = memory
        self.channel = channel(transport, ipv6=":" in local[0])
        self.now = now
        self._transport = transport
        self._local = local

    def cached(self, wire: bytes) -> bytes | None:
        """Return the remembered reply to the query ``wire``, None without one."""
        tail = self.memory.get((self.channel, wire[2:]), self.now())
        return None if tail is None else wire[:2] + tail

    def decode(self, wire: bytes, peer: Address) -> "tuple[Query, Miss] | bytes | None":
        """Return the query in ``wire``, which has no remembered reply, and its miss.

        Return the error reply if the message is malformed, None for no reply at all.
        """
        miss = self.memory.miss((self.channel, wire[2:]))
        query = self.answerer.decode(wire, self._transport, peer, self._local, miss)
        return (query, miss) if isinstance(query, Query) else query

    async def reply(
        self, query: Query, miss: Miss, send: Send, drained: Drained | None = None
    ) -> None:
        """Answer ``query``, send the reply, and remember it if it may be reused.

        Without ``drained`` only the first message of a zone transfer is sent.
        """
        # another task may have answered the same query since this one was received
        if (tail := self.memory.get_since(miss, self.now())) is not None:
            send(query.wire[:2] + tail)
            return
        try:
            response = await self.answerer.respond(query)
        except Dropped:
            return
        except asyncio.CancelledError:  # evicted, or the listener closes
            if self._transport == "tcp" or self.answerer.shed is None:
                send(encode_response(query, Response(Rcode.SERVFAIL)))
            raise
        reply = self.answerer.encode(query, response)
        send(reply)
        self.memory.put(miss, query, response, reply)
        if drained is not None:
            for message in response.more:
                await drained()
                send(self.answerer.encode(query, message))
