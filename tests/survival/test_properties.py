"""Twelve properties of everything that reads what strangers send, or writes to them.

1. What is written of a query is read back.
2. What is written of a reply is read back.
3. Any bytes are a query, an error, or nothing.
4. Any bytes are a reply, or malformed.
5. An error reply is never longer than the query, and looks as it must.
6. A reply echoes id, opcode and question, and reads the same to an independent reader.
7. A reply is never longer than it may be; what is missing is missing at the end, with TC.
8. A name is the same in text and on the wire, and its text is safe to show anywhere.
9. However a stream is cut into pieces, the replies are the same.
10. A TTL that is repeated from memory only falls, and is never below 0.
11. Any Corefile is read or refused with a line, and nothing else.
12. Any line of a watch is an event or an error.

How often each is tried: ``--hypothesis-profile=survive`` is 10,000 times.
"""

import asyncio
import struct
import time
from collections.abc import Iterable
from typing import NamedTuple

import dns.message
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minidns.corefile import blocks
from minidns.dns import names, rdata
from minidns.dns.model import Dropped, FormatError, Opt, Query, Question, Rcode, Response, Reuse, RRset, replace
from minidns.dns.reply import decode_reply
from minidns.dns.wire import decode_query, encode_query, encode_response
from minidns.kubernetes.decode import event
from minidns.kubernetes.resources import SERVICES, ApiError, Gone, WatchEvent
from minidns.plugins import ORDER
from minidns.plugins.chain import refuse
from minidns.server.answer import Answerer, Responder
from minidns.server.clients import Clients
from minidns.server.connection import Connection, ConnectionContext
from minidns.server.in_flight import InFlight
from minidns.server.remembered import Memory
from tests.survival.made import COREFILES, LABELS, LINES, NAMES, OPTS, RESPONSES, TYPES, flat, mutants, queries
from tests.world import FilesInMemory, settle

pytestmark = pytest.mark.slow


@given(NAMES, TYPES, st.integers(0, 65535), st.booleans(), st.none() | OPTS)
def test_1_queries_are_read_back(name: str, qtype: int, ident: int, rd: bool, opt: Opt | None) -> None:
    question = Question(name.lower(), qtype)
    sent = encode_query(question, ident, 0x0100 if rd else 0, opt, spelled=name)
    read = decode_query(sent, "tcp")
    assert (read.question, read.id, read.rd, read.opt) == (question, ident, rd, opt)
    assert read.owner == name


@given(queries("tcp"), RESPONSES)
def test_2_replies_are_read_back(query: Query, response: Response) -> None:
    read = decode_reply(encode_response(query, response))
    assert read.question == query.question
    assert (read.rcode, read.id) == (response.rcode, query.id)
    for section in ("answer", "authority", "additional"):
        assert flat(getattr(read, section)) == flat(getattr(response, section))
    assert (read.opt is None) == (query.opt is None)


@given(mutants(), st.sampled_from(["udp", "tcp"]))
def test_3_any_bytes_are_a_query_an_error_or_nothing(sent: bytes, transport: str) -> None:
    try:
        query = decode_query(sent, transport)  # type: ignore[arg-type]
    except (FormatError, Dropped):
        return
    assert encode_response(query, Response(Rcode.NXDOMAIN))[:2] == sent[:2]


