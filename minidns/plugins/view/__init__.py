"""*view* - let a server block answer only the queries that its expressions choose."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from operator import add
from typing import NamedTuple

from minidns.corefile.options import Words, argument, option, text
from minidns.dns.model import Plugin, Query
from minidns.dns.networks import Networks, cidr
from minidns.dns.rdata import class_name, type_name
from minidns.metrics.traffic import buffer_size, query_size
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits
from minidns.plugins.view.expression import (
    BOOL,
    INT,
    STRING,
    Evaluate,
    Function,
    compiled,
)

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
    """The options of *view*."""

    name: str = argument(
        "NAME",
        "The value of the label `view` in metrics, and of `view/name` in *metadata*.",
        "",
        text,
        example="internal",
    )
    expressions: tuple[Words, ...] = option(
        "expr EXPRESSION...",
        "A condition; all must be true. An expression that fails, or whose value is not"
        " a boolean, counts as false.",
        (),
        lambda words: (words,),
        example="type() == 'A'",
        adding=add,
        least=0,
    )


def setup(options: ViewOptions, site: Site) -> Plugin:
    """Set the condition of the server block; the plugin passes queries on.

    Raises:
        ConfigError: an expression that CoreDNS refuses, or that is not supported.

    """
    functions = _functions(site)
    expressions = [_compiled(words, functions) for words in options.expressions]
    site.view = View(options.name, tuple(expressions))
    site.metadata.labels["view/name"] = lambda query, response: options.name
    return lambda next_: next_


def _compiled(words: Words, functions: Mapping[str, Function]) -> Evaluate:
    try:
        return compiled(" ".join(words.args), functions)
    except ValueError as error:
        raise words.plain(str(error)) from error


def _functions(site: Site) -> Mapping[str, Function]:
    """Return the functions of expressions (CoreDNS plugin/pkg/expression)."""
    values: dict[str, tuple[str, Callable[[Query], object]]] = {
        "bufsize": (INT, buffer_size),
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
    traits=Traits.NONE,
    setup=setup,
    defaults=ViewOptions(),
    repeated=Repeated.REFUSED,
)
