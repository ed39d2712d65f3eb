"""Combines answers, and the conditions for their reuse."""

from collections.abc import Hashable

from minidns.dns.model import Response, Reuse, replace


def combine(one: Reuse | None, other: Reuse | None) -> Reuse | None:
    """Return the conditions for a reply built from two answers, or None.

    >>> combined = combine(Reuse(30.0, ("a",)), Reuse(60.0, ("b",)))
    >>> combined.expires_at, combined.depends_on
    (30.0, ('a', 'b'))
    """
    if one is None or other is None or one.ttls_true_at != other.ttls_true_at:
        return None  # a remembered reply has one time at which its TTLs were true
    if one.soa_serial and other.soa_serial and one.soa_serial != other.soa_serial:
        return None  # a remembered reply has one SOA serial to refresh
    return Reuse(
        min(one.expires_at, other.expires_at),
        (*one.depends_on, *other.depends_on),
        one.ttls_true_at,
        one.rotates or other.rotates,
        (*one.counters, *other.counters),
        soa_serial=one.soa_serial or other.soa_serial,
    )


def also_depends_on(response: Response, *keys: Hashable) -> Response:
    """Return ``response`` with ``keys`` added to the keys that it depends on.

    For plugins that passed a query on, but would have answered it with other data.
    """
    if response.reuse is None:
        return response
    reuse = replace(response.reuse, depends_on=(*response.reuse.depends_on, *keys))
    return replace(response, reuse=reuse)


def joined(response: Response, other: Response) -> Response:
    """Return ``response`` with the records of ``other``, the answer for its target.

    What limits one of them (truncation, reuse, clients) limits the result.
    """
    return replace(
        response,
        answer=(*response.answer, *other.answer),
        tc=response.tc or other.tc,
        sources=(*response.sources, *other.sources),
        reuse=combine(response.reuse, other.reuse),
        client_specific=response.client_specific or other.client_specific,
    )
