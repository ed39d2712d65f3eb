"""*template* - answer with records rendered from templates.

A rule is for queries of a zone, class and type; the first of its patterns that matches
the name fills in the rule's templates, which then are records in zone-file text.
"""

from collections.abc import Callable, Mapping, Sequence

from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.corefile.values import (
    Match,
    Pattern,
    covers,
    longest,
)
from minidns.dns import rdata, zonefile
from minidns.dns.model import (
    DnsError,
    Handler,
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
from minidns.plugins.template.rules import ARGUMENTS, OPTIONS, TemplateRule

_SECTIONS = ("answer", "additional", "authority")
_EDE = 15
"""Code of the option for extended errors (RFC 8914 2)."""
_TYPE_NAMES = {number: name for name, number in rdata.TYPES.items()}
_CLASS_NAMES = {number: name for name, number in rdata.CLASSES.items()}


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
    """Return the plugin for ``template CLASS TYPE [ZONES...]``, any number of it.

    Raises:
        ConfigError: a bad option, or a template that is not supported.

    """
    rules = (PLUGIN.read_one(directive, site) for directive in directives)
    return template(tuple(rules), site)


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
            target_response = await self._site.ask(query, target, query.question.qtype)
            response = replace(
                response,
                answer=(*response.answer, *target_response.answer),
                tc=response.tc or target_response.tc,
                rule="template/cname",
                sources=(*response.sources, *target_response.sources),
                client_specific=response.client_specific
                or target_response.client_specific,
            )
        return response


def _opt(query: Query, rule: TemplateRule) -> Opt | None:
    """Return the OPT with the extended error, None without one."""
    if rule.error is None or query.opt is None:
        return None
    return Opt(query.opt.size, query.opt.do, ((_EDE, rule.error),))


PLUGIN = PluginSpec(
    name="template",
    summary="answer with records rendered from templates",
    syntax="template CLASS TYPE [ZONES...]",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=TemplateRule(),
    arguments=ARGUMENTS,
    options=OPTIONS,
    unknown=lambda line: ConfigError.arguments(line, line.name),
)
