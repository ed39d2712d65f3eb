"""A blocking DNS client over UDP or TCP, for commands without an event loop."""

import contextlib
import socket
import time
from secrets import randbits

from minidns.dns.model import Address, FormatError, Question
from minidns.dns.reply import Reply, decode_reply
from minidns.dns.wire import encode_query
from minidns.system.addresses import socket_address

_SIZE = 65535


def ask(
    to: Address, question: Question, deadline_s: float, *, transport: str = "udp"
) -> Reply:
    """Return the reply of the server at ``to``; over UDP, ask twice if necessary.

    Raises:
        TimeoutError: no reply after ``deadline_s`` seconds in all.
        OSError: the connection is refused, or there is no route.
        FormatError: the reply is malformed.

    """
    exchange = _by_tcp if transport == "tcp" else _by_udp
    return exchange(to, question, time.monotonic() + deadline_s)


def _by_udp(to: Address, question: Question, until: float) -> Reply:
    family, address = socket_address(*to)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        second = (time.monotonic() + until) / 2
        with contextlib.suppress(TimeoutError):
            return _exchange(sock, question, second)
        return _exchange(sock, question, until)


def _exchange(sock: socket.socket, question: Question, until: float) -> Reply:
    ident = randbits(16)
    sock.send(encode_query(question, ident))
    while True:
        sock.settimeout(_left(until))
        reply = decode_reply(sock.recv(_SIZE))
        if reply.id == ident:  # else a late reply to the first query
            return reply


def _by_tcp(to: Address, question: Question, until: float) -> Reply:
    wire = encode_query(question, randbits(16))
    with socket.create_connection(to, _left(until)) as sock:
        sock.sendall(len(wire).to_bytes(2) + wire)
        size = int.from_bytes(_read(sock, 2, until))
        return decode_reply(_read(sock, size, until))


def _read(sock: socket.socket, size: int, until: float) -> bytes:
    read = b""
    while len(read) < size:
        sock.settimeout(_left(until))
        if not (more := sock.recv(size - len(read))):
            raise FormatError("the connection closed before the end of the reply")
        read += more
    return read


def _left(until: float) -> float:
    """Return the seconds until ``until``; raise TimeoutError if it has passed."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
