"""How old what is known of a cluster is: since when no watch gave a sign of life."""

from collections.abc import Iterable
from typing import NamedTuple

from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import Resource


class Known(NamedTuple):
    """How well one resource is known."""

    resource: Resource
    synced: bool
    silent_s: float | None
    """Since the last list, change or bookmark; None before the first."""
    age_s: float
    """The same, counted from the start before the first."""
    error: str
    """What the API server said last that was no answer."""


def known(reflectors: Iterable[Reflector], now: float, start: float) -> list[Known]:
    """Return how well each is known ``now``; following began at ``start``."""
    found = []
    for each in reflectors:
        life = each.proof_of_life
        silent_s = None if life is None else now - life
        age_s = now - start if silent_s is None else silent_s
        found.append(
            Known(each.resource, each.synced, silent_s, age_s, each.last_error)
        )
    return found
