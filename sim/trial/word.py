"""The command ``trial`` of scenarios: a trial on a cluster of its own."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random

from minidns.text.arguments import not_one_of
from minidns.trial.report.facts import Setup, report

from ..scenario import play
from ..scenario.setup_words import Command, number
from ..scenario.show_words import Showing
from ..scenario.stage import Stage
from .causes import CAUSES
from .play import in_loop, rate_of

ANY = "any"
"""Plants a cause that the seed draws."""
_BACKGROUND = Fraction(1, 20)


async def _trial(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    cause, rate_word, *rest = words
    if len(rest) == 1:
        raise ValueError("N is missing")
    seed = number(rest[1]) if rest else 1
    drawable = [name for name, each in CAUSES.items() if not each.needs_other]
    if cause == ANY:
        cause = Random(f"{seed} cause").choice(drawable)
    elif cause not in drawable:
        raise ValueError(not_one_of(cause, (ANY, *drawable)))
    rate = rate_of(rate_word)
    played = await in_loop(cause, rate, seed, rate * _BACKGROUND)
    facts = report(played.ledger, played.verdict, Setup(played.started, ""))
    part = f" ({facts.part})" if facts.part else ""
    return [
        *(
            f"{row.arm} {row.way}, {row.target}: {row.failures} of {row.lookups} failed"
            for row in facts.arms
        ),
        f"verdict {facts.verdict}{part}",
    ]


COMMANDS: Mapping[str, Command] = {
    **play.COMMANDS,
    "trial": Showing(
        _trial,
        "CAUSE RATE [seed] [N]",
        f"plants a cause, or {ANY}, in a cluster of its own; shows how often each arm "
        "failed, and the verdict of a trial",
    ),
}
"""The commands of scenarios, and ``trial``."""
