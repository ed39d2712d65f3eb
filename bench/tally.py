"""The options of the load generator over TCP, and its counts of queries and replies."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple, Self

from bench.workloads import Ask, read


class Options(NamedTuple):
    """The command line, as far as it applies to TCP; see load.c."""

    port: int
    asks: list[Ask]
    seconds: float
    connections: int = 20
    pipelined: int = 8
    """Queries in flight per connection."""
    once: int = 0
    """1 to send one query over a connection, and then open the next; else 0."""
    tls: int = 0
    """1 for TLS; the certificate is not checked."""

    @classmethod
    def parse(cls, words: list[str]) -> Self:
        """Parse ``words``, and move this process to the core in them."""
        port, path, seconds, *rest = words
        named = dict(zip(rest[::2], map(int, rest[1::2]), strict=False))
        core = named.get("core", -1)
        if core in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {core})
        _, asks = read(Path(path))
        chosen = {name: named[name] for name in cls._field_defaults if name in named}
        return cls(int(port), asks, float(seconds), **chosen)


class Tally:
    """Queries and replies, counted and timed."""

    def __init__(self) -> None:
        self.sent = self.answered = self.lost = self.wrong = 0
        self.took_s: list[float] = []
        self.rcodes: Counter[int] = Counter()

    def count(self, ask: Ask, reply: bytes, took_s: float) -> None:
        """Count a reply to ``ask``."""
        rcode, answers = reply[3] & 15, reply[6:8] != b"\0\0"
        self.answered += 1
        self.took_s.append(took_s)
        self.rcodes[rcode] += 1
        right = reply[2] & 0x80 and (rcode, answers) == (ask.rcode, ask.answers)
        self.wrong += not right

    def percentile_us(self, share: float) -> float:
        """Return the microseconds within which ``share`` of the replies arrived."""
        took = sorted(self.took_s) or [0.0]
        return 1e6 * took[min(len(took) - 1, int(len(took) * share))]

    def print_results(self, seconds: float) -> None:
        """Print the results in the format of load.c."""
        results = {
            "sent": self.sent,
            "answered": self.answered,
            "lost": self.lost,
            "wrong": self.wrong,
            "seconds": seconds,
            "p50_us": self.percentile_us(0.5),
            "p99_us": self.percentile_us(0.99),
            "p999_us": self.percentile_us(0.999),
            "max_us": self.percentile_us(1.0),
            "rcodes": {str(rcode): count for rcode, count in self.rcodes.items()},
        }
        json.dump(results, sys.stdout)
