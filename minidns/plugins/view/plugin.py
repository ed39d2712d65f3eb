"""*view* - let a server block answer only the queries that its expressions choose."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import NamedTuple

from minidns.corefile.directives import Directive
from minidns.dns.model import Plugin, Query
from minidns.dns.networks import Networks, cidr
from minidns.dns.rdata import class_name, type_name
from minidns.metrics.traffic import query_size
from minidns.plugins.options import setting, text
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words
from minidns.plugins.view.expression import Evaluate, compiled
from minidns.plugins.view.language import BOOL, INT, STRING, Function

log = logging.getLogger(__name__)


class View(NamedTuple):
    """The condition of a server block."""

    name: str
    expressions: tuple[Evaluate, ...]

    def __call__(self, query: Query) -> bool:
        """Return whether all expressions are true of ``query``.

        An expression that fails, or whose value is no bool, is false (CoreDNS).
        """
        try:
            return all(evaluate(query) is True for evaluate in self.expressions)
        except Exception as exc:
            # values of a query may have the wrong type; names in them are escaped
            log.debug("view %s: %s", self.name, exc)
            return False


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """Options of *view*."""

    name: str = ""
    expressions: tuple[Evaluate, ...] = ()


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin for ``view NAME { expr EXPRESSION }``; it passes queries on.

    Raises:
        ConfigError: an expression or anything else that CoreDNS refuses.

    """
    options = PLUGIN.read(directives, site)
    site.view = View(options.name, options.expressions)
    site.metadata.labels["view/name"] = lambda query, response: options.name
    return lambda next_: next_


def _expression(view: ViewOptions, words: Words) -> ViewOptions:
    expression = compiled(" ".join(words.args), _functions(words.site))
    return replace(view, expressions=(*view.expressions, expression))


def _functions(site: Site) -> Mapping[str, Function]:
    """Return the functions of expressions (CoreDNS plugin/pkg/expression)."""
    values: dict[str, tuple[str, Callable[[Query], object]]] = {
        "bufsize": (INT, _bufsize),
        "class": (STRING, lambda query: class_name(query.question.qclass)),
        "client_ip": (STRING, lambda query: query.peer[0]),
        "do": (BOOL, lambda query: query.do),
        "id": (INT, lambda query: query.id),
        "name": (STRING, lambda query: query.question.qname),
        "opcode": (INT, lambda query: query.flags >> 11 & 15),
        "port": (STRING, lambda query: str(query.peer[1])),
        "proto": (STRING, lambda query: query.transport),
        "server_ip": (STRING, lambda query: query.local[0]),
        "server_port": (STRING, lambda query: str(query.local[1])),
        "size": (INT, query_size),
        "type": (STRING, lambda query: type_name(query.question.qtype)),
    }
    return {
        **{name: Function((), kind, call) for name, (kind, call) in values.items()},
        "incidr": Function((STRING, STRING), BOOL, _in_cidr),
        "metadata": Function((STRING,), STRING, site.known),
    }


def _bufsize(query: Query) -> int:
    """Return the largest reply that the client accepts, in bytes."""
    if query.transport == "tcp":
        return 65535
    return max(512, query.opt.size if query.opt else 0)


def _in_cidr(_: Query, address: str, network: str) -> bool:
    """Return whether ``address`` is in ``network``.

    Raises:
        ValueError: one of them is malformed, or has a scope (Go).

    """
    if "%" in address:
        raise ValueError("first argument is not an IP address")
    ip_address(address)
    return address in Networks([cidr(network)])


PLUGIN = PluginSpec(
    name="view",
    summary="let a server block answer only the queries that its expressions choose",
    syntax="view NAME",
    traits=Traits.ONCE_PER_BLOCK,
    setup=setup,
    defaults=ViewOptions(),
    arguments=setting(
        "",
        "NAME",
        "name",
        text,
        "The name of the view, for metrics and metadata.",
        example="internal",
    ),
    options=(
        Option(
            name="expr",
            arguments="EXPRESSION",
            meaning="A condition for queries of this server block; all must be true.",
            example="expr type() == 'A'",
            field="expressions",
            apply=_expression,
        ),
    ),
)
