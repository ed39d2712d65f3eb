"""The shortcut of a query that is only cached, forwarded and counted.

Most of what a query costs that goes upstream is its way through the chain, there and
back. Where every plugin of a block either lets a name pass that is not its own or is
one of *cache*, *forward*, *loadbalance* and *prometheus*, it is known beforehand what
they will do about an address that no cache knows. So it is done without the chain: by
the same objects, in the same order, with the same counts.

That holds while nothing is wrong. If the reply is an error, cut short or of another
name, or does not come, the query goes into the chain after all, and finds there the
exchange that is under way, which *forward* goes on with. So there is one exchange, and
one rule for all that is odd.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from struct import Struct
from typing import NamedTuple

from minidns.core import values
from minidns.core.edns import bare_opt
from minidns.core.message import Truncated
from minidns.core.model import (
    AA,
    CD,
    RA,
    RD,
    TC,
    DnsError,
    Dropped,
    FormatError,
    Name,
    Opt,
    Query,
    Question,
    Rcode,
    Response,
    RRset,
    replace,
)
from minidns.core.names import MAX_NAME
from minidns.core.rdata import AAAA, A
from minidns.core.relay import Asked
from minidns.core.reply import Addresses, Reply, addresses
from minidns.core.traffic import Row
from minidns.core.wire import asked_name, decode_query, encode_query, response_size
from minidns.net.answer import Edge
from minidns.net.batch import Client
from minidns.net.exchange import Tells
from minidns.net.flights import Flight
from minidns.net.outbound import Flooded, Sent
from minidns.plugins import forward_proxy
from minidns.plugins.cache import Cache
from minidns.plugins.cache_entry import Key
from minidns.plugins.forward_line import DEADLINE_S, Line, response
from minidns.plugins.forward_proxy import Begun, Proxy
from minidns.plugins.setup import Site

_PASSABLE = frozenset(
    ("cache", "errors", "forward", "kubernetes", "loadbalance", "loop", "prometheus")
)
"""Plugins that do nothing about an address that is not theirs, or what is done here."""
_NEEDED = frozenset(("cache", "forward"))
_RULE = "forward/reply"
_GOOD = frozenset((Rcode.NOERROR, Rcode.NXDOMAIN))
"""What an upstream says where nothing is wrong."""
_FORMS = 256
"""How many forms are kept; clients of a cluster have a handful."""
_PLAIN, _WITH_OPT = 4, 15
"""Bytes after the name of a query that has an OPT without options, or none."""
_SMALL = 512
"""Bytes that a reply may always have (RFC 1035 2.3.4)."""
_HEAD, _RECORD = Struct("!5H"), Struct("!HHIH")
"""A header less its id; type, class, TTL and length of a record."""


class _Form(NamedTuple):
    """What queries have in common that differ in id, name and client only."""

    query: Query
    head: bytes
    """Of the query that goes upstream: what is between the id and the name."""
    tail: bytes
    """What follows the name."""
    flags: int
    opt: Opt | None
    limit: int
    """Bytes the reply may have."""
    reply_opt: bytes
    """The OPT of the reply to the client."""
    row: Row | None
    """Where *prometheus* counts an answer."""


def shortcut(site: Site, server: str, others: Iterable[Name]) -> "Shortcut | None":
    """Return that of a listener where ``site`` answers all but the zones ``others``.

    None if its plugins do not allow one.
    """
    exchange, handlers = site.edges.exchange, frozenset(site.handlers)
    if not isinstance(exchange, Tells) or not _NEEDED <= handlers <= _PASSABLE:
        return None
    (line, *more), cache = site.shortcut["forward"], site.shortcut["cache"]
    if more or not line.is_plain or cache.unkept is None:
        return None
    return Shortcut(site, server, line, exchange, others)


class Shortcut:
    """Takes care of queries for addresses that have to be asked of an upstream."""

    def __init__(
        self,
        site: Site,
        server: str,
        line: Line,
        exchange: Tells,
        others: Iterable[Name],
    ) -> None:
        parts = site.shortcut
        self.line = line
        self.ask = site.edges.exchange
        self.exchange = exchange
        self.now = site.edges.now
        self._server = server
        self._cache: Cache = parts["cache"]
        self._arranged: Callable[[int, Response], Response] = parts.get(
            "loadbalance", lambda _, response: response
        )
        self._row: Callable[[Query, str, int], Row] | None = parts.get("prometheus")
        self._others = (
            *others,
            *parts.get("kubernetes", ()),
            *line.options.excepted,
            *parts["cache"].unkept,
        )
        """Names with which something else is done."""
        self._forms: dict[tuple[bytes, bytes, int], _Form | None] = {}

    def __call__(self, wire: bytes, client: Client, repeats: bool, edge: Edge) -> bool:
        """Take care of the query in ``wire``; return False if the chain is to."""
        try:
            name, end = asked_name(wire)
        except (IndexError, ValueError, Truncated):
            return False
        tail = wire[end:]
        if len(tail) not in (_PLAIN, _WITH_OPT) or end > 12 + MAX_NAME:
            return False
        shape = wire[2:12], tail, len(client.peer)
        form = self._forms.get(shape) or self._form(shape, wire, client)
        if form is None or "\\" in name or name != name.lower():
            return False
        line, now = self.line, self.now()
        if line.is_full or values.covers(self._others, name):
            return False
        question = Question(name, form.query.question.qtype, 1)
        key = Key(question, form.query.do, bool(form.flags & CD))
        proxy = line.ordinary(now)
        if proxy is None or not self._cache.lacks(key, now):
            return False
        alike = question, form.flags, form.opt, "udp"
        flight = line.flights.lead(alike, question)
        if flight is None:
            return False
        ident = forward_proxy.next_id()
        sent = ident.to_bytes(2) + form.head + wire[12:end] + form.tail
        trip = _Trip(
            self, edge, client, repeats, wire, end, form, key, proxy, flight, sent, now
        )
        line.in_flight += 1
        edge.waiting.hold(trip)
        self.exchange.tell(trip)
        return True

    def _form(
        self, shape: tuple[bytes, bytes, int], wire: bytes, client: Client
    ) -> _Form | None:
        if shape not in self._forms:
            if len(self._forms) >= _FORMS:
                self._forms.clear()
            self._forms[shape] = self._read(wire, client)
        return self._forms[shape]

    def _read(self, wire: bytes, client: Client) -> _Form | None:
        """Return the form of a query that is ordinary: for an address, no options."""
        try:
            query = decode_query(wire, "udp", client.peer[:2], server=self._server)
        except (Dropped, FormatError):
            return None
        opt, (_, qtype, qclass) = query.opt, query.question
        if qtype not in (A, AAAA) or qclass != 1 or query.flags & 0x7800:
            return None
        if opt is not None and (opt.version or opt.options):
            return None
        flags, sent = forward_proxy.relayed(query)
        upstream = encode_query(query.question, 0, flags, sent)
        after = len(encode_query(query.question, 0)) - 4
        return _Form(
            query,
            upstream[2:12],
            upstream[after:],
            flags,
            sent,
            forward_proxy.largest(sent),
            bare_opt(opt.size, opt.do, 0) if opt else b"",
            self._row(query, query.zone, Rcode.NOERROR) if self._row else None,
        )

    def take(self, trip: "_Trip", found: Addresses) -> None:
        """Keep, count and pass on addresses that an upstream replied.

        The same as ``take_any`` for what nearly every good reply is, at half the cost.
        """
        form, proxy, cache, now = trip.form, trip.proxy, self._cache, self.now()
        name, qtype, _ = trip.key.question
        flags, ttl, rdata, opt = found
        proxy.observe(Rcode.NOERROR, trip.started)
        self.line.flights.end(trip.flight)
        ra, ttl = bool(flags & RA), cache.level(ttl)
        # some resolvers of old discard what is not authoritative (CoreDNS)
        answer = (RRset(name, qtype, ttl, rdata),)
        kept = Response(
            answer=answer, aa=True, ra=ra, rule=_RULE, sources=proxy.sources
        )
        cache.keep(form.query.server, trip.key, kept, ttl, now)
        if trip.flight.waiting:
            answer = (RRset(name, qtype, found.ttl, rdata),)
            aa, rd = bool(flags & AA), bool(flags & RD)
            given = replace(kept, answer=answer, aa=aa, rd=rd, opt=opt)
            trip.flight.land(given)
        if len(rdata) > 1:
            rdata = self._arranged(qtype, kept).answer[0].rdata
        reply = _reply(trip, flags, ttl, rdata)
        trip.edge.send(reply + form.reply_opt, trip.client)
        if form.row is not None:
            form.row.add(len(trip.query), len(reply), now - trip.started)

    def take_any(self, trip: "_Trip", found: Reply) -> bool:
        """Keep, count and pass on a reply; return False if it takes the chain."""
        if found.rcode not in _GOOD or found.flags & TC:
            return False
        query, proxy = trip.whole(), trip.proxy
        try:
            given = response(query, found, proxy)
        except DnsError:
            return False
        proxy.observe(found.rcode, trip.started)
        self.line.flights.end(trip.flight)
        trip.flight.land(given)
        made = self._cache.take(query, trip.key, given)
        if made.rcode == Rcode.NOERROR:
            made = self._arranged(query.question.qtype, made)
        trip.edge.reply(query, made, trip.client)
        if self._row is not None:
            row = self._row(query, query.zone, made.rcode)
            seconds = self.now() - trip.started
            row.add(len(trip.query), response_size(query, made), seconds)
        return True


def _reply(trip: "_Trip", flags: int, ttl: int, rdata: Sequence[bytes]) -> bytes:
    """Return the reply to the client, less its OPT."""
    query, end, form = trip.query, trip.end, trip.form
    flags = 0x8000 | flags & (AA | RA | RD) | form.query.flags & CD
    head = _HEAD.pack(flags, 1, len(rdata), 0, len(form.reply_opt) > 0)
    fixed = _RECORD.pack(trip.key.question.qtype, 1, ttl, len(rdata[0]))
    fixed = query[12:end] + fixed
    return query[:2] + head + query[12 : end + 4] + fixed + fixed.join(rdata)


class _Trip(Sent[Addresses | Reply]):
    """One query on its way to an upstream and back."""

    __slots__ = (
        "client",
        "edge",
        "end",
        "flight",
        "form",
        "key",
        "proxy",
        "query",
        "repeats",
        "shortcut",
        "started",
    )

    def __init__(
        self,
        shortcut: Shortcut,
        edge: Edge,
        client: Client,
        repeats: bool,
        query: bytes,
        end: int,
        form: _Form,
        key: Key,
        proxy: Proxy,
        flight: Flight[Response],
        wire: bytes,
        started: float,
    ) -> None:
        timeout_s = shortcut.line.options.read_timeout_s
        super().__init__(proxy.upstream, wire, started + timeout_s)
        self.shortcut = shortcut
        self.edge = edge
        self.client = client
        self.repeats = repeats
        self.query = query
        self.end = end
        """Of the name in the query."""
        self.form = form
        self.key = key
        self.proxy = proxy
        self.flight = flight
        self.started = started

    def accept(self, wire: bytes) -> Addresses | Reply | None:
        """Return what is in a reply, None if it is none to this query (RFC 5452 9)."""
        form = self.form
        if 12 <= len(wire) <= form.limit and wire[:2] == self.wire[:2]:
            found = addresses(wire, self.query[12 : self.end + 4])
            if found is not None and self._fits(found.rdata):
                return found
        ident = int.from_bytes(self.wire[:2])
        return Asked(self.key.question, ident, form.flags, form.limit).accept(wire)

    def _fits(self, rdata: Sequence[bytes]) -> bool:
        """Return whether the reply to the client has at most 512 bytes."""
        name = self.end - 12
        size = 12 + name + 4 + len(self.form.reply_opt)
        return size + len(rdata) * (name + 10 + len(rdata[0])) <= _SMALL

    def landed(self, found: Addresses | Reply) -> None:
        """Reply, or let the chain do it if it takes more than that."""
        self._arrive()
        if isinstance(found, Addresses):
            self.shortcut.take(self, found)
        elif not self.shortcut.take_any(self, found):
            reply = _settled()
            reply.set_result(found)
            self._go_on(reply)

    def failed(self, error: Exception) -> None:
        """Let the chain try the other upstreams, or TCP where somebody is guessing."""
        self._arrive()
        if not isinstance(error, Flooded):
            reply = _settled()
            reply.set_exception(error)
            self._go_on(reply)
            return
        path, to = self.shortcut, self.proxy.upstream._replace(transport="tcp")
        left_s = self.started + path.line.options.read_timeout_s - path.now()
        asked = Asked(self.key.question, int.from_bytes(self.wire[:2]), self.form.flags)
        self._go_on(path.ask(to, self.wire, max(0.0, left_s), asked.accept))

    def cancel(self) -> None:
        """Give up: another query takes the place of this one, or the server ends."""
        self.shortcut.exchange.give_up(self)
        self._arrive()
        line, deadline = self.shortcut.line, self.started + DEADLINE_S
        if self.flight.is_awaited:
            ask = partial(line.ask, self.whole(), deadline)
            line.flights.hand_over(self.flight, ask)
        else:
            line.flights.end(self.flight)

    def _arrive(self) -> None:
        self.shortcut.line.in_flight -= 1
        self.edge.waiting.release(self)

    def whole(self) -> Query:
        """Return the query as the chain would have it."""
        wire, peer = self.query, self.client.peer[:2]
        question, ident = self.key.question, int.from_bytes(wire[:2])
        return replace(
            self.form.query, question=question, id=ident, wire=wire, peer=peer
        )

    def _go_on(self, reply: Awaitable[Reply]) -> None:
        """Let the chain answer, with an exchange that has begun."""
        line, deadline = self.shortcut.line, self.started + DEADLINE_S
        begun = Begun(reply, self.started)
        self.edge.ask_chain(self.query, self.client, repeats=self.repeats)
        ask = partial(line.ask, self.whole(), deadline, self.proxy, begun)
        line.flights.hand_over(self.flight, ask)


def _settled() -> asyncio.Future[Reply]:
    return asyncio.get_running_loop().create_future()
