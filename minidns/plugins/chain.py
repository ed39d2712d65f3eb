"""Builds the handler of a server block, and routes names to server blocks.

Three choices decide where a query goes: the router takes the server blocks of the
longest zone that its name is in; of these, the first one whose *view* accepts the query
answers it; and in that block the plugins run, outermost first.

The listener may remember replies (`Response.reuse`), and each choice limits that: a
plugin by its traits; a view, because it may read any part of a query; and a zone inside
another one, because a proof of absence that covers many names must not cover names of
the other server block.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    replace,
)
from minidns.dns.rdata import DS
from minidns.plugins.contracts import Viewer
from minidns.plugins.spec import PluginSpec, Traits

_IN = 1


class Unserved(DnsError):
    """No server block takes the query: REFUSED."""

    def __init__(self) -> None:
        super().__init__(rcode=Rcode.REFUSED)


class Choice(NamedTuple):
    """The handler of one of the server blocks of a zone, and which queries it gets."""

    handler: Handler
    view: Viewer | None = None
    """The view that selects queries; None for all."""


class EndOfChain(DnsError):
    """No plugin is left to answer; ``last`` is the name of the last one."""

    def __init__(self, last: str) -> None:
        super().__init__(f"plugin/{last}: no next plugin found")
        self.last = last


def build(
    plugins: Sequence[tuple[PluginSpec, Plugin]],
    observe: Callable[[str, Handler], Handler] = lambda name, handler: handler,
) -> Handler:
    """Return the handler that runs ``plugins``, outermost first.

    ``observe`` gets the name and the handler of each plugin, and returns the handler
    that is used: it may wrap it to see what the plugin decides.

    A query that no plugin answers gets SERVFAIL, and a log line that names
    the last plugin (CoreDNS). What a trait forbids is enforced once, at the outermost
    plugin with it: all replies from below pass there.
    """
    last = plugins[-1][0].name if plugins else ""

    async def end(query: Query) -> Response:
        raise EndOfChain(last)

    handler: Handler = end
    touches_names = _first_with(Traits.TOUCHES_NAMES, plugins)
    answers_vary = _first_with(Traits.ANSWERS_VARY, plugins)
    for spec, plugin in reversed(plugins):
        # the plugin treats names differently, so one reply must not cover several
        if spec is touches_names and handler is not end:
            handler = reused_per_name(handler)
        handler = plugin(handler)
        if spec is answers_vary:
            handler = never_reused(handler)
        handler = observe(spec.name, handler)
    return handler


def _first_with(
    trait: Traits, plugins: Sequence[tuple[PluginSpec, Plugin]]
) -> PluginSpec | None:
    return next((spec for spec, _ in plugins if trait in spec.traits), None)


def never_reused(handler: Handler) -> Handler:
    """Return ``handler`` with replies that the server does not remember."""

    async def vary(query: Query) -> Response:
        response = await handler(query)
        return replace(response, reuse=None) if response.reuse else response

    return vary


def reused_per_name(handler: Handler, zones: Collection[Name] | None = None) -> Handler:
    """Return ``handler`` with replies that are remembered for one name only.

    With ``zones`` only those to names that have one of ``zones`` beside them, below the
    same parent: names in it may be answered by another handler.
    """

    async def one_name(query: Query) -> Response:
        response = await handler(query)
        if response.reuse is None or response.reuse.covers_label is None:
            return response
        if zones is not None:
            parent = names.parent(query.question.qname)
            if not any(z != parent and names.is_below(z, parent) for z in zones):
                return response
        return replace(response, reuse=replace(response.reuse, covers_label=None))

    return one_name


async def refuse(query: Query) -> Response:
    """Raise Unserved: no block serves the query, or the block has no plugins."""
    raise Unserved()


def choose(choices: Sequence[Choice], otherwise: Handler) -> Handler:
    """Return the handler that passes each query to the first choice that takes it.

    ``otherwise`` gets the queries that none takes. Views may read any part of a query,
    so an answer that depends on one must not be reused for other clients.
    """
    if choices[0].view is None:
        return choices[0].handler

    async def chosen(query: Query) -> Response:
        handler = otherwise
        for choice in choices:
            name = choice.view.name if choice.view is not None else ""
            if choice.view is None or choice.view(query):
                handler = choice.handler
                query = query if query.view == name else replace(query, view=name)
                break
        try:
            response = await handler(query)
        except DnsError as error:
            error.client_specific = query.hops > 0
            raise
        return replace(response, client_specific=query.hops > 0)

    return never_reused(chosen)


def by_zone(blocks: Mapping[Name, Sequence[Choice]]) -> dict[Name, Handler]:
    """Return a handler for each zone, which tries its blocks in file order.

    A query that no block of a zone takes goes to the next shorter zone (CoreDNS).
    """
    handlers: dict[Name, Handler] = {}
    for zone in sorted(blocks, key=_depth):
        parent = names.longest(handlers, zone)
        otherwise = refuse if parent is None else _in_zone(parent, handlers[parent])
        handler = choose(blocks[zone], otherwise)
        inner = [
            other for other in blocks if other != zone and names.is_below(other, zone)
        ]
        handlers[zone] = reused_per_name(handler, inner) if inner else handler
    return handlers


def _in_zone(zone: Name, handler: Handler) -> Handler:
    return lambda query: handler(replace(query, zone=zone))


def route(handlers: Mapping[Name, Handler], *, any_class: bool) -> Handler:
    """Return the handler that passes each query to its longest matching zone.

    ``any_class`` lets classes other than IN through, as CoreDNS does where *forward*
    or *chaos* is configured on the listener; they are refused otherwise.
    """
    root = handlers.get(".")
    deepest = max(map(_depth, handlers), default=0)

    def router(query: Query) -> Awaitable[Response]:
        qname, qtype, qclass = query.question
        if qclass != _IN and not any_class:
            raise Unserved()
        if deepest:
            zone = _zone(handlers, qname, shortest=qtype == DS)
            if zone is not None:
                return handlers[zone](
                    query if zone == query.zone else replace(query, zone=zone)
                )
        if root is None:
            raise Unserved()
        if query.zone != ".":  # an internal query for a name of another block
            query = replace(query, zone=".")
        return root(query)

    return router


def _depth(zone: Name) -> int:
    return len(names.labels(zone))


def _zone(
    handlers: Mapping[Name, Handler], qname: Name, *, shortest: bool
) -> Name | None:
    """Return the longest zone below the root that ``qname`` is in, if any.

    A DS record belongs to the parent's side of a cut: the shortest zone answers it.
    """
    match = None
    name = qname
    while name != ".":
        if name in handlers:
            match = name
            if not shortest:
                break
        name = names.parent(name) if "\\" in name else name.partition(".")[2] or "."
    return match
