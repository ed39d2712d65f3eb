"""*template* - answer with records rendered from templates.

A rule is for queries of a zone, class and type; the first of its patterns that matches
the name fills in the rule's templates, which then are records in zone-file text.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import add

from minidns.corefile import values
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import (
    Option,
    Words,
    accepted,
    fallthrough_option,
    line,
    option,
    refused,
    set_by,
)
from minidns.corefile.values import (
    MAX_PATTERN,
    Match,
    Pattern,
    covers,
    longest,
    pattern,
)
from minidns.dns import rdata, zonefile
from minidns.dns.edns import EDE
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Opt,
    Plugin,
    Query,
    Rcode,
    Response,
    Source,
    joined,
    replace,
)
from minidns.dns.rules import AnswerRule
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.plugins.template.go_template import Struct, Template, TemplateError
from minidns.text.go_text import parse_uint

_SECTIONS = ("answer", "additional", "authority")
_TYPE_NAMES = {number: name for name, number in rdata.TYPES.items()}
_CLASS_NAMES = {number: name for name, number in rdata.CLASSES.items()}


_NOERROR: int = Rcode.NOERROR
_FIELDS = (
    *("Name", "Zone", "Class", "Type", "Match"),
    *("Group", "Regex", "Remote", "Question", "Meta"),
)
"""The keys of the data that a template is rendered with; see ``_data``."""


class TemplateRule(AnswerRule):
    """The rules of *template*."""

    ANSWER = "template/answer", "a template makes the records of the name"
    RCODE = "template/rcode", "a template makes the response code of the name"
    CNAME = "template/cname", "a template makes an alias of the name"


def _set_question(rule: "TemplateOptions", words: Words) -> "TemplateOptions":
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
        zones=values.zones(args[2:], words.zones),
    )


def _read_patterns(words: Words) -> tuple[Pattern, ...]:
    return tuple(map(_pattern, words.args))


def _pattern(text: str) -> Pattern:
    if len(text) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long: {len(text)} > {MAX_PATTERN}")
    try:
        return pattern(text)
    except ValueError as error:
        raise ValueError(f"could not parse regex: {text}, {error}") from error


def _read_rcode(words: Words) -> int:
    if words.first not in rdata.RCODES:
        raise ValueError(f"unknown rcode {words.first}")
    return rdata.RCODES[words.first]


def _read_extended_error(words: Words) -> bytes:
    code, *reason = words.args
    try:
        return parse_uint(code, 10, 16).to_bytes(2) + "".join(reason).encode()
    except ValueError as error:
        text = f"error parsing extended DNS error code {words.args[-1]}, {error}"
        raise ValueError(text) from error


def _section(name: str, meaning: str, example: str) -> Option:
    """Return the option for the records of a section."""

    def apply(rule: "TemplateOptions", words: Words) -> "TemplateOptions":
        records = [(name, _template(name, word, words)) for word in words.args]
        return dataclasses.replace(rule, records=(*rule.records, *records))

    syntax, example = f"{name} RECORD...", f'"{example}"'
    return line(syntax, meaning, apply, example=example, located=True)


def _template(section: str, text: str, words: Words) -> Template:
    try:
        return Template(text, _FIELDS)
    except TemplateError as error:
        why = f"template: {section}: {error}"
        shown = words.args[-1]
        raise ValueError(f"could not compile template: {shown}, {why}") from error


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """The options of one *template* directive."""

    zones: tuple[Name, ...] = set_by(
        (),
        line(
            " CLASS TYPE [ZONES...]",
            "The class and the type of the queries it is for, as names in capitals or"
            " `ANY`, and the zones, by default those of the server block. A query for"
            " ANY matches every template.",
            _set_question,
            example="IN A example.org",
            least=0,
        ),
    )
    where: str = ""
    """File and line of the directive."""
    rclass: int = rdata.ANY
    rtype: int = rdata.ANY
    patterns: tuple[Pattern, ...] = option(
        "match PATTERN...",
        "Patterns (RE2) that are searched in the lower-case name with its final dot;"
        " the first that matches counts. Without any, every name matches.",
        (),
        _read_patterns,
        example="^ip-(?P<a>[0-9]+)[.]",
        adding=add,
        located=True,
    )
    records: tuple[tuple[str, Template], ...] = set_by(
        (),
        _section(
            "answer",
            "Records of the answer section. The default TTL is 3600, the default class"
            " IN.",
            "{{ .Name }} A 192.0.2.1",
        ),
        _section("additional", "Records of the additional section.", "ns. A 192.0.2.1"),
        _section("authority", "Records of the authority section.", "example. NS ns."),
    )
    """Pairs of a section and a template, in file order."""
    rcode: int = option(
        "rcode CODE",
        "The name of the response code. With `SERVFAIL` the reply has no records.",
        _NOERROR,
        _read_rcode,
        example="NXDOMAIN",
        located=True,
    )
    error: bytes | None = option(
        "ederror NUMBER [TEXT]",
        "An extended error (RFC 8914) for clients that use EDNS.",
        None,
        _read_extended_error,
        example="21 Blocked",
        located=True,
    )
    fallthrough: tuple[Name, ...] = fallthrough_option()

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


def _labels(query: Query, rule: TemplateOptions) -> tuple[str, str, str]:
    """Return zone, class and type as the template and the metrics show them.

    A number without a name is empty (CoreDNS), which bounds the series of the metrics.
    """
    qname, qtype, qclass = query.question
    shown_class = rule.rclass if qclass == rdata.ANY else qclass
    shown_type = rule.rtype if qtype == rdata.ANY else qtype
    zone = longest(rule.zones, qname) or ""
    return zone, _CLASS_NAMES.get(shown_class, ""), _TYPE_NAMES.get(shown_type, "")


def _data(
    query: Query,
    rule: TemplateOptions,
    by: Pattern,
    match: Match,
    label: Callable[[Query, str], str],
) -> Mapping[str, object]:
    """Return the data for the templates of ``rule``, whose pattern ``by`` matched.

    ``label`` returns the value of a metadata label for a query.
    """
    zone, class_name, type_name = _labels(query, rule)
    texts = [text or "" for text in (match.group(), *match.groups())]
    named = {name: text or "" for name, text in match.groupdict().items()}
    qname, qtype, qclass = query.question
    return {
        "Name": qname,
        "Zone": zone,
        "Class": class_name,
        "Type": type_name,
        "Match": texts,
        "Group": {str(at): text for at, text in enumerate(texts)} | named,
        "Regex": by.pattern,
        "Remote": query.peer[0].partition("%")[0],
        "Question": Struct(Name=query.spelled or qname, Qtype=qtype, Qclass=qclass),
        "Meta": lambda name: label(query, name),
    }


def setup(rules: tuple[TemplateOptions, ...], site: Site) -> Plugin:
    """Return the plugin that answers by the first of ``rules`` that matches."""
    writer = Writer(site)
    everywhere = [zone for rule in rules for zone in rule.zones]

    async def template(next_: Handler, query: Query) -> Response:
        qname = query.question.qname
        if not covers(everywhere, qname):
            return await next_(query)
        for rule in rules:
            if not rule.is_about(query):
                continue
            matched = rule.match(query)
            if matched:
                return await writer.response(query, rule, *matched)
            if not covers(rule.fallthrough, qname):
                raise DnsError()
        return await next_(query)

    return as_plugin(template)


class Writer:
    """Renders answers and counts them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        labels = ("server", "zone", "view", "class", "type")
        more = (*labels, "section", "template")
        self._matches = site.metrics.counter(
            "coredns_template_matches_total",
            "Queries that a template matched.",
            labels,
        )
        self._failures = site.metrics.counter(
            "coredns_template_template_failures_total",
            "Templates that could not be rendered.",
            more,
        )
        self._bad_records = site.metrics.counter(
            "coredns_template_rr_failures_total",
            "Rendered templates that are no record.",
            more,
        )

    async def response(
        self, query: Query, rule: TemplateOptions, by: Pattern, match: Match
    ) -> Response:
        """Return the answer of ``rule`` to ``query``; it must not be reused.

        Raises:
            DnsError: the rule has rcode SERVFAIL, or a rendered template is no record.

        """
        data = _data(query, rule, by, match, self._site.known)
        zone, class_name, type_name = _labels(query, rule)
        labels = (query.server, zone, query.view, class_name, type_name)
        self._matches.inc(labels)
        if rule.rcode == Rcode.SERVFAIL:
            raise DnsError()
        records: dict[str, list[zonefile.Record]] = {name: [] for name in _SECTIONS}
        for section, written in rule.records:
            records[section].append(self._record(section, written, data, labels))
        response = Response(
            rule.rcode,
            answer=zonefile.rrsets(records["answer"]),
            authority=zonefile.rrsets(records["authority"]),
            additional=zonefile.rrsets(records["additional"]),
            aa=True,
            lower_case=True,
            opt=_opt(query, rule),
            rule=TemplateRule.ANSWER if rule.records else TemplateRule.RCODE,
            sources=(Source("template", rule.where),),
            # templates may show the client's address
            client_specific=query.hops > 0,
        )
        if query.question.qtype in (rdata.A, rdata.AAAA):
            return await self._with_target_records(query, response)
        return response

    def _record(
        self,
        section: str,
        template: Template,
        data: Mapping[str, object],
        labels: tuple[str, ...],
    ) -> zonefile.Record:
        more = (*labels, section, template.text)
        try:
            text = template.render(data)
        except TemplateError as error:
            self._failures.inc(more)
            raise DnsError(f"template: {section}: {error}") from error
        try:
            return zonefile.record(text)
        except ValueError as error:
            self._bad_records.inc(more)
            raise DnsError(f"template: {section}: {error}") from error

    async def _with_target_records(self, query: Query, response: Response) -> Response:
        """Return ``response`` completed by the records of its CNAME targets."""
        for alias in response.answer:
            if alias.rtype != rdata.CNAME:
                continue
            target = rdata.target(rdata.CNAME, alias.rdata[0])
            records = await self._site.ask(query, target, query.question.qtype)
            response = replace(joined(response, records), rule=TemplateRule.CNAME)
        return response


def _opt(query: Query, rule: TemplateOptions) -> Opt | None:
    """Return the OPT with the extended error, None without one."""
    if rule.error is None or query.opt is None:
        return None
    return Opt(query.opt.size, query.opt.do, ((EDE, rule.error),))


PLUGIN = PluginSpec(
    name="template",
    summary="answer with records rendered from templates",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=TemplateOptions(),
    options=(
        accepted("upstream [ARGUMENTS...]", "An option of old releases; ignored."),
        refused("var [ARGUMENTS...]"),
        refused("expr [ARGUMENTS...]"),
    ),
    repeated=Repeated.SEPARATE,
    unknown=lambda line: ConfigError.arguments(line, line.name),
)
