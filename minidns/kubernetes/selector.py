"""Label selectors, as the options ``labels`` and ``namespace_labels`` take them.

A selector is a list of requirements ``KEY``, ``!KEY``, ``KEY = VALUE``, ``KEY in
(VALUES)`` and ``KEY notin (VALUES)`` (Kubernetes documentation, "Labels and
Selectors"). It is checked when the Corefile is read, because an API server would refuse
it only when it is asked for a list.
"""

import re
from typing import NamedTuple

_WORD = r"[^\s=!(),<>]+"
_REQUIREMENT = re.compile(
    rf"""\s* (?:
        ! \s* (?P<absent>{_WORD})
      | (?P<key>{_WORD}) (?:
            \s* (?P<operator>==?|!=|[<>]) \s* (?P<value>(?:{_WORD})?)
          | \s+ (?P<set>in|notin) \s* \( (?P<values>[^=!()<>]*) \)
        )?
    ) \s* (?:,(?!\s*\Z)|\Z)""",
    re.VERBOSE,
)
_NAME = re.compile(r"(?=.{1,63}\Z)([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PREFIX = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_NO_OPERATORS = {
    "!=": '"!=" is not a valid label selector operator',
    "<": '"lt" isn\'t supported in label selectors',
    ">": '"gt" isn\'t supported in label selectors',
}
"""Operators of Kubernetes's parser that label selectors do not have (CoreDNS)."""


class Requirement(NamedTuple):
    """One part of a selector."""

    key: str
    text: str
    """The requirement as it is sent to the API server."""
    is_equality: bool = False


def parse(text: str) -> str:
    """Return the selector that ``text`` means, as it is sent to the API server.

    Of several requirements of equality for one key the last one counts, as in CoreDNS.

    Raises:
        ValueError: it is none, or has an operator that label selectors do not have.

    """
    requirements: list[Requirement] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _REQUIREMENT.match(text, at)
        if match is None:
            start = f'couldn\'t parse the selector string "{text}"'
            raise ValueError(f"{start}: no requirement begins at '{text[at:]}'")
        requirements.append(_requirement(match))
        at = match.end()
    equal = {one.key: one for one in requirements if one.is_equality}
    others = [one for one in requirements if not one.is_equality]
    selected = sorted((*equal.values(), *others), key=lambda one: one.key)
    return ",".join(one.text for one in selected)


def _requirement(match: re.Match[str]) -> Requirement:
    if key := match["absent"]:
        return Requirement(_key(key), f"!{key}")
    key = _key(match["key"])
    if match["operator"]:
        if wrong := _NO_OPERATORS.get(match["operator"]):
            raise ValueError(wrong)
        return Requirement(key, f"{key}={_value(match['value'])}", is_equality=True)
    if match["set"]:
        values = {_value(value.strip()) for value in match["values"].split(",")}
        listed = ",".join(sorted(values))
        return Requirement(key, f"{key} {match['set']} ({listed})")
    return Requirement(key, key)


def _key(key: str) -> str:
    """Return ``key``; it is a name, perhaps with a domain and a slash before it."""
    prefix, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
        raise ValueError(f"'{key}' is not a valid key of a label")
    return key


def _value(value: str) -> str:
    if value and not _NAME.fullmatch(value):
        raise ValueError(f"'{value}' is not a valid value of a label")
    return value
