"""The load generator over UDP where there is no C compiler; load.c in Python.

It costs more per query than the C one, so that a fast server may wait for it.
"""

import select
import socket
import sys
import time
from collections.abc import Callable

from bench.tally import Tally, Told
from bench.workloads import Ask

_PATIENCE_S = 0.5
_BURST = 64


class Load:
    """One socket, and what waits for its reply."""

    def __init__(self, told: Told) -> None:
        self.tally = Tally()
        self.open: dict[int, tuple[Ask, float]] = {}
        self._told = told
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sock.connect(("127.0.0.1", told.port))
        self._sock.setblocking(False)

    def run(self, end: float, due: Callable[[float], float]) -> None:
        """Send as many as are ``due`` at each moment until ``end``, then wait."""
        heard = now = time.perf_counter()
        while now < end or (self.open and now < end + _PATIENCE_S):
            if now < end:
                for _ in range(min(_BURST, int(due(now)))):
                    self._send(now)
            if select.select([self._sock], [], [], 0.0005)[0]:
                self._receive()
                heard = now
            elif now - heard > _PATIENCE_S:
                self._give_up()
                heard = now
            now = time.perf_counter()
        self._give_up()
        self._sock.close()

    def _send(self, now: float) -> None:
        number, told = self.tally.sent, self._told
        ask, ident = told.asks[number % len(told.asks)], number & 0xFFFF
        wire = ask.wire
        if at := told.counter_at:
            digits = f"{(told.first + number) & 0xFFFFFFFF:08x}".encode()
            wire = wire[:at] + digits + wire[at + 8 :]
        self.open[ident] = ask, now
        self._sock.send(ident.to_bytes(2) + wire)
        self.tally.sent += 1

    def _receive(self) -> None:
        try:
            while True:
                reply = self._sock.recv(4096)
                if found := self.open.pop(int.from_bytes(reply[:2]), None):
                    ask, sent = found
                    self.tally.count(ask, reply, time.perf_counter() - sent)
        except (BlockingIOError, ConnectionRefusedError):
            return

    def _give_up(self) -> None:
        self.tally.lost += len(self.open)
        self.open.clear()


def main() -> None:
    """Do what load.c does."""
    told = Told.of(sys.argv[1:])
    load = Load(told)
    began = time.perf_counter()
    if told.rate:
        load.run(
            began + told.seconds,
            lambda now: (now - began) * told.rate - load.tally.sent,
        )
    else:
        load.run(began + told.seconds, lambda now: told.window - len(load.open))
    load.tally.tell(told.seconds, any_=told.any)


if __name__ == "__main__":
    main()
