"""Changing names: which names a rule is about, what they become, and back again.

What *rewrite* does to the name of a question, and to the names of an answer. Patterns
see lower-case absolute names; other texts are compared sign by sign, not label by
label (CoreDNS plugin rewrite).
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from minidns.corefile.errors import ConfigError
from minidns.corefile.values import MAX_PATTERN, Pattern, pattern
from minidns.dns import names, rdata
from minidns.dns.model import Response, RRset, replace

KINDS = ("exact", "prefix", "suffix", "substring", "regex")

Change: TypeAlias = Callable[[str], str]
"""From a name to what stands in its place; a name it is not about stays."""
Replace: TypeAlias = Callable[[str], str | None]
"""From a name to what stands in its place, None for one it is not about."""
Undo: TypeAlias = Callable[[Response], Response]


def matches(kind: str, text: str) -> Callable[[str], bool]:
    """Return whether a name is one of ``kind`` ``text``."""
    if kind == "exact":
        return lambda name: name == text
    if kind == "prefix":
        return lambda name: name.startswith(text)
    if kind == "suffix":
        return lambda name: name.endswith(text)
    if kind == "substring":
        return lambda name: text in name
    search = pattern(text).search
    return lambda name: search(name) is not None


def replaces(kind: str, old: str, new: str) -> Replace:
    """Return what changes a name of ``kind`` ``old``; in a pattern's ``new``, groups.

    >>> replaces("suffix", ".a.", ".b.")("x.a.")
    'x.b.'
    """
    if kind == "regex":
        return _by_pattern(pattern(old), new)
    match = matches(kind, old)
    changes: dict[str, Change] = {
        "exact": lambda name: new,
        "prefix": lambda name: new + name[len(old) :],
        "suffix": lambda name: name[: len(name) - len(old)] + new,
        "substring": lambda name: name.replace(old, new),
    }
    change = changes[kind]
    return lambda name: change(name) if match(name) else None


_GROUP = re.compile(r"\{(0|[1-9]\d{0,4})\}", re.ASCII)


def _by_pattern(compiled: Pattern, new: str) -> Replace:
    def change(name: str) -> str | None:
        found = compiled.search(name)
        if found is None:
            return None
        texts = (found.group(), *found.groups())

        def group(number: re.Match[str]) -> str:
            index = int(number[1])
            return (texts[index] or "") if index < len(texts) else number[0]

        return _GROUP.sub(group, new)

    return change


def checked(old: str, new: str) -> str:
    """Return the pattern ``old``, which has all the groups that ``new`` wants.

    Raises:
        ConfigError: it has not, or is no pattern.

    """
    if len(old) > MAX_PATTERN:
        raise ConfigError(f"regex pattern too long: {len(old)} > {MAX_PATTERN}")
    try:
        groups = pattern(old).groups
    except ValueError as error:
        raise ConfigError(f"invalid regex matching pattern: {old}") from error
    used = {int(number) for number in _GROUP.findall(new)} & set(range(101))
    if len(used) > groups:
        raise ConfigError(
            f"the rewrite regex pattern ({new}) uses more subexpressions than its"
            f" corresponding matching regex pattern ({old})"
        )
    return old


def _or_same(change: Replace) -> Change:
    def changed(name: str) -> str:
        found = change(name)
        return name if found is None else found

    return changed


def moved(old: str, new: str) -> Change:
    """Return what turns the name ``old``, and those below it, into ``new``."""
    return lambda name: (
        new
        if name == old
        else name[: len(name) - len(old)] + new
        if name.endswith("." + old)
        else name
    )


# answers

_VALUED = frozenset(
    (
        rdata.CNAME,
        rdata.DNAME,
        rdata.MX,
        rdata.NAPTR,
        rdata.NS,
        rdata.PTR,
        rdata.SOA,
        rdata.SRV,
    )
)
"""Types whose value holds a name that is changed: of SOA the first, else the last."""


def owners(change: Change) -> Undo:
    """Return what changes the owner names of an answer; ValueError if to no name."""

    def one(rrset: RRset) -> RRset:
        owner = change(rrset.owner)
        names.to_wire(owner)
        return rrset._replace(owner=owner)

    return _everywhere(one)


def values(change: Change) -> Undo:
    """Return what changes the names an answer points to; ValueError if to no name."""

    def one(rrset: RRset) -> RRset:
        if rrset.rtype not in _VALUED:
            return rrset
        data = tuple(_value(rrset.rtype, each, change) for each in rrset.rdata)
        return rrset._replace(rdata=data)

    return _everywhere(one)


def _value(rtype: int, data: bytes, change: Change) -> bytes:
    left = 1  # of SOA only the server's name is changed, not the mailbox

    def first(name: str) -> str:
        nonlocal left
        left -= 1
        return change(name) if left == 0 else name

    return rdata.map_names(rtype, data, first)


def ttls(least: int, most: int) -> Undo:
    """Return what brings the TTLs of an answer between ``least`` and ``most``."""
    return _everywhere(
        lambda rrset: rrset._replace(ttl=min(max(rrset.ttl, least), most))
    )


def rcode(old: int, new: int) -> Undo:
    """Return what makes an answer of rcode ``old`` one of ``new``."""

    def undo(response: Response) -> Response:
        return replace(response, rcode=new) if response.rcode == old else response

    return undo


def _everywhere(change: Callable[[RRset], RRset]) -> Undo:
    def undo(response: Response) -> Response:
        return replace(
            response,
            answer=tuple(map(change, response.answer)),
            authority=tuple(map(change, response.authority)),
            additional=tuple(map(change, response.additional)),
        )

    return undo


# the rule "name"


class NameRule(NamedTuple):
    """What a ``name`` rule does to a question, and to the answer to it."""

    change: Replace
    undo: tuple[Undo, ...] = ()
    automatic: bool = False
    """Whether names that became another one turn back into what was asked for."""


def name_rule(args: Sequence[str]) -> NameRule:
    """Return the rule ``[KIND] FROM TO [answer ...]``.

    Raises:
        ConfigError: it is not one; in CoreDNS's words.

    """
    if len(args) < 2:
        raise ConfigError("too few arguments for a name rule")
    kind = args[0].lower() if len(args) > 2 else "exact"
    old, new = args[-2:] if len(args) == 2 else args[1:3]
    automatic, undo = _answers(kind, args[3:]) if len(args) > 3 else (False, [])
    if kind == "regex":
        checked(old, new)
    # the final dot of prefix and substring, too: "foo-" looks for "foo-."
    old, new = old if kind == "regex" else names.absolute(old), names.absolute(new)
    if kind == "exact":
        checked(new, old)  # CoreDNS tries the new name as a pattern
        return NameRule(replaces(kind, old, new), tuple(undo), automatic=True)
    if kind not in KINDS:
        raise ConfigError(
            "name rule supports only exact, prefix, suffix, substring, and regex name"
            f" matching, received: {kind}"
        )
    if kind == "suffix" and automatic:
        back = _or_same(replaces("suffix", new, old))
        return NameRule(
            replaces(kind, old, new), (owners(back), values(back), *undo), False
        )
    return NameRule(replaces(kind, old, new), tuple(undo), automatic)


def _answers(kind: str, args: Sequence[str]) -> tuple[bool, list[Undo]]:
    """Return whether ``auto`` is among the answer rules ``args``, and the others."""
    if len(args) < 2:
        raise ConfigError(f"invalid arguments for {kind} rule")
    words = list(args)
    automatic, named = False, False
    undo: list[Undo] = []
    if words[0] != "answer":
        raise ConfigError(
            "exceeded the number of arguments for a non-answer rule argument for"
            f" {kind} rule"
        )
    while words:
        if words[0] == "answer":
            words.pop(0)
        if not words:
            raise ConfigError(f"type missing for answer rule for {kind} rule")
        what = words.pop(0)
        if what == "auto":
            automatic = True
            continue
        if what not in ("name", "value"):
            raise ConfigError(f'invalid type "{what}" for answer rule for {kind} rule')
        change = _answer(f"{what} answer rule for {kind} rule", words)
        undo.append(owners(change) if what == "name" else values(change))
        named = named or what == "name"
    if automatic and named:
        raise ConfigError(
            "auto name answer rule cannot be combined with explicit name anwer rules"
        )
    return automatic, undo


def _answer(rule: str, words: list[str]) -> Change:
    if len(words) < 2:
        raise ConfigError(f"{rule}: 2 arguments required")
    old, new = words.pop(0), words.pop(0)
    try:
        checked(old, new)
    except ConfigError as error:
        raise ConfigError(f"{rule}: {error}") from error
    return _or_same(replaces("regex", old, names.absolute(new)))
