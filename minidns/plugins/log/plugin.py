"""*log* - write a line for each query."""

import logging
from typing import NamedTuple

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import covers
from minidns.dns import names
from minidns.dns.model import (
    DnsError,
    Dropped,
    Handler,
    Name,
    Plugin,
    Query,
    Response,
    replace,
)
from minidns.dns.wire import response_size
from minidns.plugins.answer_kind import Outcome, outcome_of
from minidns.plugins.log.format import COMMON, Entry, Format
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

lines = logging.getLogger(__name__)

_CLASSES = ("all", "success", "denial", "error")
_CLASS_OF = {
    Outcome.POSITIVE: "success",
    Outcome.DELEGATION: "success",
    Outcome.NODATA: "denial",
    Outcome.NXDOMAIN: "denial",
}
"""Everything else is an error (CoreDNS pkg/response)."""


class Rule(NamedTuple):
    """Which queries get a line, and what it looks like."""

    scope: Name
    format: Format
    classes: frozenset[str]


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``log [NAMES...] [FORMAT] { class ... }``, any number of times.

    Raises:
        ConfigError: an unknown class or option.

    """
    return _Log(site, [rule for each in directives for rule in _rules(each, site)])


def _rules(directive: Directive, site: Site) -> list[Rule]:
    scopes, text = list(directive.args) or ["."], COMMON
    # a lone argument is a name, whatever it looks like (CoreDNS)
    if len(scopes) > 1 and "{" in scopes[-1]:
        text = scopes.pop()

    def label(name: str, entry: Entry) -> str | None:
        known = site.metadata.labels.get(name)
        if known is None or not covers(site.metadata.zones, entry.query.question.qname):
            return None
        return known(entry.query, entry.response)

    form, classes = Format(text, label), _classes(directive)
    return [Rule(names.absolute(scope), form, classes) for scope in scopes]


def _classes(directive: Directive) -> frozenset[str]:
    classes: set[str] = set()
    for line in directive.block:
        if line.name != "class":
            raise line.error(f"unknown property '{line.name}'")
        if not line.args:
            raise line.arg_error()
        for word in line.args:
            if word not in _CLASSES:
                raise ConfigError(f"invalid Class: {word}")
        classes.update(line.args)
    return frozenset(classes or ("all",))


class _Log:
    def __init__(self, site: Site, rules: list[Rule]) -> None:
        self._edges = site.edges
        self._rules = rules

    def __call__(self, next_: Handler) -> Handler:
        now = self._edges.now

        async def log(query: Query) -> Response:
            rule = self._rule(query.question.qname)
            if rule is None:
                return await next_(query)
            started = now()
            try:
                response = await next_(query)
            except DnsError as error:
                # what the server is going to write (CoreDNS 1.14.5)
                silent = isinstance(error, Dropped)
                reply = None if silent else Response(error.rcode)
                self._write(rule, query, reply, now() - started)
                raise
            if self._write(rule, query, response, now() - started):
                return replace(response, reuse=None)  # each has a line of its own
            return response

        return log

    def _rule(self, qname: Name) -> Rule | None:
        """Return the first rule for ``qname``, which alone decides."""
        for rule in self._rules:
            if names.is_below(qname, rule.scope):
                return rule
        return None

    def _write(
        self, rule: Rule, query: Query, response: Response | None, seconds: float
    ) -> bool:
        """Write the line if the rule wants one for such a response; return whether."""
        if "all" not in rule.classes and (
            self._class(query, response) not in rule.classes
        ):
            return False
        messages = (response, *response.more) if response else ()
        size = sum(response_size(query, each) for each in messages)
        line = rule.format.line(Entry(query, response, size, seconds))
        lines.info("%s", line, extra={"bare": True})
        return True

    def _class(self, query: Query, response: Response | None) -> str:
        if response is None:
            return "error"
        outcome = outcome_of(query, response, self._edges.wall())
        return _CLASS_OF.get(outcome, "error")


PLUGIN = PluginSpec(
    name="log",
    summary="write a line for each query",
    syntax="log [NAMES...] [FORMAT]",
    traits=Traits.HANDLES_QUERIES | Traits.TOUCHES_NAMES | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=None,
)
