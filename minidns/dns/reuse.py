"""Leave to repeat an answer that is made of, or depends on, more than one thing."""

from collections.abc import Hashable

from minidns.dns.model import Repeat, Response, replace


def both(one: Repeat | None, other: Repeat | None) -> Repeat | None:
    """Return the leave for an answer made of two: what both allow, if both do.

    >>> either = both(Repeat(30.0, ("a",)), Repeat(60.0, ("b",)))
    >>> either.until, either.keys
    (30.0, ('a', 'b'))
    """
    if one is None or other is None or one.ages != other.ages:
        return None  # of two TTLs that count down, one message can only show one age
    if one.serial and other.serial and one.serial != other.serial:
        return None  # and of two SOAs, one
    return Repeat(
        min(one.until, other.until),
        (*one.keys, *other.keys),
        one.ages,
        one.turns or other.turns,
        (*one.tallies, *other.tallies),
        serial=one.serial or other.serial,
    )


def until_changed(response: Response, *keys: Hashable) -> Response:
    """Return ``response``, its leave to be repeated now also ending with ``keys``.

    For what passes a query on: it would have answered had its own data been different.
    """
    if response.repeat is None:
        return response
    repeat = replace(response.repeat, keys=(*response.repeat.keys, *keys))
    return replace(response, repeat=repeat)
