"""A fuzzer without instruments: seeds, a few changes, and a clock."""

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

INSERTED = (b"\0", b"\x01", b"\xc0", b"\x0c", b"\xff", b"\x3f", b"\x29", b'"', b"{", b"\n")
"""Bytes with a meaning to somebody: pointers, longest labels, an OPT, braces."""


class Target(NamedTuple):
    """Something that reads bytes from elsewhere."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


class Fault(NamedTuple):
    """An input that a target failed at, and how."""

    data: bytes
    error: Exception


class Report(NamedTuple):
    """The result of a run."""

    runs: int
    faults: list[Fault]
    slowest_s: float
    slowest: bytes


def mutants(seeds: list[bytes], rng: Random) -> Iterator[bytes]:
    """Yield seeds with one to six changes each, for ever.

    Of 100 changes 60 flip a byte, 15 cut, 15 insert, 10 splice another seed in.
    """
    while True:
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            at = rng.randint(0, len(data))
            match rng.choices("fcis", (60, 15, 15, 10))[0]:
                case "f" if at < len(data):
                    data[at] = rng.randrange(256)
                case "c":
                    del data[at : at + rng.randint(1, 32)]
                case "i":
                    data[at:at] = rng.choice(INSERTED) * rng.randint(1, 3)
                case "s":
                    other = rng.choice(seeds)
                    start = rng.randint(0, len(other))
                    data[at:at] = other[start : start + rng.randint(1, 64)]
        yield bytes(data)


def fuzz(target: Target, seconds: float, seed: int = 1, most: int | None = None) -> Report:
    """Run ``target`` for so long, or so often; go on after a fault."""
    rng = Random(seed)
    seeds = target.seeds()
    faults: list[Fault] = []
    end = time.monotonic() + seconds
    runs, slowest_s, slowest = 0, 0.0, b""
    for data in seeds:
        runs += 1
        _try(target, data, faults)
    for data in mutants(seeds, rng):
        if time.monotonic() > end or (most is not None and runs >= most):
            break
        runs += 1
        took = _try(target, data, faults)
        if took > slowest_s:
            slowest_s, slowest = took, data
    return Report(runs, faults, slowest_s, slowest)


def _try(target: Target, data: bytes, faults: list[Fault]) -> float:
    """Run ``target`` once; return the seconds it took."""
    began = time.thread_time()
    try:
        target.run(data)
    except Exception as exc:
        faults.append(Fault(data, exc))
    return time.thread_time() - began
