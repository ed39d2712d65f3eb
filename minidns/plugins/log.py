"""*log* - log each query.

A format is text with ``{placeholders}``; it is parsed once and filled in for each line.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import or_
from typing import NamedTuple, TypeAlias

from minidns.corefile.options import Words, line, option, set_by
from minidns.corefile.values import covers
from minidns.dns import names
from minidns.dns.model import (
    CD,
    RD,
    DnsError,
    Dropped,
    Handler,
    Name,
    Plugin,
    Query,
    Response,
)
from minidns.dns.rdata import class_name, rcode_name, type_name
from minidns.dns.wire import response_size
from minidns.metrics.traffic import buffer_size, query_size
from minidns.plugins.answer_kind import Outcome, outcome_of
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin

lines = logging.getLogger(__name__)

_CLASSES = ("all", "success", "denial", "error")
_ALL = frozenset(("all",))
_CLASS_OF = {
    Outcome.POSITIVE: "success",
    Outcome.DELEGATION: "success",
    Outcome.NODATA: "denial",
    Outcome.NXDOMAIN: "denial",
}
"""The class of a reply by its outcome; others are errors (CoreDNS pkg/response)."""
COMMON = (
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}"'
    " {rcode} {>rflags} {rsize} {duration}"
)
COMBINED = COMMON + ' "{>opcode}"'
EMPTY = "-"
"""The text of a missing value."""


def _set_rule(log: "LogOptions", words: Words) -> "LogOptions":
    scopes, text = words.args or (".",), COMMON
    # a lone argument is a name, whatever it looks like (CoreDNS)
    if len(scopes) > 1 and "{" in scopes[-1]:
        scopes, text = scopes[:-1], scopes[-1]
    return replace(log, scopes=tuple(map(names.absolute, scopes)), text=text)


def _read_classes(words: Words) -> frozenset[str]:
    for word in words.args:
        if word not in _CLASSES:
            raise ValueError(f"invalid Class: {word}")
    return frozenset(words.args)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The options of one *log* directive."""

    scopes: tuple[Name, ...] = set_by(
        (".",),
        line(
            " [NAMES...] [FORMAT]",
            "The names to log, with all names below them (`.`), and the format of a"
            " line. The format is recognized by a brace in it, and only after at least"
            " one name.",
            _set_rule,
            example="example.org {combined}",
        ),
    )
    text: str = COMMON
    """The format."""
    classes: frozenset[str] = option(
        "class CLASSES...",
        "The replies that get a line: `success`, `denial`, `error` or `all` (the"
        " default).",
        frozenset(),
        _read_classes,
        example="denial error",
        adding=or_,
    )


class Rule(NamedTuple):
    """The line for the queries of one zone."""

    scope: Name
    format: "Format"
    classes: frozenset[str]


def setup(directives: tuple[LogOptions, ...], site: Site) -> Plugin:
    """Return the plugin that writes a line for each query by the first rule for it."""

    def label(name: str, entry: Entry) -> str | None:
        label_of = site.metadata.labels.get(name)
        qname = entry.query.question.qname
        if label_of is None or not covers(site.metadata.zones, qname):
            return None
        return label_of(entry.query, entry.response)

    rules = []
    for options in directives:
        form, classes = Format(options.text, label), options.classes or _ALL
        rules += [Rule(scope, form, classes) for scope in options.scopes]
    return as_plugin(_Log(site, rules).handle)


class _Log:
    def __init__(self, site: Site, rules: list[Rule]) -> None:
        self._edges = site.edges
        self._rules = rules

    async def handle(self, next_: Handler, query: Query) -> Response:
        rule = self._rule(query.question.qname)
        if rule is None:
            return await next_(query)
        started = self._edges.now()
        try:
            response = await next_(query)
        except DnsError as error:
            # the reply that the server will write (CoreDNS 1.14.5)
            silent = isinstance(error, Dropped)
            reply = None if silent else Response(error.rcode)
            self._write(rule, query, reply, self._edges.now() - started)
            raise
        self._write(rule, query, response, self._edges.now() - started)
        return response

    def _rule(self, qname: Name) -> Rule | None:
        """Return the first rule for ``qname``; later ones do not count."""
        for rule in self._rules:
            if names.is_below(qname, rule.scope):
                return rule
        return None

    def _write(
        self, rule: Rule, query: Query, response: Response | None, seconds: float
    ) -> None:
        """Write the line if the rule has one for such a response."""
        classes = rule.classes
        if "all" not in classes and self._class(query, response) not in classes:
            return
        messages = (response, *response.more) if response else ()
        size = sum(response_size(query, message) for message in messages)
        line = rule.format.line(Entry(query, response, size, seconds))
        lines.info("%s", line, extra={"bare": True})

    def _class(self, query: Query, response: Response | None) -> str:
        if response is None:
            return "error"
        outcome = outcome_of(query, response, self._edges.wall())
        return _CLASS_OF.get(outcome, "error")


