"""One hostile datagram after the other at a server, a good query after each."""

import time
from collections.abc import Iterable
from typing import NamedTuple

from tests.survival.datagrams import DROP, Row
from tests.survival.world import Server, is_good, query, udp


class Outcome(NamedTuple):
    """The outcome of a row."""

    replies: list[bytes]
    good_s: float
    """Seconds until the good query sent right after it was answered."""


def attacked(server: Server, rows: Iterable[Row]) -> dict[str, Outcome]:
    """Return what came of each row, by its id.

    Raises:
        TimeoutError: a good query, or one that was to be answered, was not.

    """
    outcomes = {}
    with udp(server.port) as sock:
        for number, row in enumerate(rows, 1):
            sock.send(row.wire)
            sent = time.perf_counter()
            sock.send(query(number))
            good_s = 0.0
            replies: list[bytes] = []
            while not good_s or (row.kind != DROP and not replies):
                reply = sock.recv(65535)
                if reply[:2] == number.to_bytes(2) and is_good(reply):
                    good_s = time.perf_counter() - sent
                else:
                    replies.append(reply)
            outcomes[row.id] = Outcome(replies, good_s)
    return outcomes
