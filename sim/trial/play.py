"""Plays a trial in virtual time: plants a cause and runs the code of real trials."""

from dataclasses import dataclass
from fractions import Fraction
from random import Random

from minidns.trial.ledger import Ledger
from minidns.trial.run import Plan, Tell, Trial, interval_s
from minidns.trial.verdict import Verdict

from ..node import fault_words
from ..node.replica import EPOCH
from ..scenario import clock
from .arena import REPLICAS, arena
from .causes import CAUSES, faulty_blocks, plant
from .prober import SimulatedNames, SimulatedProber

MOST_PER_REPLICA = 20.0
"""Lookups per second and CoreDNS replica."""
MERGING = 0.03
"""Time is virtual, so the pace is slow and few episodes merge."""
RAREST, MOST_FREQUENT = Fraction(1, 100_000), Fraction(1, 2)
LIMIT = 60
"""The trial ends without a verdict after this number of lookups times the rate."""


@dataclass(frozen=True, slots=True)
class Played:
    """A trial that is over."""

    verdict: Verdict
    ledger: Ledger
    started: float
    """The start in seconds since the epoch of the simulation."""


def rate_of(word: str) -> Fraction:
    """Return a rate that a trial can look for.

    Raises:
        ValueError: it is no rate, or out of range.

    """
    rate = fault_words.rate(word)
    if not RAREST <= rate <= MOST_FREQUENT:
        raise ValueError(f"{word}: a rate from {RAREST} to {MOST_FREQUENT} is needed")
    return rate


def play(
    planted: str,
    rate: Fraction,
    seed: int,
    *,
    background: Fraction = Fraction(1, 20),
    tell: Tell = lambda event: None,
) -> Played:
    """Run a trial in virtual time with the cause ``planted`` at ``rate``.

    ``background`` is the rate of failures of all lookups, as a share of ``rate``.
    """
    return clock.run(in_loop(planted, rate, seed, background * rate, tell))


async def in_loop(
    planted: str,
    rate: Fraction,
    seed: int,
    background: Fraction,
    tell: Tell = lambda event: None,
) -> Played:
    """Run a trial in the running loop, whose time must be virtual.

    ``background`` is the rate of failures of all lookups.
    """
    cause = CAUSES[planted]
    blocks = faulty_blocks(cause, rate)
    async with arena(seed, other=cause.needs_other, faulty=blocks) as place:
        plant(place, cause, rate, background, seed)
        between = interval_s(float(rate), REPLICAS, MOST_PER_REPLICA, MERGING)
        limit_s = LIMIT / float(rate) * between
        plan = Plan(place.layout, float(rate), limit_s, between, place.seal)
        ledger = Ledger(place.layout, float(rate))
        trial = Trial(
            plan,
            SimulatedProber(place, Random(f"{seed} prober")),
            SimulatedNames(place, Random(f"{seed} names")),
            ledger,
            Random(f"{seed} trial"),
            tell,
        )
        verdict = await trial.run()
        return Played(verdict, ledger, EPOCH + ledger.started_at)
