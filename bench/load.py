"""The load generator: a window of queries in flight from one socket, for some seconds.

Run as a process of its own, pinned to another core than the server: what it costs
is not on the server's account. Prints one JSON object: sent, answered, wrong, seconds.
"""

import argparse
import json
import os
import socket
import sys
import time
from pathlib import Path

WINDOW = 64
_PATIENCE_S = 0.5


def main() -> None:
    """Send what the file of hex lines says to 127.0.0.1 at the port, in turn."""
    parser = argparse.ArgumentParser("bench.load")
    parser.add_argument("port", type=int)
    parser.add_argument("queries", help="file: a query in hex a line, less its id")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--core", type=int, default=1)
    args = parser.parse_args()
    if args.core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {args.core})
    queries = [bytes.fromhex(x) for x in Path(args.queries).read_text().split()]
    json.dump(run(args.port, queries, args.seconds), sys.stdout)


def run(port: int, queries: list[bytes], seconds: float) -> dict[str, float]:
    """Keep WINDOW queries in flight; a lost one is made up for after half a second."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.connect(("127.0.0.1", port))
    sock.settimeout(_PATIENCE_S)
    send, receive = sock.send, sock.recv
    sent = answered = wrong = lost = 0
    count = len(queries)
    began = time.perf_counter()
    end = began + seconds
    while sent - answered - lost < WINDOW:
        send((sent & 0xFFFF).to_bytes(2) + queries[sent % count])
        sent += 1
    while True:
        try:
            reply = receive(4096)
        except TimeoutError:
            lost = sent - answered
            reply = b""
        if reply:
            answered += 1
            wrong += reply[3] & 15 in (2, 5)  # SERVFAIL, REFUSED
        if answered % 256 == 0 and time.perf_counter() > end:
            break
        while sent - answered - lost < WINDOW:
            send((sent & 0xFFFF).to_bytes(2) + queries[sent % count])
            sent += 1
    return {
        "sent": sent,
        "answered": answered,
        "wrong": wrong,
        "seconds": time.perf_counter() - began,
    }


if __name__ == "__main__":
    main()
