"""From a client's bytes to the reply's, whatever socket they came through."""

import logging
from collections.abc import Callable
from typing import Literal

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
from minidns.server.remembered import Miss
from minidns.system.limits import StreamLimits

log = logging.getLogger(__name__)


class Answerer:
    """Answers the messages of one listener."""

    def __init__(
        self,
        server: str,
        top: Handler,
        panicked: Callable[[], None] = lambda: None,
        unserved: Callable[[Query, Response], None] = lambda query, response: None,
    ) -> None:
        self.server = server
        """Label of the listener: scheme, bound address or nothing, port."""
        self.top = top
        """Exchanged as a whole by a reload."""
        self.limits = StreamLimits()
        """Of the connections of the listener; exchanged by a reload, too."""
        self.shed: Callable[[], None] | None = None
        """Told of a query for which there is no room, if it is to get no reply."""
        self._panicked = panicked
        self._unserved = unserved

    async def respond(self, query: Query) -> Response:
        """Answer a readable query; what the chain raises becomes an empty reply.

        Raises:
            Dropped: there is to be no reply.

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
        transport: Literal["udp", "tcp"],
        peer: Address,
        local: Address,
        miss: Miss | None = None,
    ) -> Query | bytes | None:
        """Return the query in ``wire``, or the error reply it gets, or None.

        ``miss`` is what the memory noted of it; without it nothing is remembered.
        """
        expected = (
            (miss.asked_before, miss.like_asked_before) if miss else (False, False)
        )
        try:
            return decode_query(wire, transport, peer, local, self.server, expected)
        except Dropped:
            return None
        except FormatError as exc:
            return error_reply(wire, exc.rcode, exc.record, exc.question)

    async def answer(self, query: Query) -> list[bytes]:
        """Return the messages of the reply to ``query``: none, one, or a transfer."""
        try:
            response = await self.respond(query)
        except Dropped:
            return []
        return [self.encode(query, each) for each in (response, *response.more)]

    def encode(self, query: Query, response: Response) -> bytes:
        """Return the bytes of ``response``; of SERVFAIL where it cannot be written."""
        try:
            return encode_response(query, response)
        except Exception:
            self._panicked()
            log.exception("cannot write the answer to %s", query.question.qname)
            return encode_response(query, Response(Rcode.SERVFAIL))
