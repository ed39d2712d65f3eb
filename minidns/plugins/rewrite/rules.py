"""The rules of *rewrite*, parsed from the words of the Corefile.

A rule is a pure function: from a query to the changed query and the functions that undo
the change in the answer, or None if the rule does not apply to the query.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from minidns.corefile.errors import ConfigError
from minidns.corefile.values import MAX_PATTERN
from minidns.dns import names, rdata
from minidns.dns.model import DnsError, Query, replace
from minidns.plugins.rewrite import renaming
from minidns.plugins.rewrite.edns import Applied, Label, edns_rule
from minidns.text.go_text import parse_uint, quote

Apply: TypeAlias = Callable[[Query], Applied | None]
"""Applies a rule; DnsError if the new name is malformed."""


class Rule(NamedTuple):
    """One rule of the Corefile."""

    apply: Apply
    stop: bool = True
    """True if no further rule is tried when this one applies."""


def rule(words: Sequence[str], label: Label) -> Rule:
    """Return the rule ``[continue|stop] FIELD ...``.

    ``label`` returns the value of a metadata label for a query.

    Raises:
        ConfigError: a malformed rule, in CoreDNS's words.

    """
    if not words:
        raise ConfigError("no rule type specified for rewrite")
    mode = words[0].lower()
    rest = words[1:] if mode in ("stop", "continue") else words
    if not rest:
        raise ConfigError(f"{mode} rule must begin with a rule type")
    field = rest[0].lower()
    if field == "answer":
        raise ConfigError("response rewrites must begin with a name rule")
    if field == "edns0":
        return Rule(edns_rule(rest[1:], label).apply, mode != "continue")
    if field not in _FIELDS:
        raise ConfigError(f"invalid rule type {quote(words[0])}")
    return Rule(_FIELDS[field](rest[1:]), mode != "continue")


def _name(args: Sequence[str]) -> Apply:
    rule = renaming.name_rule(args)

    def apply(query: Query) -> Applied | None:
        old = query.question.qname
        new = rule.change(old)
        if new is None:
            return None
        try:
            new = names.from_wire(names.to_wire(new)).lower()
        except ValueError as error:
            raise DnsError(f"invalid name after rewrite: {new}") from error
        undo = rule.undo
        if rule.automatic:
            back = renaming.moved(new, old)
            undo = (renaming.owners(back), renaming.values(back), *undo)
        question = query.question._replace(qname=new)
        changed = replace(query, question=question, spelled="")
        return Applied(changed, undo)

    return apply


def _number(kind: str, known: dict[str, int], word: str) -> int:
    if word.upper() not in known:
        raise ConfigError(f"invalid {kind} {quote(word.upper())}")
    return known[word.upper()]


def _numbers(
    kind: str, field: str, known: dict[str, int], args: Sequence[str]
) -> Apply:
    """Return the rule that replaces one number in a field of the question."""
    if len(args) != 2:
        raise ConfigError(f"{kind} rules must have exactly two arguments")
    old, new = (_number(kind, known, word) for word in args)

    def apply(query: Query) -> Applied | None:
        if getattr(query.question, field) != old:
            return None
        question = query.question._replace(**{field: new})  # type: ignore[arg-type]  # a number
        return Applied(replace(query, question=question))

    return apply


def _for_names(field: str, args: Sequence[str], undo: renaming.Undo) -> Apply:
    """Return the rule that applies ``undo`` to answers for names ``[KIND] NAME``."""
    kind, text = (args[0].lower(), args[1]) if len(args) == 2 else ("exact", args[0])
    if kind not in renaming.KINDS:
        raise ConfigError(
            f"{field} rule supports only exact, prefix, suffix, substring, and regex"
            " name matching"
        )
    _check_length(field, text)
    try:
        # prefix and substring get a final dot, too; see renaming.py
        match = renaming.matches(
            kind, text if kind == "regex" else names.absolute(text)
        )
    except ValueError as error:
        raise ConfigError(f"invalid regex pattern in a {field} rule: {text}") from error

    def apply(query: Query) -> Applied | None:
        return Applied(query, (undo,)) if match(query.question.qname) else None

    return apply


def _ttl(args: Sequence[str]) -> Apply:
    if len(args) < 2:
        raise ConfigError(f"too few ({len(args)}) arguments for a ttl rule")
    text = args[-1] if len(args) < 4 else ""
    try:
        least, most = _bounds(text)
    except ValueError as error:
        raise ConfigError(f"invalid TTL '{text}' for a ttl rule") from error
    return _for_names("ttl", args[:-1], renaming.ttls(least, most))


def _bounds(text: str) -> tuple[int, int]:
    """Return the limits that ``5``, ``5-``, ``-5`` or ``1-5`` mean."""
    first, *last = text.split("-")
    if len(last) > 1 or text == "-":
        raise ValueError(text)
    least = parse_uint(first, 10, 32) if first or not last else 0
    if not last:
        return least, least
    most = parse_uint(last[0], 10, 32) if last[0] else 2**31 - 1
    if least > most:
        raise ValueError(text)
    return least, most


def _rcode(args: Sequence[str]) -> Apply:
    if len(args) < 3:
        raise ConfigError(f"too few ({len(args)}) arguments for a rcode rule")
    old, new = args[-2:] if len(args) < 5 else ("", "")
    codes = []
    for what, text in (("matching", old), ("replacement", new)):
        code = int(text) if text in _NUMBERS else rdata.RCODES.get(text.upper())
        if code is None:
            raise ConfigError(f"invalid {what} RCODE '{text}' for a rcode rule")
        codes.append(code)
    return _for_names("rcode", args[:-2], renaming.rcode(*codes))


_NUMBERS = frozenset(map(str, range(24)))
"""Response codes that can be written as numbers."""


def _cname(args: Sequence[str]) -> Apply:
    if len(args) not in (2, 3):
        raise ConfigError(f"too few ({len(args)}) arguments for a cname rule")
    kind = args[0].lower() if len(args) == 3 else "exact"
    if kind not in renaming.KINDS:
        raise ConfigError(f"unknown cname rewrite type: {kind}")
    # in lower case, also a pattern (CoreDNS)
    old, new = args[-2].lower(), args[-1].lower()
    if kind == "exact":
        old, new = names.absolute(old), names.absolute(new)
    _check_length("cname", old)
    try:
        change = renaming.replaces(kind, old, new)
    except ValueError as error:
        raise ConfigError(f"invalid cname rewrite regex pattern: {error}") from error
    return lambda query: Applied(query, retarget=change)


def _check_length(field: str, text: str) -> None:
    if len(text) > MAX_PATTERN:
        size = f"{len(text)} > {MAX_PATTERN}"
        raise ConfigError(f"regex pattern too long in a {field} rule: {size}")


_FIELDS: dict[str, Callable[[Sequence[str]], Apply]] = {
    "name": _name,
    "type": partial(_numbers, "type", "qtype", rdata.TYPES),
    "class": partial(_numbers, "class", "qclass", rdata.CLASSES),
    "ttl": _ttl,
    "rcode": _rcode,
    "cname": _cname,
}
