"""Hostile datagrams at a real server with kubeadm's chain: U01 to U126."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import pytest

from minidns.dns.message import skip_name
from tests.survival.attack import Outcome, attacked
from tests.survival.datagrams import ANSWER, BAD_KEY, DROP, ERRORS, LENGTHS, NODATA, QUESTION, RCODES, Row, rows
from tests.survival.world import HOST, Server, cluster_dns, is_good, query, udp

pytestmark = pytest.mark.slow

ROWS = tuple(rows())
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets and ports below 1024 need root")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with cluster_dns(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def seen(server: Server) -> dict[str, Outcome]:
    return attacked(server, ROWS)


def test_the_table_is_whole() -> None:
    numbers = {int(row.id[1:].rstrip("abcdefghijklmnopqr")) for row in ROWS}
    elsewhere = {113, 114, 115, 116}  # below: they need root
    assert numbers | elsewhere == set(range(1, 127))
    assert len({row.id for row in ROWS}) == len(ROWS) == 180


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id}-{row.what}")
def test_what_comes_back(row: Row, seen: dict[str, Outcome]) -> None:
    replies = seen[row.id].replies
    assert seen[row.id].good_s < 1  # `make survive` measures it
    if row.kind == DROP:
        assert replies == []
        return
    (reply,) = replies
    message = dns.message.from_wire(reply, keyring=False)
    assert message.id == int.from_bytes(row.wire[:2])
    assert message.flags & dns.flags.QR
    assert dns.rcode.to_text(message.rcode()) == RCODES[row.kind]
    assert len(reply) == LENGTHS.get(row.kind, len(reply))
    if row.kind == QUESTION:
        assert message.question
        assert reply[12:] == row.wire[12 : len(reply)]
    assert message.had_tsig == (row.kind == BAD_KEY)
    if row.kind in ERRORS:
        assert len(reply) <= len(row.wire)
        assert not message.answer
    if row.kind == NODATA:
        assert not message.answer
        assert message.authority
    if row.kind == ANSWER:
        assert message.answer
    if row.kind not in (*LENGTHS, BAD_KEY, QUESTION):
        check_echoes(row.wire, reply, message)


def check_echoes(sent: bytes, reply: bytes, message: dns.message.Message) -> None:
    """See that the reply is clean whatever the query was."""
    end = skip_name(sent, 12) + 4
    assert reply[12:end] == sent[12:end]  # the question, byte for byte
    assert not reply[3] & 0x40  # Z
    assert not message.flags & dns.flags.TC
    has_opt = sent[11] == 1 and sent[end : end + 3] == b"\0\0\x29"
    assert message.edns == (0 if has_opt else -1)
    assert message.ednsflags & ~0x8000 & 0xFFFF == 0
    assert {int(option.otype) for option in message.options} <= {3, 9, 10, 11, 12}


def test_errors_amplify_nothing(seen: dict[str, Outcome]) -> None:
    wrong = [row for row in ROWS if row.kind in (*ERRORS, DROP)]
    sent = sum(len(row.wire) for row in wrong)
    came = sum(len(reply) for row in wrong for reply in seen[row.id].replies)
    assert len(wrong) > 80
    assert came <= sent


def test_nothing_of_it_is_kept_or_logged(server: Server, seen: dict[str, Outcome]) -> None:
    with udp(server.port) as sock:
        sock.send(query(7, "poison.example."))
        assert dns.message.from_wire(sock.recv(512)).rcode() == dns.rcode.NXDOMAIN
    assert server.is_running
    assert [line for line in server.lines if "Traceback" in line or "ERROR" in line] == []


# -- what needs more than an ordinary socket


def from_port(source: tuple[str, int], server: Server, *wires: bytes) -> list[bytes]:
    """Return the replies to ``wires``, sent from ``source`` with a good query after."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(source)
        sock.settimeout(5)
        for wire in wires:
            sock.sendto(wire, (HOST, server.port))
        with udp(server.port) as other:
            other.send(query(9))
            assert is_good(other.recv(512))
        sock.setblocking(False)
        replies = []
        with contextlib.suppress(BlockingIOError):
            while True:
                replies.append(sock.recv(512))
        return replies


ELSEWHERE = f"127.8.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"


@NEEDS_ROOT
@pytest.mark.parametrize("port", [7, 13, 19, 37], ids=lambda port: f"U114-{port}")
def test_source_ports_of_services_that_reply_to_anything(server: Server, port: int) -> None:
    assert from_port((ELSEWHERE, port), server, query(1)) == []


@NEEDS_ROOT
def test_U115_another_server_hears_of_an_error_once(server: Server) -> None:
    bad = b"\x11\x15" + bytes(10)
    assert len(from_port((ELSEWHERE, 53), server, bad, bad)) == 1


def forged(server: Server, source_port: int) -> list[bytes]:
    """Send a query from our own address and ``source_port``; return the replies."""
    body = query(0x1113)
    datagram = struct.pack("!4H", source_port, server.port, 8 + len(body), 0) + body
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        raw.bind((HOST, 0))
        raw.sendto(datagram, (HOST, 0))
        with udp(server.port) as other:
            other.send(query(9))
            assert is_good(other.recv(512))
        raw.setblocking(False)
        seen = []
        with contextlib.suppress(BlockingIOError):
            while True:
                seen.append(raw.recv(2048)[20:])
    replies = []
    for each in seen:
        origin, target = struct.unpack_from("!2H", each)
        if (origin, target) == (server.port, source_port) and each[10] & 0x80:
            replies.append(each)
    return replies


@NEEDS_ROOT
def test_U113_source_port_0(server: Server) -> None:
    assert forged(server, 0) == []


@NEEDS_ROOT
def test_U116_our_own_address_and_port(server: Server) -> None:
    assert forged(server, server.port) == []


@NEEDS_ROOT
def test_the_forger_would_see_a_reply(server: Server) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        assert len(forged(server, sock.getsockname()[1])) == 1