# -- formats


class Entry(NamedTuple):
    """A query and its reply, for one line."""

    query: Query
    response: Response | None
    """The reply; None if the client got none."""
    size: int
    """Bytes of the reply before compression."""
    seconds: float
    """The time that the answer took."""


Piece: TypeAlias = Callable[[Entry], str]
Labels: TypeAlias = Callable[[str, Entry], str | None]
"""Returns the value of a *metadata* label; None for an unknown label."""


class Format:
    """A parsed format."""

    def __init__(self, text: str, labels: Labels) -> None:
        text = text.replace("{common}", COMMON).replace("{combined}", COMBINED)
        self._pieces = [_piece(part, labels) for part in _PLACEHOLDER.split(text)]

    def line(self, entry: Entry) -> str:
        """Return the line for ``entry``."""
        return "".join(
            piece if isinstance(piece, str) else piece(entry) for piece in self._pieces
        )


_PLACEHOLDER = re.compile(r"(\{[^{}]*\})")


def _piece(part: str, labels: Labels) -> str | Piece:
    """Return the function for a placeholder; other text, and unknown ones, as it is."""
    if not part.startswith("{/"):
        return _VALUES.get(part, part)

    def label(entry: Entry) -> str:
        value = labels(part[2:-1], entry)
        return EMPTY if value is None else value

    return label if part.endswith("}") else part


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _rcode(response: Response | None) -> str:
    return rcode_name(response.rcode).removeprefix("RCODE") if response else EMPTY


def _flags(query: Query, response: Response | None) -> str:
    """Return the flags of the reply, RD and CD as the encoder will copy them."""
    if response is None:
        return EMPTY
    rd = query.flags & RD if response.rd is None else response.rd
    present = (
        ("qr", True),
        ("aa", response.aa),
        ("tc", response.tc),
        ("rd", rd),
        ("ra", response.ra),
        ("ad", response.ad),
        ("cd", query.flags & CD),
    )
    return ",".join(flag for flag, is_set in present if is_set)


def _seconds(seconds: float) -> str:
    """Return ``seconds`` in full, without an exponent (Go strconv 'f', -1)."""
    return (f"{seconds:.9f}".rstrip("0").rstrip(".") or "0") + "s"


_VALUES: dict[str, Piece] = {
    "{type}": lambda entry: type_name(entry.query.question.qtype),
    "{class}": lambda entry: class_name(entry.query.question.qclass),
    "{name}": lambda entry: entry.query.question.qname,
    "{proto}": lambda entry: entry.query.transport,
    "{size}": lambda entry: str(query_size(entry.query)),
    "{remote}": lambda entry: _host(entry.query.peer[0]),
    "{port}": lambda entry: str(entry.query.peer[1]),
    "{local}": lambda entry: _host(entry.query.local[0]),
    "{>id}": lambda entry: str(entry.query.id),
    "{>opcode}": lambda entry: str(entry.query.flags >> 11 & 15),
    "{>do}": lambda entry: "true" if entry.query.do else "false",
    "{>bufsize}": lambda entry: str(buffer_size(entry.query)),
    "{rcode}": lambda entry: _rcode(entry.response),
    "{rsize}": lambda entry: str(entry.size),
    "{duration}": lambda entry: _seconds(entry.seconds),
    "{>rflags}": lambda entry: _flags(entry.query, entry.response),
}


PLUGIN = PluginSpec(
    name="log",
    summary="log each query",
    traits=Traits.HANDLES_QUERIES | Traits.TOUCHES_NAMES | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=LogOptions(),
    repeated=Repeated.SEPARATE,
)
