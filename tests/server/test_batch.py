import os
import socket
import struct
from collections.abc import Iterator

import pytest

from minidns.server import batch
from minidns.server.batch import SLOTS, WRITE, Batch, Client

pytestmark = pytest.mark.skipif(not batch.is_known(), reason="Linux only")


class Edge:
    """A socket answered by a Batch: what it remembers, and what it is asked."""

    def __init__(self, host: str, asked_of: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        wildcard = host in ("0.0.0.0", "::")
        if wildcard and family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        elif wildcard:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self.at = (asked_of or host, self.sock.getsockname()[1])
        self.batch = Batch(self.sock, wildcard=wildcard)
        self.remembered: dict[bytes, bytes] = {}
        self.replies: dict[bytes, bytes | None] = {}
        """What the chain replies; None: nothing."""
        self.asked: list[tuple[bytes, Client]] = []

    def client(self) -> socket.socket:
        sock = socket.socket(self.sock.family, socket.SOCK_DGRAM)
        sock.connect(self.at)
        sock.settimeout(1.0)
        return sock

    def drain(self, odd: frozenset[int] = frozenset()) -> None:
        self.batch.drain(
            lambda key, now: self.remembered.get(key[1]), self.ask, 0, "udp4", odd
        )
        self.batch.flush()

    def ask(self, wire: bytes, client: Client) -> None:
        self.asked.append((wire, client))
        reply = self.replies.get(wire[2:])
        if reply is not None and not self.batch.reply(reply, client):
            self.sock.sendmsg((reply,), client.ancillary or [], 0, client.peer)


@pytest.fixture(
    params=[
        ("127.0.0.1", ""),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.9.8.7"),
        ("::1", ""),
        ("::", "::1"),
    ],
    ids=lambda param: " asked at ".join(filter(None, param)),
)
def edge(request: pytest.FixtureRequest) -> Iterator[Edge]:
    made = Edge(*request.param)
    yield made
    made.sock.close()


def test_each_gets_the_reply_to_its_own_query_with_its_own_id(edge: Edge) -> None:
    clients = [edge.client() for _ in range(20)]
    for n, sock in enumerate(clients):
        edge.remembered[b"q%d" % n] = b"reply %d" % n
        sock.send(n.to_bytes(2) + b"q%d" % n)
    edge.drain()
    for n, sock in enumerate(clients):
        assert sock.recv(100) == n.to_bytes(2) + b"reply %d" % n
        sock.close()
    assert not edge.asked


def test_who_asked_is_told_as_the_socket_tells_it(edge: Edge) -> None:
    with edge.client() as sock:
        sock.send(b"\0\1unknown")
        edge.drain()
        [(wire, asker)] = edge.asked
        assert wire == b"\0\1unknown"
        assert asker.peer == sock.getsockname()
    assert (asker.ancillary is None) == (
        edge.sock.getsockname()[0] not in ("0.0.0.0", "::")
    )


@pytest.mark.parametrize("silent", [0, 3, 7, 8, 9, 19], ids=lambda n: f"silent-{n}")
def test_replies_around_one_that_stays_away(edge: Edge, silent: int) -> None:
    with edge.client() as sock:
        for n in range(20):
            question = b"q%d" % n
            if n % 2:
                edge.remembered[question] = question
            else:
                edge.replies[question] = n.to_bytes(2) + question
            if n == silent:
                edge.remembered.pop(question, None)
                edge.replies[question] = None
            sock.send(n.to_bytes(2) + question)
        edge.drain()
        found = [sock.recv(100)[2:] for _ in range(19)]
    assert sorted(found) == sorted(b"q%d" % n for n in range(20) if n != silent)


def test_no_more_than_all_slots_at_a_time(edge: Edge) -> None:
    edge.remembered[b"q"] = b"r"
    with edge.client() as sock:
        for n in range(SLOTS + 1):
            sock.send(n.to_bytes(2) + b"q")
        edge.drain()
        assert [sock.recv(9)[:2] for _ in range(SLOTS)] == [
            n.to_bytes(2) for n in range(SLOTS)
        ]
        edge.drain()
        assert sock.recv(9) == SLOTS.to_bytes(2) + b"r"


def test_slots_serve_again(edge: Edge) -> None:
    edge.remembered = {b"long" * 50: b"long " * 50, b"s": b"s"}
    with edge.client() as sock:
        for question in (b"long" * 50, b"s", b"long" * 50):
            sock.send(b"ab" + question)
            edge.drain()
            assert sock.recv(999) == b"ab" + edge.remembered[question]


@pytest.mark.parametrize("size", [WRITE, WRITE + 1], ids=["fits", "does-not-fit"])
def test_replies_of_any_length(edge: Edge, size: int) -> None:
    reply = b"ab" + bytes(size - 2)
    edge.replies[b"q"] = reply
    edge.remembered[b"r"] = reply[2:]
    edge.replies[b"r"] = reply  # where it is remembered, but does not fit
    with edge.client() as sock:
        for question in (b"q", b"r"):
            sock.send(b"ab" + question)
            edge.drain()
            assert sock.recv(4096) == reply


def test_odd_ports_are_for_the_chain_to_judge(edge: Edge) -> None:
    edge.remembered[b"q"] = b"r"
    with edge.client() as sock:
        sock.send(b"abq")
        edge.drain(frozenset([socket.htons(sock.getsockname()[1])]))
    assert [wire for wire, _ in edge.asked] == [b"abq"]


def test_replies_made_later_find_their_clients_at_the_address_asked(edge: Edge) -> None:
    """More of them than there are slots, to clients that asked in several batches."""
    clients = [edge.client() for _ in range(SLOTS + 5)]
    for n, sock in enumerate(clients):
        sock.send(n.to_bytes(2) + b"q")
        edge.drain()
    assert len(edge.asked) == len(clients)
    for wire, client in reversed(edge.asked):
        assert edge.batch.reply(wire[:2] + b"r", client)
    edge.batch.flush()
    for n, sock in enumerate(clients):
        assert sock.recv(9) == n.to_bytes(2) + b"r"
        sock.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
def test_one_that_cannot_be_replied_to_costs_nobody_else() -> None:
    edge = Edge("127.0.0.1", "")
    edge.remembered[b"q"] = b"r"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw,
        edge.client() as sock,
    ):
        sock.send(b"\0\1q")
        # from port 0: no reply can be sent there (EINVAL)
        raw.sendto(struct.pack("!4H", 0, edge.at[1], 11, 0) + b"\0\2q", edge.at)
        sock.send(b"\0\3q")
        edge.drain()
        assert [sock.recv(9) for _ in range(2)] == [b"\0\1r", b"\0\3r"]
    edge.sock.close()
