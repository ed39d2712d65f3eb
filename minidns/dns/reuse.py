"""How the conditions for reuse of several answers combine into one."""

from collections.abc import Hashable

from minidns.dns.model import Response, Reuse, replace


def combine(one: Reuse | None, other: Reuse | None) -> Reuse | None:
    """Return the conditions for a reply built from two answers, or None.

    >>> combined = combine(Reuse(30.0, ("a",)), Reuse(60.0, ("b",)))
    >>> combined.expires_at, combined.depends_on
    (30.0, ('a', 'b'))
    """
    if one is None or other is None or one.ttls_true_at != other.ttls_true_at:
        return None  # a remembered reply has one age for all of its TTLs
    if one.soa_serial and other.soa_serial and one.soa_serial != other.soa_serial:
        return None  # and one serial to refresh
    return Reuse(
        min(one.expires_at, other.expires_at),
        (*one.depends_on, *other.depends_on),
        one.ttls_true_at,
        one.rotates or other.rotates,
        (*one.counters, *other.counters),
        soa_serial=one.soa_serial or other.soa_serial,
    )


def also_depends_on(response: Response, *keys: Hashable) -> Response:
    """Return ``response``, invalidated by a change of any of ``keys`` too.

    A plugin that passed a query on uses it: with other data it would have answered.
    """
    if response.reuse is None:
        return response
    reuse = replace(response.reuse, depends_on=(*response.reuse.depends_on, *keys))
    return replace(response, reuse=reuse)
