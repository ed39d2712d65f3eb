"""The words of faults: ``lose 1/1000 link app>node``, ``crash 1/500 at kube-dns``.

Scenarios, ``minidns-sim fault`` and trials all use these words. Each effect is a row of
``EFFECTS``; its usage and the errors follow from the row.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.rdata import RCODES, type_number
from minidns.text.arguments import not_one_of

from .effects import EFFECTS, Effect
from .faults import MAX_SIZE, Fault

MAX_DIGITS = 9
"""Digits of a number in words: more than any network needs."""
_DECIMAL = r"(\d{1,9}(?:\.\d{1,9})?)"
_TIME = re.compile(rf"{_DECIMAL}(ms|s)(?:±{_DECIMAL}(ms|s))?")
_UNITS = {"ms": 0.001, "s": 1.0}
_LINK = re.compile(r"([^<>\s]+)(<>|>)([^<>\s]+)")
_SIZE = re.compile(r"size([<>])(\d{1,9})")
_RATE = re.compile(rf"(\d{{1,9}})/(\d{{1,9}})|{_DECIMAL}%")


def parse(words: Sequence[str]) -> Fault:
    """Return the fault of ``words``, such as ``lose 1/1000 link app>node udp``.

    Raises:
        ValueError: a word is unknown, missing or surplus; the message names it.

    """
    if not words:
        raise ValueError(f"a fault is missing: {', '.join(EFFECTS)}")
    word, *rest = words
    if word not in EFFECTS:
        raise ValueError(not_one_of(word, EFFECTS))
    effect = EFFECTS[word]
    fault, rest = _with_argument(Fault(" ".join(words), word), effect, rest)
    if effect.has_rate and rest and rest[0] not in ("link", "at"):
        fault, rest = replace(fault, rate=_some_rate(rest[0])), rest[1:]
    match rest:
        case ["link", link, *rest] if effect.on_link:
            fault = _with_link(fault, link)
        case ["at", host, *rest] if effect.at_server:
            fault = replace(fault, host=host)
        case ["link" | "at" as place]:
            raise ValueError(f"nothing follows {place}: not {_places(effect)}")
        case [surplus, *_]:
            raise ValueError(f"{surplus} is not {_places(effect)}")
        case _:
            raise ValueError(f"{word} needs {_places(effect)}")
    if word == "intercept":
        fault, rest = _with_interceptor(fault, rest)
    return _with_conditions(fault, effect, rest)


def next_losses(words: Sequence[str]) -> tuple[str, int, int]:
    """Return what is lost, its type and how often: ``query|reply TYPE [TIMES]``.

    Raises:
        ValueError: a word is wrong, missing or surplus; the message names it.

    """
    what, *rest = words
    match rest:
        case []:
            raise ValueError(f"{what} needs a type such as A")
        case [rtype, *times] if len(times) < 2:
            count = times[0] if times else "1"
            if not is_number(count) or not int(count):
                raise ValueError(f"{count} is not a whole number from 1 up")
            return what, type_number(rtype), int(count)
    raise ValueError(f"{rest[2]} is surplus")


class Names(NamedTuple):
    """The names that faults can refer to."""

    ends: Collection[str]
    """All names of link ends."""
    servers: Collection[str]
    pods: Collection[str]
    """The names of DNS pods: all servers but the external resolver."""


def check_names(fault: Fault, names: Names) -> None:
    """Check that the link ends and servers of a fault exist.

    Raises:
        ValueError: there is no such end of a link, or no such server.

    """
    needs_pod = EFFECTS[fault.effect].needs_pod
    for name, known in (
        *((end, names.ends) for end in fault.ends),
        (fault.host, names.pods if needs_pod else names.servers),
        (fault.to, names.servers),
    ):
        if name and name not in known:
            raise ValueError(not_one_of(name, sorted(known)))


def _places(effect: Effect) -> str:
    links = ["link A>B or link A<>B"] * effect.on_link
    return " or ".join([*links, *["at SERVER"] * effect.at_server])


def _with_argument(
    fault: Fault, effect: Effect, words: list[str]
) -> tuple[Fault, list[str]]:
    if not effect.argument:
        return fault, words
    what = "an rcode" if effect.argument == "RCODE" else "a time"
    if not words:
        raise ValueError(f"{fault.effect} needs {what}")
    word, *rest = words
    match effect.argument:
        case "RCODE":
            return replace(fault, rcode=_rcode(word)), rest
        case "TIME":
            return replace(fault, delay_s=_some_time(word)), rest
    delay_s, jitter_s = _time(word)
    if not delay_s + jitter_s:
        raise ValueError(f"{word} is no delay")
    return replace(fault, delay_s=delay_s, jitter_s=jitter_s), rest


def _some_time(word: str) -> float:
    if not (value := seconds(word)):
        raise ValueError(f"{word} is too short to have an effect")
    return value


def _rcode(word: str) -> int:
    if word not in RCODES:
        raise ValueError(f"{word} is not an rcode such as NXDOMAIN or REFUSED")
    return RCODES[word]


def _time(word: str) -> tuple[float, float]:
    """Return the seconds and the jitter in ``word``."""
    match = _TIME.fullmatch(word)
    if match is None:
        raise ValueError(f"{word} is not a time such as 20ms, 1.5s or 20ms±5ms")
    jitter_s = float(match[3]) * _UNITS[match[4]] if match[3] else 0.0
    return float(match[1]) * _UNITS[match[2]], jitter_s


def seconds(word: str) -> float:
    """Return the seconds in ``word``, such as 20ms or 1.5s.

    Raises:
        ValueError: it is not a time.

    """
    if _TIME.fullmatch(word) is None or "±" in word:
        raise ValueError(f"{word} is not a time such as 20ms or 1.5s")
    return _time(word)[0]


def rate(word: str) -> Fraction:
    """Return the probability in ``word``, such as 1/1000 or 0.1%.

    Raises:
        ValueError: it is not a probability.

    """
    match = _RATE.fullmatch(word)
    if match and match[3]:
        value = Fraction(match[3]) / 100
    elif match and int(match[2]):
        value = Fraction(int(match[1]), int(match[2]))
    else:
        raise ValueError(f"{word} is not a rate such as 1/1000 or 0.1%")
    if value > 1:
        raise ValueError(f"{word} is more than 1/1")
    return value


def _some_rate(word: str) -> Fraction:
    value = rate(word)
    if not value:
        raise ValueError(f"{word} is never: the fault would affect nothing")
    return value


def is_number(word: str) -> bool:
    """Return whether ``word`` is a whole number with at most ``MAX_DIGITS`` digits."""
    return word.isascii() and word.isdecimal() and len(word) <= MAX_DIGITS


def _with_link(fault: Fault, word: str) -> Fault:
    match = _LINK.fullmatch(word)
    if match is None:
        raise ValueError(f"{word} is not a link such as app>node or node<>dns")
    return replace(fault, ends=(match[1], match[3]), both_ways=match[2] == "<>")


def _with_interceptor(fault: Fault, words: list[str]) -> tuple[Fault, list[str]]:
    match words:
        case ["by", server, "cache", time, *rest]:
            return replace(fault, to=server, cache_s=_some_time(time)), rest
        case ["by", server, *rest]:
            return replace(fault, to=server), rest
        case [word, *_]:
            raise ValueError(f"{word} is not by SERVER")
    raise ValueError("by SERVER is missing")


def _with_conditions(fault: Fault, effect: Effect, words: list[str]) -> Fault:
    allowed = ["seed"]
    if fault.ends[0]:
        allowed += ["protocol", "size", "second"]
    elif effect.has_conditions:
        allowed += ["protocol", "size", "name", "type"]
    rest = iter(words)
    for word in rest:
        name = "size" if word.startswith("size") else word
        name = "protocol" if word in ("udp", "tcp") else name
        if name not in allowed:
            raise ValueError(f"{word} is surplus: {_conditions(allowed)}")
        fault = _CONDITIONS[name](fault, word, rest)
        if fault.least > min(fault.most, MAX_SIZE - 1):
            raise ValueError(f"{word} is a size that no message has")
    return fault


def _conditions(allowed: Sequence[str]) -> str:
    words = {
        "protocol": "udp, tcp",
        "size": "size>N, size<N",
        "name": "name NAME",
        "type": "type TYPE",
        "seed": "seed N",
    }
    return f"not {', '.join(words.get(name, name) for name in allowed)}"


def _once(word: str, is_new: bool) -> None:
    if not is_new:
        raise ValueError(f"{word} is surplus: such a word is there already")


def _value(word: str, rest: Iterator[str]) -> str:
    value = next(rest, "")
    if not value:
        raise ValueError(f"nothing follows {word}")
    return value


def _protocol(fault: Fault, word: str, rest: Iterator[str]) -> Fault:
    _once(word, not fault.protocol)
    return replace(fault, protocol=word)


def _size(fault: Fault, word: str, rest: Iterator[str]) -> Fault:
    match = _SIZE.fullmatch(word)
    if match is None:
        raise ValueError(f"{word} is not size>N or size<N")
    if match[1] == ">":
        _once(word, not fault.least)
        return replace(fault, least=int(match[2]) + 1)
    _once(word, fault.most == MAX_SIZE)
    return replace(fault, most=int(match[2]) - 1)


def _second(fault: Fault, word: str, rest: Iterator[str]) -> Fault:
    _once(word, not fault.second)
    return replace(fault, second=True)


def _name(fault: Fault, word: str, rest: Iterator[str]) -> Fault:
    _once(word, not fault.zone)
    zone = names.absolute(_value(word, rest))
    if not zone.isascii() or not names.is_sendable(zone):
        raise ValueError(f"{zone.removesuffix('.')} is not a domain name")
    return replace(fault, zone=zone)


def _type(fault: Fault, word: str, rest: Iterator[str]) -> Fault:
    _once(word, not fault.qtype)
    return replace(fault, qtype=type_number(_value(word, rest)))


def _seed(fault: Fault, word: str, rest: Iterator[str]) -> Fault:
    _once(word, fault.seed is None)
    number = _value(word, rest)
    if not is_number(number):
        raise ValueError(f"{number} after seed is not a number")
    return replace(fault, seed=int(number))


_CONDITIONS: Mapping[str, Callable[[Fault, str, Iterator[str]], Fault]] = {
    "protocol": _protocol,
    "size": _size,
    "second": _second,
    "name": _name,
    "type": _type,
    "seed": _seed,
}
