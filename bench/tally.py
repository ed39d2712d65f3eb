"""What a load generator was told to do, what it sent and what came back."""

import json
import os
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

from bench.workloads import Ask, read

_OPTIONS = ("window", "rate", "core", "first")


class Told(NamedTuple):
    """The words of a generator's command line; see load.c."""

    port: int
    counter_at: int
    asks: list[Ask]
    seconds: float
    window: int = 64
    rate: int = 0
    first: int = 0
    any: bool = False

    @classmethod
    def of(cls, words: list[str]) -> Self:
        """Read them, and go to the core they name."""
        port, path, seconds, *rest = words
        options = {k: int(v) for k, v in pairwise(rest) if k in _OPTIONS}
        core = options.pop("core", -1)
        if core in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {core})
        at, asks = read(Path(path))
        return cls(int(port), at, asks, float(seconds), **options, any="any" in rest)


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
        """Return in how many microseconds ``share`` of the replies came."""
        took = sorted(self.took_s) or [0.0]
        return 1e6 * took[min(len(took) - 1, int(len(took) * share))]

    def tell(self, seconds: float, *, any_: bool) -> None:
        """Print what load.c prints."""
        told = {
            "sent": self.sent,
            "answered": self.answered,
            "lost": self.lost,
            "wrong": 0 if any_ else self.wrong,
            "seconds": seconds,
            "p50_us": self.percentile_us(0.5),
            "p99_us": self.percentile_us(0.99),
            "p999_us": self.percentile_us(0.999),
            "max_us": self.percentile_us(1.0),
            "rcodes": {str(rcode): count for rcode, count in self.rcodes.items()},
        }
        json.dump(told, sys.stdout)
