"""The integrity probe: a name that only the minidns of this trial can answer.

The clients look it up over every arm that leads to minidns. If another answer comes
back, another server gave it: something between client and minidns intercepts DNS, and
no arm measures what it seems to. The answer is an address with 64 random bits.
"""

from random import Random
from typing import NamedTuple

from minidns.dns.rdata import AAAA
from minidns.trial.arms import NameKind
from minidns.trial.lookup import (
    Expected,
    FailureKind,
    Outcome,
    Result,
    Subject,
    failure_of,
)

ZONE = "minidns-trial.invalid"
"""A zone that no other server has (RFC 6761 6.4)."""


class Seal(NamedTuple):
    """The secret of one trial."""

    address: str
    """The IPv6 address that minidns gives to every name in ZONE (RFC 3849)."""

    @classmethod
    def random(cls, rng: Random) -> "Seal":
        """Return a new seal."""
        words = (f"{rng.randrange(0x1000, 0x10000):x}" for _ in range(4))
        return cls(f"2001:db8:0:1:{':'.join(words)}")

    def server_block(self, port: int = 53) -> str:
        """Return the server block to append to the Corefile of each minidns."""
        return (
            f"{ZONE}:{port} {{\n"
            f"    template IN AAAA {ZONE} {{\n"
            f'        answer "{{{{ .Name }}}} 0 IN AAAA {self.address}"\n'
            "    }\n"
            "}\n"
        )

    def subject(self, rng: Random) -> Subject:
        """Return a lookup of a name that has never been looked up before."""
        name = f"n{rng.getrandbits(48):012x}.{ZONE}."
        expected = Expected.addresses([self.address])
        return Subject(name, NameKind.CLUSTER, types=(AAAA,), expected=expected)


def is_intercepted(subject: Subject, result: Result) -> bool:
    """Return whether a server other than minidns answered an integrity probe.

    Silence, an unreachable server and SERVFAIL show nothing: packets get lost.
    """
    unclear = (FailureKind.LATE, FailureKind.SERVFAIL, FailureKind.WRONG_NAME, None)
    return (
        result.outcome is Outcome.REPLIED
        and failure_of(result, subject.expected) not in unclear
    )
