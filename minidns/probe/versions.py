"""Differences between releases of CoreDNS that are known, and so are no faults.

minidns answers as the newest release unless ``-as`` says otherwise. Beside an older
CoreDNS some answers differ by design; a comparison counts them apart. The table has
only what an answer alone shows: a change that depends on the content of a zone could
hide a fault.
"""

from collections.abc import Callable
from typing import NamedTuple

from minidns.corefile.releases import Release
from minidns.dns import names, rdata
from minidns.dns.model import Rcode
from minidns.probe.differences import Difference


class KnownDifference(NamedTuple):
    """A change of CoreDNS that clients can see in an answer."""

    since: Release
    """The first release that answers in the new way."""
    text: str
    """The change, for people."""
    shows_in: Callable[[Difference], bool]
    """Returns whether a difference can come from this change."""


def _is_below_localhost(difference: Difference) -> bool:
    """Return whether one server denies an address below localhost that another has."""
    qname, qtype, _ = difference.question
    sides = (difference.reference, difference.other)
    rcodes = {side.answer.rcode for side in sides if side and side.answer}
    return (
        qname != "localhost."
        and names.is_below(qname, "localhost.")
        and qtype in (rdata.A, rdata.AAAA)
        and rcodes == {Rcode.NOERROR, Rcode.NXDOMAIN}
    )


KNOWN = (
    KnownDifference(
        Release(1, 14, 5),
        "local answers for names below localhost",
        _is_below_localhost,
    ),
)
"""Changes by release, seen in answers of CoreDNS 1.14.2 and 1.14.7."""


def known(release: Release | None) -> Callable[[Difference], str]:
    """Return what tells the known difference behind a difference, "" if there is none.

    ``release`` is the release of the CoreDNS asked; without it nothing is known.
    """
    changes = [each for each in KNOWN if release is not None and release < each.since]

    def change_of(difference: Difference) -> str:
        shown = (each for each in changes if each.shows_in(difference))
        return next((f"{each.text} since {each.since}" for each in shown), "")

    return change_of
