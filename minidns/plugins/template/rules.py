"""The rules of *template*, and how they are read from the Corefile."""

import dataclasses
from dataclasses import dataclass

from minidns.corefile.values import MAX_PATTERN, Match, Pattern, covers, pattern, zones
from minidns.dns import rdata
from minidns.dns.model import Name, Query, Rcode
from minidns.plugins.options import accepted, fallthrough, setting
from minidns.plugins.spec import Option, Words
from minidns.plugins.template.go_template import Template, TemplateError
from minidns.text.go_numbers import parse as unsigned

FIELDS = (
    "Name",
    "Zone",
    "Class",
    "Type",
    "Match",
    "Group",
    "Regex",
    "Remote",
    "Question",
    "Meta",
)
"""The keys of the data that a template is rendered with."""


@dataclass(frozen=True, slots=True)
class TemplateRule:
    """One ``template`` of the Corefile."""

    where: str = ""
    """File and line of the rule."""
    rclass: int = rdata.ANY
    rtype: int = rdata.ANY
    zones: tuple[Name, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    records: tuple[tuple[str, Template], ...] = ()
    """Pairs of a section and a template, in file order."""
    rcode: int = Rcode.NOERROR
    error: bytes | None = None
    """The data of the EDNS option for extended errors."""
    fall: tuple[Name, ...] = ()
    """Zones whose names go to the next rule or plugin if no pattern matches."""

    def is_about(self, query: Query) -> bool:
        """Return whether the rule is for the zone, class and type of ``query``."""
        qname, qtype, qclass = query.question
        return (
            covers(self.zones, qname)
            and (rdata.ANY in (self.rclass, qclass) or self.rclass == qclass)
            and (rdata.ANY in (self.rtype, qtype) or self.rtype == qtype)
        )

    def match(self, query: Query) -> tuple[Pattern, Match] | None:
        """Return the first pattern that matches the name, and its match."""
        for candidate in self.patterns or (_ANYTHING,):
            match = candidate.search(query.question.qname)
            if match:
                return candidate, match
        return None


_ANYTHING = pattern(".*")


def _arguments(rule: TemplateRule, words: Words) -> TemplateRule:
    args = words.args
    if args and args[0] not in rdata.CLASSES:
        raise words.error(f"invalid query class {args[0]}")
    if len(args) < 2:
        raise words.where.arg_error()
    if args[1] not in rdata.TYPES:
        raise words.error(f"invalid RR class {args[1]}")
    return dataclasses.replace(
        rule,
        where=f"{words.where.file}:{words.where.line}",
        rclass=rdata.CLASSES[args[0]],
        rtype=rdata.TYPES[args[1]],
        zones=zones(args[2:], words.site.zones),
    )


def _match(rule: TemplateRule, words: Words) -> TemplateRule:
    patterns = tuple(_pattern(word) for word in words.args)
    return dataclasses.replace(rule, patterns=(*rule.patterns, *patterns))


def _pattern(text: str) -> Pattern:
    if len(text) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long: {len(text)} > {MAX_PATTERN}")
    try:
        return pattern(text)
    except ValueError as error:
        raise ValueError(f"could not parse regex: {text}, {error}") from error


def _rcode(words: Words) -> int:
    if words.first not in rdata.RCODES:
        raise ValueError(f"unknown rcode {words.first}")
    return rdata.RCODES[words.first]


def _extended_error(words: Words) -> bytes:
    code, *reason = words.args
    try:
        return unsigned(code, 10, 16).to_bytes(2) + "".join(reason).encode()
    except ValueError as error:
        text = f"error parsing extended DNS error code {words.args[-1]}, {error}"
        raise ValueError(text) from error


def _section(name: str, meaning: str, example: str) -> Option:
    """Return the option for the records of a section."""

    def apply(rule: TemplateRule, words: Words) -> TemplateRule:
        records = [(name, _template(name, word, words)) for word in words.args]
        return dataclasses.replace(rule, records=(*rule.records, *records))

    return Option(
        name=name,
        arguments="RECORD...",
        meaning=meaning,
        example=f'{name} "{example}"',
        field="records",
        apply=apply,
        least=1,
        located=True,
    )


def _template(section: str, text: str, words: Words) -> Template:
    try:
        return Template(text, FIELDS)
    except TemplateError as error:
        why = f"template: {section}: {error}"
        shown = words.args[-1]
        raise ValueError(f"could not compile template: {shown}, {why}") from error


def _refused(name: str) -> Option:
    """Return an option of CoreDNS that minidns does not have."""

    def apply(rule: TemplateRule, words: Words) -> TemplateRule:
        raise words.error(f"{name} is not supported by minidns")

    return Option(name=name, meaning="Not supported by minidns.", apply=apply)


ARGUMENTS = Option(
    name="",
    arguments="CLASS TYPE [ZONES...]",
    meaning="The class, type and zones of the queries it is for.",
    example="IN A example.org",
    field="zones",
    apply=_arguments,
)
OPTIONS = (
    Option(
        name="match",
        arguments="PATTERN...",
        meaning="Patterns for the name; the first that matches counts.",
        example="match ^ip-(?P<a>[0-9]+)[.]",
        field="patterns",
        apply=_match,
        least=1,
        located=True,
    ),
    _section("answer", "Records of the answer section.", "{{ .Name }} A 192.0.2.1"),
    _section("additional", "Records of the additional section.", "ns. A 192.0.2.1"),
    _section("authority", "Records of the authority section.", "example. NS ns."),
    setting(
        "rcode",
        "CODE",
        "rcode",
        _rcode,
        "The response code.",
        example="rcode NXDOMAIN",
        located=True,
    ),
    setting(
        "ederror",
        "NUMBER [TEXT]",
        "error",
        _extended_error,
        "An extended error (RFC 8914) for clients that use EDNS.",
        example="ederror 21 Blocked",
        most=2,
        located=True,
    ),
    setting(
        "fallthrough",
        "[ZONES...]",
        "fall",
        fallthrough,
        "Passes names in ZONES that no pattern matches on; all without any.",
        example="fallthrough example.org",
        least=0,
        most=None,
    ),
    accepted(
        "upstream",
        "[ARGUMENTS...]",
        "Of old releases.",
        example="upstream",
    ),
    _refused("var"),
    _refused("expr"),
)
