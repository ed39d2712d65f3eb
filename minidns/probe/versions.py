"""Differences between releases of CoreDNS that are known, and so are no faults.

minidns answers as the newest release unless ``-as`` says otherwise. Beside an older
CoreDNS some answers differ by design; a comparison counts them apart.
"""

from collections.abc import Callable
from typing import NamedTuple

from minidns.corefile.releases import Release
from minidns.dns import names
from minidns.probe.differences import Difference

_SVCB, _HTTPS = 64, 65


class KnownDifference(NamedTuple):
    """A change of CoreDNS that clients can see in an answer."""

    since: Release
    """The first release that answers in the new way."""
    text: str
    """The change, for people."""
    shows_in: Callable[[Difference], bool]
    """Returns whether a difference can come from this change."""


def _is_below_localhost(difference: Difference) -> bool:
    return names.is_below(difference.question.qname, "localhost.")


def _is_service_binding(difference: Difference) -> bool:
    return difference.question.qtype in (_SVCB, _HTTPS)


KNOWN = (
    KnownDifference(
        Release(1, 14, 3), "file reads SVCB and HTTPS records", _is_service_binding
    ),
    KnownDifference(
        Release(1, 14, 5), "local answers names below localhost", _is_below_localhost
    ),
)
"""Changes by release; from the notes of CoreDNS and its plugins' sources."""


def known(release: Release | None) -> Callable[[Difference], bool]:
    """Return a predicate for differences that ``release`` has from the newest one."""
    changes = [each for each in KNOWN if release is not None and release < each.since]

    def is_known(difference: Difference) -> bool:
        return any(change.shows_in(difference) for change in changes)

    return is_known
