"""*rewrite* - change a query on its way down, and its answer on the way up.

Rules are tried in file order; one that applies ends the trying unless it says
``continue``. What they did is undone to the answer in reverse. The client always sees
the question it asked: the encoder writes it from the client's own bytes.
"""

import logging
from collections.abc import Iterable, Sequence

from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
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
    replace,
)
from minidns.dns.reuse import combine
from minidns.dns.wire import ECHOED
from minidns.plugins.rewrite import names as rename
from minidns.plugins.rewrite import rules as rewriting
from minidns.plugins.rewrite.rules import Applied, Rule
from minidns.plugins.site import MAX_HOPS, Site
from minidns.plugins.spec import PluginSpec, Traits

log = logging.getLogger(__name__)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``rewrite [continue|stop] FIELD ...``, also with the words in a block."""
    rules = [rewriting.rule(_words(each), site.known) for each in directives]
    return rewrite(rules, site)


def _words(directive: Directive) -> list[str]:
    words = list(directive.args)
    if len(words) < 2:  # only then CoreDNS looks into the block
        for line in directive.block:
            words += (token.text for token in line.tokens)
    elif directive.has_block:
        raise ConfigError("no rule type specified for rewrite")
    return words


def rewrite(rules: Sequence[Rule], site: Site) -> Plugin:
    """Return the plugin that applies ``rules``."""

    def plugin(next_: Handler) -> Handler:
        async def rewrite(query: Query) -> Response:
            done = _applied(rules, query)
            if not done:
                return await next_(query)
            changed = done[-1].query
            text, response = await _written(next_, changed)
            response = _with_opt(changed, done, response)
            for one in reversed(done):
                if one.retarget:
                    response = await _retarget(changed, response, one.retarget, site)
                response = _undone(one, response)
            if text:
                # without records; the error is worth a log
                raise DnsError(text, response.rcode, response.opt)
            return _shown(query, done, response)

        return rewrite

    return plugin


def _applied(rules: Iterable[Rule], query: Query) -> list[Applied]:
    done: list[Applied] = []
    for rule in rules:
        one = rule.apply(query)
        if one is not None:
            query = one.query
            done.append(one)
            if rule.stop and one.applies:
                break
    return done


async def _written(next_: Handler, query: Query) -> tuple[str, Response]:
    """Return the answer; an empty one, and why, where nothing was answered."""
    try:
        return "", await next_(query)
    except Dropped:
        raise
    except DnsError as error:
        # as if it had been written, so that rcode rules apply (CoreDNS)
        return error.text, Response(rcode=error.rcode)


def _undone(one: Applied, response: Response) -> Response:
    try:
        for undo in reversed(one.undo):
            response = undo(response)
    except ValueError as error:
        raise DnsError(f"invalid name after rewrite: {error}") from error
    return response


def _shown(query: Query, done: Sequence[Applied], response: Response) -> Response:
    """Return ``response`` as the client is to see it."""
    before, after = query.question, done[-1].query.question
    if before != after:
        source = Source("rewrite", f"{_words_of(before)} -> {_words_of(after)}")
        # owners that rules put back are the lower-cased name (CoreDNS)
        lower = response.lower_case or before.qname != after.qname
        sources = (source, *response.sources)
        response = replace(response, sources=sources, lower_case=lower)
    edns = [one.edns for one in done if one.edns]
    if not all(each.literal for each in edns):
        response = replace(response, reuse=None)  # it may be for this client only
    return response


def _with_opt(query: Query, done: Sequence[Applied], response: Response) -> Response:
    """Return ``response`` with the OPT of the rewritten ``query`` if it has none.

    It shows options that rules name by code, beside those that are always echoed.
    unlike RFC 6891 6.1.1: also if the client sent no OPT (CoreDNS).
    """
    edns = [one.edns for one in done if one.edns]
    if not edns or query.opt is None or response.opt is not None:
        return response
    codes = ECHOED.union(rule.code for rule in edns if rule.local)
    options = tuple(option for option in query.opt.options if option[0] in codes)
    return replace(response, opt=query.opt._replace(options=options, version=0))


def _words_of(question: Question) -> str:
    return f"{question.qname} {rdata.type_name(question.qtype)}"


async def _retarget(
    query: Query, response: Response, change: rename.Replace, site: Site
) -> Response:
    """Return ``response`` with its first alias that ``change`` is about led elsewhere.

    What comes after that alias is replaced by the answer for its new target, which has
    come through the rules itself.
    """
    kept: list[RRset] = []
    for alias in response.answer:
        if alias.rtype != rdata.CNAME:
            continue
        target = change(rdata.target(rdata.CNAME, alias.rdata[0]))
        if target is None:
            kept.append(alias)
            continue
        return await _led_to(names.absolute(target), alias, kept, query, response, site)
    return response


async def _led_to(
    target: Name,
    alias: RRset,
    kept: Sequence[RRset],
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
        found = await site.ask(query, target, query.question.qtype)
    except ValueError as error:
        log.error("upstream lookup failed: %s", error)
        return response
    except DnsError as error:
        found = Response(rcode=error.rcode)
    return replace(
        response,
        answer=(*kept, alias, *found.answer),
        tc=found.tc,
        sources=(*response.sources, *found.sources),
        reuse=combine(response.reuse, found.reuse),
    )


PLUGIN = PluginSpec(
    name="rewrite",
    summary="change a query on its way down, and its answer on the way up",
    syntax="rewrite [continue|stop] FIELD [exact|prefix|...] FROM TO [OPTIONS]",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=None,
)
