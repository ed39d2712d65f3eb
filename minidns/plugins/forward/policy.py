"""In which order the upstreams of a ``forward`` line are tried."""

from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import TypeVar

P = TypeVar("P")


def order_by(policy: str, upstreams: Sequence[P], rng: Random) -> Callable[[], list[P]]:
    """Return what gives ``upstreams`` in the order for the next query."""
    if policy == "sequential" or len(upstreams) == 1:
        return lambda: list(upstreams)
    if policy == "round_robin":
        turns = count(1)  # the second one is first, as in CoreDNS
        return lambda: _led_by(next(turns) % len(upstreams), upstreams)
    return lambda: rng.sample(upstreams, len(upstreams))


def _led_by(first: int, upstreams: Sequence[P]) -> list[P]:
    return [upstreams[first], *upstreams[:first], *upstreams[first + 1 :]]
