"""The effects that faults have, with the words that each takes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Effect(NamedTuple):
    """What a fault does, and which words it takes."""

    description: str
    on_link: bool = False
    at_server: bool = False
    needs_pod: bool = False
    """Whether the server must be a DNS pod, and not the external resolver."""
    argument: str = ""
    """The word after the effect: TIME, TIME[±JITTER], RCODE, or none."""
    has_rate: bool = True
    has_conditions: bool = True
    """Whether a fault of a server can be restricted to protocol, size, name, type."""


EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "lose": Effect("loses messages", on_link=True, at_server=True),
        "delay": Effect(
            "delays messages on a link or the answers of a server",
            on_link=True,
            at_server=True,
            argument="TIME[±JITTER]",
        ),
        "duplicate": Effect("delivers messages twice", on_link=True),
        "reorder": Effect(
            "holds messages back by 1 ms, so that later ones overtake them",
            on_link=True,
        ),
        "partition": Effect(
            "loses all messages on a link; with a rate, all those of some flows",
            on_link=True,
        ),
        "intercept": Effect(
            "lets another server answer what crosses a link; it may repeat its replies",
            on_link=True,
        ),
        "servfail": Effect("lets a server answer SERVFAIL", at_server=True),
        "answer": Effect(
            "lets a server answer with an rcode", at_server=True, argument="RCODE"
        ),
        "truncate": Effect(
            "lets a server answer over UDP with TC set and without records",
            at_server=True,
        ),
        "shorten": Effect(
            "lets a server leave out half of the answer without setting TC",
            at_server=True,
        ),
        "garble": Effect("lets a server send half of the reply", at_server=True),
        "lie": Effect(
            "lets a server answer with other addresses: 198.51.100.66", at_server=True
        ),
        "deny": Effect(
            "lets a server repeat an NXDOMAIN for so long",
            at_server=True,
            argument="TIME",
        ),
        "stop": Effect(
            "stops a server at a query: it stays ready and does not answer until mend",
            at_server=True,
            has_conditions=False,
        ),
        "crash": Effect(
            "ends a server at a query; its container restarts after 1, 10, 20 s ...",
            at_server=True,
            needs_pod=True,
            has_conditions=False,
        ),
        "oom": Effect(
            "ends a server at a query for lack of memory (OOMKilled), like crash",
            at_server=True,
            needs_pod=True,
            has_conditions=False,
        ),
        "unready": Effect(
            "lets a server fail its readiness probe",
            at_server=True,
            needs_pod=True,
            has_rate=False,
            has_conditions=False,
        ),
        "miss": Effect(
            "lets a server ignore events of its watches",
            at_server=True,
            needs_pod=True,
            has_conditions=False,
        ),
    }
)
"""Every effect by its word."""


def usage(word: str) -> str:
    """Return the words after the effect ``word``."""
    effect = EFFECTS[word]
    before = [effect.argument] * bool(effect.argument) + ["[RATE]"] * effect.has_rate
    forms = [["query|reply TYPE [TIMES]"]] if word == "lose" else []
    if effect.on_link:
        to = ["by SERVER [cache TIME]"] * (word == "intercept")
        forms.append([*before, "link A>B|A<>B", *to, "[CONDITION]..."])
    if effect.at_server:
        conditions = "[CONDITION]..." if effect.has_conditions else "[seed N]"
        forms.append([*before, "at SERVER", conditions])
    return " or ".join(" ".join(form) for form in forms)
