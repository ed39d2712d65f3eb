"""*header* - set or clear flags of queries and responses."""

from collections.abc import Sequence
from typing import NamedTuple

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.dns.model import AA, RA, RD, Handler, Plugin, Query, Response, replace
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

_BITS = {"aa": AA, "ra": RA, "rd": RD}
_STATES = {"set": True, "clear": False}


class Rules(NamedTuple):
    """Flags by name and what they are to be."""

    query: dict[str, bool]
    response: dict[str, bool]


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``header { query|response set|clear aa|ra|rd... }``.

    Raises:
        ConfigError: an unknown word, or no rule at all.

    """
    rules = _rules(directives)

    def plugin(next_: Handler) -> Handler:
        async def header(query: Query) -> Response:
            changed = _changed(query, rules.query)
            response = await next_(changed)
            if changed.rd != query.rd and response.rd is None:
                response = replace(response, rd=changed.rd)
            return replace(response, **rules.response) if rules.response else response

        return header

    return plugin


def _changed(query: Query, states: dict[str, bool]) -> Query:
    flags = query.flags
    for flag, is_set in states.items():
        flags = flags | _BITS[flag] if is_set else flags & ~_BITS[flag]
    return replace(query, flags=flags) if flags != query.flags else query


def _rules(directives: Sequence[Directive]) -> Rules:
    """Return the rules of the first occurrence that has any (CoreDNS)."""
    for directive in directives:
        rules = Rules({}, {})
        for line in directive.block:
            _read(line, rules)
        if any(rules):
            return rules
    raise directives[-1].arg_error()


def _read(line: Line, rules: Rules) -> None:
    selector = line.name.lower()
    if selector not in rules._fields:
        raise _refused(f"invalid selector={selector} should be query or response")
    if not line.args:
        raise _refused("no flag action provided")
    action, *flags = (word.lower() for word in line.args)
    if not flags:
        raise _refused("invalid length for flags, at least one should be provided")
    if action not in _STATES:
        raise _refused(f"unknown flag action={action}, should be set or clear")
    for flag in flags:
        if flag not in _BITS:
            raise _refused(f"unknown/unsupported flag={flag}")
        getattr(rules, selector)[flag] = _STATES[action]


def _refused(text: str) -> ConfigError:
    return ConfigError(f"setting up rule: {text}")


PLUGIN = PluginSpec(
    name="header",
    summary="set or clear flags of queries and responses",
    syntax="header",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=None,
)
