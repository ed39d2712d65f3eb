"""*template* - answer with records that are written as templates.

A rule is for queries of a zone, class and type; the first of its patterns that matches
the name fills in the rule's templates, which then are records in zone-file text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.corefile.values import (
    MAX_PATTERN,
    Match,
    Pattern,
    covers,
    fallthrough,
    longest,
    pattern,
    zones,
)
from minidns.dns import rdata, zonefile
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
    replace,
)
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits
from minidns.plugins.template.go_template import Struct, Template, TemplateError
from minidns.text.go_numbers import parse as unsigned

_SECTIONS = ("answer", "additional", "authority")
_EDE = 15
"""Code of the option for extended errors (RFC 8914 2)."""
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

_TYPE_NAMES = {number: name for name, number in rdata.TYPES.items()}
_CLASS_NAMES = {number: name for name, number in rdata.CLASSES.items()}


@dataclass(slots=True)
class TemplateRule:
    """One ``template`` of the Corefile."""

    where: str
    """File and line."""
    rclass: int
    rtype: int
    zones: tuple[Name, ...]
    patterns: list[Pattern] = field(default_factory=list)
    records: list[tuple[str, Template]] = field(default_factory=list)
    """Section and template, in file order."""
    rcode: int = Rcode.NOERROR
    error: bytes | None = None
    """Data of the option for extended errors."""
    fall: tuple[Name, ...] = ()

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


def _labels(query: Query, rule: TemplateRule) -> tuple[str, str, str]:
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
    rule: TemplateRule,
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


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``template CLASS TYPE [ZONES...]`` with its options, any number of it."""
    return template([_rule(each, site) for each in directives], site)


def _rule(directive: Directive, site: Site) -> TemplateRule:
    args = directive.args
    if args and args[0] not in rdata.CLASSES:
        raise directive.error(f"invalid query class {args[0]}")
    if len(args) < 2:
        raise directive.arg_error()
    if args[1] not in rdata.TYPES:
        raise directive.error(f"invalid RR class {args[1]}")
    rule = TemplateRule(
        f"{directive.file}:{directive.line}",
        rdata.CLASSES[args[0]],
        rdata.TYPES[args[1]],
        zones(args[2:], site.zones),
    )
    for line in directive.block:
        _option(rule, line)
    return rule


def _option(rule: TemplateRule, line: Line) -> None:
    match line.name, line.args:
        case "fallthrough", args:
            rule.fall = fallthrough(args)
        case "upstream", _:
            pass  # of old; CoreDNS takes it and does nothing
        case ("var" | "expr") as name, _:
            raise line.error(f"{name} is not supported by minidns")
        case name, () if name in ("match", "rcode", "ederror", *_SECTIONS):
            raise line.arg_error()
        case "match", args:
            rule.patterns += [_pattern(line, each) for each in args]
        case "rcode", (code,):
            if code not in rdata.RCODES:
                raise line.error(f"unknown rcode {code}")
            rule.rcode = rdata.RCODES[code]
        case "ederror", (code, *reason) if len(reason) < 2:
            rule.error = _error(line, code) + "".join(reason).encode()
        case name, args if name in _SECTIONS:
            rule.records += [(name, _template(line, name, each)) for each in args]
        case "rcode" | "ederror", _:
            raise line.arg_error()
        case name, _:
            raise ConfigError.arguments(line, name)


def _pattern(line: Line, text: str) -> Pattern:
    if len(text) > MAX_PATTERN:
        raise line.error(f"regex pattern too long: {len(text)} > {MAX_PATTERN}")
    try:
        return pattern(text)
    except ValueError as error:
        raise line.error(f"could not parse regex: {text}, {error}") from error


def _template(line: Line, section: str, text: str) -> Template:
    try:
        return Template(text, FIELDS)
    except TemplateError as error:
        why = f"template: {section}: {error}"
        raise line.error(
            f"could not compile template: {line.args[-1]}, {why}"
        ) from error


def _error(line: Line, code: str) -> bytes:
    try:
        return unsigned(code, 10, 16).to_bytes(2)
    except ValueError as error:
        text = f"error parsing extended DNS error code {line.args[-1]}, {error}"
        raise line.error(text) from error


def template(rules: Sequence[TemplateRule], site: Site) -> Plugin:
    """Return the plugin that answers by the first of ``rules`` that matches."""
    writer = Writer(site)
    everywhere = [zone for rule in rules for zone in rule.zones]

    def plugin(next_: Handler) -> Handler:
        async def template(query: Query) -> Response:
            qname = query.question.qname
            if not covers(everywhere, qname):
                return await next_(query)
            for rule in rules:
                if not rule.is_about(query):
                    continue
                matched = rule.match(query)
                if matched:
                    return await writer.response(query, rule, *matched)
                if not covers(rule.fall, qname):
                    raise DnsError()
            return await next_(query)

        return template

    return plugin


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
        self, query: Query, rule: TemplateRule, by: Pattern, match: Match
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
            rule="template/answer" if rule.records else "template/rcode",
            sources=(Source("template", rule.where),),
        )
        if query.question.qtype in (rdata.A, rdata.AAAA):
            return await self._followed(query, response)
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

    async def _followed(self, query: Query, response: Response) -> Response:
        """Return ``response`` completed by the records of its CNAME targets."""
        for alias in response.answer:
            if alias.rtype != rdata.CNAME:
                continue
            target = rdata.target(rdata.CNAME, alias.rdata[0])
            try:
                found = await self._site.ask(query, target, query.question.qtype)
            except DnsError:
                continue  # the client can ask for the target itself
            response = replace(
                response,
                answer=(*response.answer, *found.answer),
                tc=found.tc,
                rule="template/cname",
                sources=(*response.sources, *found.sources),
            )
        return response


def _opt(query: Query, rule: TemplateRule) -> Opt | None:
    """Return the OPT with the extended error, None without one."""
    if rule.error is None or query.opt is None:
        return None
    return Opt(query.opt.size, query.opt.do, ((_EDE, rule.error),))


PLUGIN = PluginSpec(
    name="template",
    summary="answer with records that are written as templates",
    syntax="template CLASS TYPE [ZONES...]",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=None,
)