@given(st.binary(max_size=400), queries("tcp"), RESPONSES, st.data())
def test_4_any_bytes_are_a_reply_or_malformed(
    raw: bytes, query: Query, response: Response, data: st.DataObject
) -> None:
    good = bytearray(encode_response(query, response))
    for _ in range(data.draw(st.integers(0, 5))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    for each in (raw, bytes(good)):
        try:
            reply = decode_reply(each)
        except FormatError:
            continue
        for rrset in (*reply.answer, *reply.authority, *reply.additional):
            assert 0 <= rrset.ttl < 2**31
            assert len(names.to_wire(rrset.owner)) <= 255


@given(mutants())
def test_5_errors_are_short(sent: bytes) -> None:
    reply = Answerer("dns://:53", refuse).decode(sent, "udp", ("192.0.2.1", 4000), ("192.0.2.2", 53))
    if reply is None:
        assert len(sent) < 12 or sent[2] & 0x80
    elif isinstance(reply, bytes):
        assert len(reply) <= len(sent)
        assert reply[:2] == sent[:2]
        assert reply[2] & 0x80
        assert reply[3] & 15 in (Rcode.FORMERR, Rcode.NOTIMP, Rcode.NOTAUTH)
        assert reply[4:10] == bytes(6)
        dns.message.from_wire(reply, keyring=False)


@given(queries(), RESPONSES)
def test_6_replies_echo_and_others_read_them(query: Query, response: Response) -> None:
    reply = encode_response(query, response)
    assert reply[:2] == query.wire[:2]
    assert (reply[2] ^ query.wire[2]) & 0x78 == 0
    end = 12 + len(names.to_wire(query.owner)) + 4
    assert reply[12:end] == query.wire[12:end]
    message = dns.message.from_wire(reply, one_rr_per_rrset=True, raise_on_truncation=False)
    ours = decode_reply(reply)
    for name in ("answer", "authority", "additional"):
        theirs = [(r.ttl, int(r.rdtype)) for r in getattr(message, name)]
        assert theirs == [(ttl, t) for _, t, ttl, _ in flat(getattr(ours, name))]


@given(queries(), RESPONSES, st.integers(512, 2000))
def test_7_replies_fit(query: Query, response: Response, most: int) -> None:
    reply = encode_response(query, replace(response, max_size=most))
    assert len(reply) <= min(query.max_size, most) or len(reply) <= 512
    read = decode_reply(reply)
    sections = ("answer", "authority", "additional")
    sent = [each for name in sections for each in flat(getattr(response, name))]
    kept = [each for name in sections for each in flat(getattr(read, name))]
    assert kept == sent[: len(kept)]
    assert bool(reply[2] & 0x02) == (len(kept) < len(sent))


@given(st.lists(LABELS, max_size=10))
def test_8_names_are_the_same_in_text(parts: list[bytes]) -> None:
    encoded = b"".join(bytes((len(part),)) + part for part in parts) + b"\0"
    assume(len(encoded) <= 255)
    text = names.text(parts)
    assert names.to_wire(text) == encoded
    assert names.from_wire(encoded) == text
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert text.endswith(".")
    parent = names.parent(text)
    assert names.is_below(text, parent)
    assert len(names.labels(text)) == len(parts)


class Wire(asyncio.Transport):
    """The other end of a connection, as far as the protocol sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class Outcome(NamedTuple):
    sent: bytes
    closed: bool


async def served(pieces: Iterable[bytes]) -> Outcome:
    """Return what comes of a stream that arrives in pieces."""

    async def top(query: Query) -> Response:
        return Response(Rcode.NXDOMAIN)

    clients = Clients(9, 9)
    answerer, local = Answerer("dns://:53", top), ("192.0.2.2", 53)
    responder = Responder(answerer, Memory(), "tcp", local, time.monotonic)
    context = ConnectionContext(responder, clients, InFlight(9, lambda: None))
    connection = Connection(context, ("192.0.2.1", 4000))
    clients.admit(connection)
    other = Wire()
    connection.connection_made(other)
    for piece in pieces:
        for at in range(0, len(piece), len(context.read_buffer)):
            part = piece[at : at + len(context.read_buffer)]
            connection.get_buffer(-1)[: len(part)] = part
            connection.buffer_updated(len(part))
    await settle()
    connection.connection_lost(None)
    return Outcome(other.sent, other.closed)


@given(st.lists(mutants().filter(len), max_size=5), st.data())
def test_9_streams_may_be_cut_anywhere(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(struct.pack("!H", len(each)) + each for each in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def both() -> tuple[Outcome, Outcome]:
        return await served([stream]), await served(pieces)

    whole, cut = asyncio.run(both())
    assert whole == cut


@given(queries(), st.integers(0, 2**31 - 1), st.lists(st.floats(0, 5000), min_size=1, max_size=6))
def test_10_ttls_only_fall(query: Query, ttl: int, passing: list[float]) -> None:
    assume(not query.flags & 0x7800)
    name = query.question.qname
    reuse = Reuse(ttls_true_at=100.0)
    response = Response(answer=(RRset(name, rdata.A, ttl, (b"abcd", b"efgh")),), reuse=reuse)
    reply = encode_response(query, response)
    memory = Memory()
    key = "tcp4", query.wire[2:]
    memory.put(memory.miss(key), query, response, reply)
    now, last = 100.0, ttl
    for seconds in passing:
        now += seconds
        tail = memory.get(key, now)
        assert tail is not None
        (rrset,) = decode_reply(reply[:2] + tail).answer
        assert rrset.ttl == max(0, ttl - int(now - 100.0))
        assert 0 <= rrset.ttl <= last
        last = rrset.ttl


@given(COREFILES)
def test_11_corefiles_are_read_or_refused(text: str) -> None:
    files = FilesInMemory({"/s": "log\n"})
    where = {"files": files, "environ": {"X": "{$X}"}, "known": ORDER}
    found = blocks.problems(text, **where)  # type: ignore[arg-type]
    if not found:
        assert blocks.parse(text, **where).blocks  # type: ignore[arg-type]
    for problem in found:
        assert 0 <= problem.line <= text.count("\n") + 1


def read_or_refused(line: bytes) -> WatchEvent | str:
    try:
        return event(SERVICES, line)
    except (ApiError, Gone) as exc:
        return str(exc)


@given(LINES | st.binary(max_size=200), st.integers(0, 400))
def test_12_watch_lines_are_events_or_errors(line: bytes, cut: int) -> None:
    for each in (line, line[:cut]):
        said = read_or_refused(each)
        if isinstance(said, str):
            assert said.isprintable()
        else:
            assert said.obj is None or said.key is not None


PROPERTIES = [name for name in globals() if name.startswith("test_")]


def test_there_are_twelve() -> None:
    assert len(PROPERTIES) == 12
