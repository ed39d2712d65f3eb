"""*view* - let a server block answer only the queries that its expressions choose."""

import logging
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from minidns.corefile.blocks import Directive
from minidns.corefile.errors import ConfigError
from minidns.dns.model import Plugin, Query
from minidns.dns.networks import Networks, cidr
from minidns.dns.rdata import class_name, type_name
from minidns.metrics.traffic import query_size
from minidns.plugins.site import Site, once
from minidns.plugins.spec import PluginSpec, Traits
from minidns.plugins.view.expression import Evaluate, compiled
from minidns.plugins.view.operators import BOOL, INT, STRING, Function
from minidns.plugins.view.tokens import ExpressionError

log = logging.getLogger(__name__)


class View(NamedTuple):
    """Which queries a server block is for."""

    name: str
    expressions: tuple[Evaluate, ...]

    def __call__(self, query: Query) -> bool:
        """Return whether all expressions are true of ``query``.

        One that fails, or gives anything but a bool, is not (CoreDNS).
        """
        try:
            return all(evaluate(query) is True for evaluate in self.expressions)
        except Exception as exc:
            # values that only a query has may be of the wrong type; names in them are
            # escaped already
            log.debug("view %s: %s", self.name, exc)
            return False


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``view NAME { expr EXPRESSION }``, any number of expressions.

    Raises:
        ConfigError: an expression or anything else that CoreDNS refuses.

    """
    directive = once(directives)
    if len(directive.args) != 1:
        raise directive.arg_error()
    (name,) = directive.args
    functions = _functions(site)
    expressions = []
    for line in directive.block:
        if line.name != "expr":
            raise line.error(f"unknown property '{line.name}'")
        try:
            expressions.append(compiled(" ".join(line.args), functions))
        except ExpressionError as exc:
            raise ConfigError(str(exc), file=line.file, line=line.line) from exc
    site.view = View(name, tuple(expressions))
    site.metadata.labels["view/name"] = lambda query, response: name
    return lambda next_: next_


def _functions(site: Site) -> Mapping[str, Function]:
    """Return what an expression may call (CoreDNS plugin/pkg/expression)."""
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
    """Return the bytes a reply may have: all there are over TCP, else at least 512."""
    if query.transport == "tcp":
        return 65535
    return max(512, query.opt.size if query.opt else 0)


def _in_cidr(_: Query, address: str, network: str) -> bool:
    """Return whether ``address`` is in ``network``.

    Raises:
        ValueError: one of them is not what it should be; a scope is not, either (Go).

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
    defaults=None,
)
