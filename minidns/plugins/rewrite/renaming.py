"""Changes of names in questions, and of names and values in answers, for *rewrite*.

Patterns are matched with lower-case absolute names; other texts are compared character
by character, not label by label (CoreDNS plugin rewrite).
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
"""Maps a name to the new name; names that do not match stay unchanged."""
Replace: TypeAlias = Callable[[str], str | None]
"""Maps a name to the new name; None if the name does not match."""
Undo: TypeAlias = Callable[[Response], Response]


def matches(kind: str, text: str) -> Callable[[str], bool]:
    """Return the predicate for names that match ``text`` by ``kind``."""
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
    """Return the replacement of names that match ``old`` by ``kind``.

    With a pattern, ``new`` may refer to its groups as ``{1}``.

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
        match = compiled.search(name)
        if match is None:
            return None
        texts = (match.group(), *match.groups())

        def group(number: re.Match[str]) -> str:
            index = int(number[1])
            return (texts[index] or "") if index < len(texts) else number[0]

        return _GROUP.sub(group, new)

    return change


def checked(old: str, new: str) -> str:
    """Return the pattern ``old`` if it has all groups that ``new`` refers to.

    Raises:
        ConfigError: it has too few groups, or is malformed.

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
        new = change(name)
        return name if new is None else new

    return changed


def moved(old: str, new: str) -> Change:
    """Return the change of ``old``, and of names below it, to ``new``."""
    return lambda name: (
        new
        if name == old
        else name[: len(name) - len(old)] + new
        if name.endswith("." + old)
        else name
    )


# -- answers

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
"""Types with a name in the RDATA that is changed; of SOA the first name."""


def owners(change: Change) -> Undo:
    """Return the change of owner names; ValueError if a new one is malformed."""

    def one(rrset: RRset) -> RRset:
        owner = change(rrset.owner)
        names.to_wire(owner)
        return rrset._replace(owner=owner)

    return _everywhere(one)


def values(change: Change) -> Undo:
    """Return the change of names in RDATA; ValueError if a new one is malformed."""

    def one(rrset: RRset) -> RRset:
        if rrset.rtype not in _VALUED:
            return rrset
        data = tuple(_value(rrset.rtype, old, change) for old in rrset.rdata)
        return rrset._replace(rdata=data)

    return _everywhere(one)


def _value(rtype: int, data: bytes, change: Change) -> bytes:
    left = 1  # of an SOA the server's name is changed, not the mailbox

    def first(name: str) -> str:
        nonlocal left
        left -= 1
        return change(name) if left == 0 else name

    return rdata.map_names(rtype, data, first)


def ttls(least: int, most: int) -> Undo:
    """Return the change of TTLs to at least ``least`` and at most ``most``."""
    change = _everywhere(
        lambda rrset: rrset._replace(ttl=min(max(rrset.ttl, least), most))
    )

    def undo(response: Response) -> Response:
        changed = change(response)
        if changed.reuse is None or changed.reuse.ttls_true_at is None:
            return changed
        # TTLs that count down would not stay within the bounds
        return replace(changed, reuse=None)

    return undo


def rcode(old: int, new: int) -> Undo:
    """Return the change of the response code ``old`` to ``new``."""

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


# -- the rule "name"


class NameRule(NamedTuple):
    """A ``name`` rule: its change of questions and of answers."""

    change: Replace
    undo: tuple[Undo, ...] = ()
    automatic: bool = False
    """True if names in the answer are changed back to those of the question."""


def name_rule(args: Sequence[str]) -> NameRule:
    """Return the rule ``[KIND] FROM TO [answer ...]``.

    Raises:
        ConfigError: a malformed rule, in CoreDNS's words.

    """
    if len(args) < 2:
        raise ConfigError("too few arguments for a name rule")
    kind = args[0].lower() if len(args) > 2 else "exact"
    old, new = args[-2:] if len(args) == 2 else args[1:3]
    automatic, undo = _answers(kind, args[3:]) if len(args) > 3 else (False, [])
    if kind == "regex":
        checked(old, new)
    # prefix and substring get a final dot, too: "foo-" matches "foo-."
    old, new = old if kind == "regex" else names.absolute(old), names.absolute(new)
    if kind == "exact":
        checked(new, old)  # CoreDNS parses the new name as a pattern
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
    """Return whether ``args`` has ``auto``, and the other answer rules."""
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
