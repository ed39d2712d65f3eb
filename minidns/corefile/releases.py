"""Releases of CoreDNS whose behaviour minidns can take on (``-as``).

The facts are those of ``plugin.cfg``, ``plugin/cache`` and ``plugin/pkg/response`` at
the tag of each release.
"""

from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_PATCHES: Mapping[tuple[int, int], Sequence[int]] = {
    (1, 11): (0, 1, 3, 4),
    (1, 12): (0, 1, 2, 3, 4),
    (1, 13): (0, 1, 2),
    (1, 14): (0, 1, 2, 3, 4, 5, 6, 7),
}
"""Patch releases by major and minor number; 1.11.2 was never published."""


class Release(NamedTuple):
    """A release of CoreDNS; releases compare by age."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """Return the usual notation.

        >>> str(Release(1, 14, 7))
        '1.14.7'
        """
        return ".".join(map(str, self))


RELEASES = tuple(
    Release(*minor, patch) for minor, patches in _PATCHES.items() for patch in patches
)
"""All supported releases, the oldest first."""

NEWEST = RELEASES[-1]


def parse(text: str) -> Release:
    """Return the release that ``text`` names: ``1.13.1``, also ``v1.13.1``.

    ``1.13`` is the last release of 1.13.

    Raises:
        ValueError: minidns does not support that release.

    >>> str(parse("v1.11.3")), str(parse("1.13"))
    ('1.11.3', '1.13.2')
    """
    wanted = text.removeprefix("v").split(".")
    for release in reversed(RELEASES):
        if wanted in (str(release).split("."), str(release).split(".")[:2]):
            return release
    known = ", ".join(
        f"{major}.{minor}.{patches[0]} to {patches[-1]}"
        for (major, minor), patches in _PATCHES.items()
    )
    raise ValueError(
        f"{text!r} is not a release of CoreDNS that minidns supports: {known}"
    )


def argument(text: str) -> Release:
    """Return the value of the flag ``-as``; see ``parse``.

    Raises:
        ArgumentTypeError: minidns does not support that release.

    """
    try:
        return parse(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from exc


# -- the order of plugins

_ADDED: Mapping[str, Release] = {
    "multisocket": Release(1, 12, 0),
    "quic": Release(1, 12, 2),
    "nomad": Release(1, 13, 0),
    "grpc_server": Release(1, 14, 0),
    "https": Release(1, 14, 0),
    "https3": Release(1, 14, 0),
    "proxyproto": Release(1, 14, 3),
    "shed": Release(1, 14, 7),
}
"""Plugins that older releases do not have, and the first release that has them."""

_MOVED: Sequence[tuple[Release, str, str]] = (
    (Release(1, 14, 7), "cache", "tsig"),
    (Release(1, 14, 7), "autopath", "dnssec"),
    (Release(1, 14, 7), "tls", "cancel"),
    (Release(1, 14, 2), "acl", "dns64"),
    (Release(1, 11, 3), "root", "bufsize"),
)
"""The release that moved a plugin to its present place, the plugin, and the one before
it in older releases; the latest move first."""


def order_at(release: Release, newest: Sequence[str]) -> tuple[str, ...]:
    """Return the order of plugins in ``release``; ``newest`` is that of ``NEWEST``."""
    order = list(newest)
    for moved_in, name, before in _MOVED:
        if release < moved_in:
            order.remove(name)
            order.insert(order.index(before) + 1, name)
    return tuple(name for name in order if release >= _ADDED.get(name, release))


# -- the rules of *cache*


class CacheRules(NamedTuple):
    """Rules of *cache* that differ between releases, newest last."""

    keyed_by_cd: bool = True
    """Answers to queries with and without CD are stored apart."""
    ttl_above_hour: bool = True
    """A configured TTL above 3600 seconds is used as it is."""
    answer_before_servfail: bool = True
    """A stored answer is preferred to a stored SERVFAIL."""
    denial_needs_no_answer: bool = True
    """NXDOMAIN with an answer section (an alias) or without an SOA is not stored; the
    latter has the TTL of a denial."""
    keyed_by_class: bool = True
    """Answers of different classes are stored apart."""
    follows_aliases: bool = True
    """If the aliases in an answer lead to no record of the queried type, the answer is
    a denial with an SOA, and is not stored without one."""
    asks_for_ad: bool = True
    """AD is set in queries to the next plugin, and stored for all clients."""
    stale_at_zero: bool = True
    """An entry with a remaining TTL of zero has expired; older releases: below zero."""


CURRENT = CacheRules()
"""The rules of the newest release."""

_RULE_SINCE: Mapping[str, Release] = {
    "keyed_by_cd": Release(1, 11, 3),
    "ttl_above_hour": Release(1, 14, 4),
    "answer_before_servfail": Release(1, 14, 4),
    "denial_needs_no_answer": Release(1, 14, 5),
    "keyed_by_class": Release(1, 14, 7),
    "follows_aliases": Release(1, 14, 7),
    "asks_for_ad": Release(1, 14, 7),
    "stale_at_zero": Release(1, 14, 7),
}
"""The first release that has a rule of ``CacheRules``."""


def cache_rules(release: Release) -> CacheRules:
    """Return the rules that *cache* of ``release`` has."""
    return CacheRules(**{name: release >= since for name, since in _RULE_SINCE.items()})
