"""*rewrite* - change queries, and change their answers back.

Rules are tried in file order; the first one that applies ends this unless it says
``continue``. Their changes are undone in the answer in reverse order. The client always
sees its own question, which the encoder copies from the query's bytes.
"""

import logging
from collections.abc import Iterable, Sequence

from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import accepted
from minidns.dns import names, rdata
from minidns.dns.model import (
    DnsError,
    Dropped,
    Handler,
    Name,
    Plugin,
    Query,
    Question,
    Response,
    RRset,
    Source,
    joined,
    replace,
)
from minidns.dns.wire import ECHOED
from minidns.plugins.rewrite import renaming
from minidns.plugins.rewrite import rules as rewriting
from minidns.plugins.rewrite.edns import Applied
from minidns.plugins.rewrite.rules import Rule
from minidns.plugins.site import MAX_HOPS, Site
from minidns.plugins.spec import PluginSpec, Traits, as_plugin

log = logging.getLogger(__name__)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin that applies the rules of ``directives``, in their order.

    Raises:
        ConfigError: CoreDNS refuses a rule.

    """
    rules = [rewriting.rule(_words(directive), site.known) for directive in directives]

    async def rewrite(next_: Handler, query: Query) -> Response:
        applied = _apply_rules(rules, query)
        if not applied:
            return await next_(query)
        changed = applied[-1].query
        text, response = await _answer_or_error(next_, changed)
        response = _with_opt(changed, applied, response)
        for change in reversed(applied):
            if change.retarget:
                response = await _retarget(changed, response, change.retarget, site)
            response = _undo(change, response)
        if text:
            # without records; its error text is logged
            raise DnsError(text, response.rcode, response.opt)
        return _with_query_details(query, applied, response)

    return as_plugin(rewrite)


def _words(directive: Directive) -> list[str]:
    """Return the words of the rule, those in its block too."""
    words = list(directive.args)
    if len(words) < 2:  # else CoreDNS does not read the block
        for line in directive.block:
            words += (token.text for token in line.tokens)
    elif directive.has_block:
        raise ConfigError("no rule type specified for rewrite")
    return words


def _apply_rules(rules: Iterable[Rule], query: Query) -> list[Applied]:
    applied: list[Applied] = []
    for rule in rules:
        change = rule.apply(query)
        if change is not None:
            query = change.query
            applied.append(change)
            if rule.stop and change.applies:
                break
    return applied


async def _answer_or_error(next_: Handler, query: Query) -> tuple[str, Response]:
    """Return the answer; after an error, its text and its rcode."""
    try:
        return "", await next_(query)
    except Dropped:
        raise
    except DnsError as error:
        # as if it had been answered, so that rcode rules apply (CoreDNS)
        return error.text, Response(rcode=error.rcode)


def _undo(change: Applied, response: Response) -> Response:
    try:
        for undo in reversed(change.undo):
            response = undo(response)
    except ValueError as error:
        raise DnsError(f"invalid name after rewrite: {error}") from error
    return response


def _with_query_details(
    query: Query, applied: Sequence[Applied], response: Response
) -> Response:
    """Return ``response`` with its sources, the case of its names and its reuse."""
    before, after = query.question, applied[-1].query.question
    if before != after:
        source = Source("rewrite", f"{_words_of(before)} -> {_words_of(after)}")
        # owners that are changed back are in lower case (CoreDNS)
        lower = response.lower_case or before.qname != after.qname
        sources = (source, *response.sources)
        response = replace(response, sources=sources, lower_case=lower)
    edns = [change.edns for change in applied if change.edns]
    if not all(rule.literal for rule in edns):
        response = replace(response, reuse=None)  # it may depend on the client
    return response


def _with_opt(query: Query, applied: Sequence[Applied], response: Response) -> Response:
    """Return ``response`` with the OPT of the rewritten ``query`` if it has none.

    It shows options that rules name by code, beside those that are always echoed.
    unlike RFC 6891 6.1.1: also if the client sent no OPT (CoreDNS).
    """
    edns = [change.edns for change in applied if change.edns]
    if not edns or query.opt is None or response.opt is not None:
        return response
    codes = ECHOED.union(rule.code for rule in edns if rule.local)
    options = tuple(option for option in query.opt.options if option[0] in codes)
    return replace(response, opt=query.opt._replace(options=options, version=0))


def _words_of(question: Question) -> str:
    return f"{question.qname} {rdata.type_name(question.qtype)}"


async def _retarget(
    query: Query, response: Response, change: renaming.Replace, site: Site
) -> Response:
    """Return ``response`` with a new target of the first alias that ``change`` matches.

    The records after that alias are replaced by the answer for the new target, a lookup
    that passes the rules, too.
    """
    before: list[RRset] = []
    for alias in response.answer:
        if alias.rtype != rdata.CNAME:
            continue
        target = change(rdata.target(rdata.CNAME, alias.rdata[0]))
        if target is None:
            before.append(alias)
            continue
        new = names.absolute(target)
        return await _with_target(new, alias, before, query, response, site)
    return response


async def _with_target(
    target: Name,
    alias: RRset,
    before: Sequence[RRset],
    query: Query,
    response: Response,
    site: Site,
) -> Response:
    if query.hops >= MAX_HOPS:
        # unlike CoreDNS: without a bound, two aliases in a ring end its process
        log.error("upstream lookup failed: %s: too many rewritten aliases", target)
        return response
    try:
        alias = alias._replace(rdata=(names.to_wire(target),))
        records = await site.ask(query, target, query.question.qtype)
    except ValueError as error:
        log.error("upstream lookup failed: %s", error)
        return response
    return joined(replace(response, answer=(*before, alias), tc=False), records)


PLUGIN = PluginSpec(
    name="rewrite",
    summary="change queries, and change their answers back",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    options=(
        accepted(
            " [continue|stop] FIELD [exact|prefix|...] FROM TO [OPTIONS...]",
            "One rule, see below. After a rule that applies no further one is tried,"
            " except after `continue`.",
            example="name old.example new.example",
        ),
    ),
)
