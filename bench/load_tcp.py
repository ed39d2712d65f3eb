"""The load generator over TCP and TLS: connections with queries in flight, or one."""

import selectors
import socket
import ssl
import sys
import time

from bench.tally import Options, Tally
from bench.workloads import Ask

_PATIENCE_S = 0.5


class Connection:
    """A connection and its queries in flight."""

    def __init__(self, options: Options, tally: Tally) -> None:
        self.sock = socket.create_connection(("127.0.0.1", options.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if options.tls:
            self.sock = _CONTEXT.wrap_socket(self.sock)
        self.open: dict[int, tuple[Ask, float]] = {}
        self._asks = options.asks
        self._tally = tally
        self._rest = b""

    def send(self, count: int) -> None:
        """Send ``count`` queries in one write."""
        now, frames, tally = time.perf_counter(), [], self._tally
        for number in range(tally.sent, tally.sent + count):
            ask, ident = self._asks[number % len(self._asks)], number & 0xFFFF
            self.open[ident] = ask, now
            frames.append((len(ask.wire) + 2).to_bytes(2) + ident.to_bytes(2))
            frames.append(ask.wire)
        tally.sent += count
        self.sock.sendall(b"".join(frames))

    def receive(self) -> int:
        """Read the replies that have arrived; return their number.

        Raises:
            SystemExit: the server closed the connection.

        """
        data = self._rest + self._read()
        now, at, count = time.perf_counter(), 0, 0
        while at + 2 <= len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2])
            if end > len(data):
                break
            reply = data[at + 2 : end]
            ask, sent = self.open.pop(int.from_bytes(reply[:2]))
            self._tally.count(ask, reply, now - sent)
            at, count = end, count + 1
        self._rest = data[at:]
        return count

    def _read(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise SystemExit("the server closed a connection that was in use")
        while isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            data += self.sock.recv(65536)  # select(2) does not see decrypted bytes
        return data


_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CONTEXT.check_hostname, _CONTEXT.verify_mode = False, ssl.CERT_NONE


def run(options: Options, tally: Tally) -> None:
    """Send for the given time, then wait for the outstanding replies."""
    end = time.perf_counter() + options.seconds
    with selectors.DefaultSelector() as selector:
        connections = {
            _opened(options, tally, selector) for _ in range(options.connections)
        }
        while (now := time.perf_counter()) < end or (
            now < end + _PATIENCE_S
            and any(connection.open for connection in connections)
        ):
            for key, _ in selector.select(0.05):
                connection = key.data
                count = connection.receive()
                if count and options.once:
                    selector.unregister(connection.sock)
                    connection.sock.close()
                    connections.remove(connection)
                    if now < end:
                        connections.add(_opened(options, tally, selector))
                elif count and now < end:
                    connection.send(count)
        for connection in connections:
            tally.lost += len(connection.open)
            connection.sock.close()


def _opened(
    options: Options, tally: Tally, selector: selectors.BaseSelector
) -> Connection:
    """Return a new connection with its first queries sent."""
    connection = Connection(options, tally)
    selector.register(connection.sock, selectors.EVENT_READ, connection)
    connection.send(options.pipelined)
    return connection


def main() -> None:
    """Do what load.c does, over TCP and without a rate."""
    options, tally = Options.parse(sys.argv[1:]), Tally()
    run(options, tally)
    tally.print_results(options.seconds)


if __name__ == "__main__":
    main()
