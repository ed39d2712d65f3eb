"""Datagram sockets: those that read many at a time, and those that read one by one."""

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from minidns.server import datagrams
from minidns.server.datagrams import BATCH, WRITE, Datagram, open_socket
from tests.table import table

FAMILIES = {
    # id: address bound, address that clients send to
    "127.0.0.1": ("127.0.0.1", "127.0.0.1"),
    "any-v4": ("0.0.0.0", "127.0.0.1"),
    "any-v4-second-address": ("0.0.0.0", "127.9.8.7"),
    "::1": ("::1", "::1"),
    "any-v6": ("::", "::1"),
}


class Server:
    def __init__(self, host: str, target: str, *, batches: bool) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.at = (target, self.sock.getsockname()[1])
        self.io = open_socket(self.sock, batches=batches)

    def client(self) -> socket.socket:
        sock = socket.socket(self.sock.family, socket.SOCK_DGRAM)
        sock.connect(self.at)  # takes replies from the address it asked only
        sock.settimeout(1.0)
        return sock

    def receive(self) -> list[Datagram]:
        return list(self.io.receive_many())


@pytest.fixture(params=tuple(FAMILIES.values()), ids=tuple(FAMILIES))
def family(request: pytest.FixtureRequest) -> tuple[str, str]:
    family: tuple[str, str] = request.param
    return family


@pytest.fixture(params=[True, False], ids=["batches", "one-by-one"])
def server(request: pytest.FixtureRequest, family: tuple[str, str]) -> Iterator[Server]:
    if request.param and not datagrams.has_batches():
        pytest.skip("Linux only")
    made = Server(*family, batches=request.param)
    yield made
    made.sock.close()


def test_each_client_gets_the_reply_to_its_own_query(server: Server) -> None:
    clients = [server.client() for _ in range(20)]
    for n, sock in enumerate(clients):
        sock.send(n.to_bytes(2) + b"q%d" % n)
    came = server.receive()
    assert [(ident, rest) for _, ident, rest in came] == [(n.to_bytes(2), b"q%d" % n) for n in range(20)]
    server.io.send_many([(sender, ident, rest * 2) for sender, ident, rest in reversed(came)])
    for n, sock in enumerate(clients):
        assert sock.recv(100) == n.to_bytes(2) + b"q%d" % n * 2
        sock.close()


def test_peers_are_told_as_the_socket_module_does(server: Server) -> None:
    with server.client() as sock:
        sock.send(b"\0\1q")
        [(sender, _, _)] = server.receive()
        assert server.io.peer(sender) == sock.getsockname()


def test_no_more_than_a_batch_at_a_time(server: Server) -> None:
    with server.client() as sock:
        for n in range(BATCH + 1):
            sock.send(n.to_bytes(2) + b"q")
        assert [ident for _, ident, _ in server.receive()] == [n.to_bytes(2) for n in range(BATCH)]
        assert [ident for _, ident, _ in server.receive()] == [BATCH.to_bytes(2)]
        assert server.receive() == []


def test_slots_are_used_again(server: Server) -> None:
    with server.client() as sock:
        for question in (b"long" * 50, b"s", b"long" * 50):
            sock.send(b"ab" + question)
            server.io.send_many(server.receive())
            assert sock.recv(999) == b"ab" + question


SIZES = (2, 3, 12, 511, 512, 513, WRITE - 1, WRITE, WRITE + 1, 4000)


@table("size", SIZES)
def test_replies_of_any_length(server: Server, size: int) -> None:
    with server.client() as sock:
        sock.send(b"abq")
        [(sender, ident, _)] = server.receive()
        rest = bytes(range(256)) * 16
        server.io.send_many([(sender, ident, rest[: size - 2])] * 2)
        assert [sock.recv(5000) for _ in range(2)] == [b"ab" + rest[: size - 2]] * 2


@table("size", [0, 1, 2])
def test_datagrams_shorter_than_an_id(server: Server, size: int) -> None:
    with server.client() as sock:
        sock.send(b"xy"[:size])
        [(_, ident, rest)] = server.receive()
    assert (ident + rest)[:size] == b"xy"[:size]
    assert rest == b""


def test_more_replies_than_slots_to_clients_of_several_batches(server: Server) -> None:
    clients = [server.client() for _ in range(BATCH + 5)]
    came: list[Datagram] = []
    for n, sock in enumerate(clients):
        sock.send(n.to_bytes(2) + b"q")
        came += server.receive()
    server.io.send_many([(sender, ident, b"r") for sender, ident, _ in reversed(came)])
    for n, sock in enumerate(clients):
        assert sock.recv(9) == n.to_bytes(2) + b"r"
        sock.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
@pytest.mark.parametrize("batches", [True, False], ids=["batches", "one-by-one"])
def test_a_reply_that_cannot_be_sent_costs_nobody_else(*, batches: bool) -> None:
    server = Server("127.0.0.1", "127.0.0.1", batches=batches)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw, server.client() as sock:
        sock.send(b"\0\1q")
        [(sender, _, _)] = server.receive()
        # broadcast without permission: EACCES
        bad = sender[:4] + b"\xff" * 4 + sender[8:] if batches else (("255.255.255.255", 9), ())
        server.io.send_many([(sender, b"\0\1", b"r"), (bad, b"\0\2", b"r")])
        server.io.send_many([(bad, b"\0\2", b"r"), (sender, b"\0\3", b"r")])
        assert [sock.recv(9) for _ in range(2)] == [b"\0\1r", b"\0\3r"]
        # from port 0 no datagram is taken at all
        raw.sendto(struct.pack("!4H", 0, server.at[1], 11, 0) + b"\0\4q", server.at)
        sock.send(b"\0\5q")
        assert [ident for _, ident, _ in server.receive()] == [b"\0\5"]
    server.sock.close()


def test_datagrams_of_the_socket_itself_are_left_out(server: Server) -> None:
    server.sock.sendto(b"\0\1q", server.at)
    with server.client() as sock:
        sock.send(b"\0\2q")
        idents = [ident for _, ident, _ in server.receive()]
    # the address that a wildcard socket sends from may be another one of ours
    assert idents in ([b"\0\2"], [b"\0\1", b"\0\2"])
    if server.at[0] != "127.9.8.7":
        assert idents == [b"\0\2"]
