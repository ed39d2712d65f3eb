"""*header* - set or clear flags of queries and responses."""

from dataclasses import dataclass
from operator import add
from typing import TypeAlias

from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Words, option
from minidns.dns.model import AA, RA, RD, Handler, Plugin, Query, Response, replace
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin

_BITS = {"aa": AA, "ra": RA, "rd": RD}
_STATES = {"set": True, "clear": False}


States: TypeAlias = tuple[tuple[str, bool], ...]
"""Pairs of a flag's name, and whether it is set; the last of a name counts."""


def _read_states(words: Words) -> States:
    if not words.args:
        raise _refusal("no flag action provided")
    action, *flags = (word.lower() for word in words.args)
    if not flags:
        raise _refusal("invalid length for flags, at least one should be provided")
    if action not in _STATES:
        raise _refusal(f"unknown flag action={action}, should be set or clear")
    for flag in flags:
        if flag not in _BITS:
            raise _refusal(f"unknown/unsupported flag={flag}")
    return tuple((flag, _STATES[action]) for flag in flags)


def _unknown(line: Line) -> ConfigError:
    name = line.name.lower()
    return _refusal(f"invalid selector={name} should be query or response")


def _refusal(text: str) -> ConfigError:
    return ConfigError(f"setting up rule: {text}")


@dataclass(frozen=True, slots=True)
class HeaderOptions:
    """The options of *header*: the changes of flags."""

    query: States = option(
        "query set|clear FLAGS...",
        "Sets or clears flags of queries, for the plugins below: `aa`, `ra` and `rd`."
        " For each flag the last line counts.",
        (),
        _read_states,
        example="set rd",
        adding=add,
        least=0,
    )
    response: States = option(
        "response set|clear FLAGS...",
        "The same for replies.",
        (),
        _read_states,
        example="clear ra",
        adding=add,
        least=0,
    )


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin with the rules of the first directive that has any (CoreDNS).

    Raises:
        ConfigError: an unknown word, or no rule at all.

    """
    options = _first_options(directives, site)
    states = dict(options.response)

    async def header(next_: Handler, query: Query) -> Response:
        changed = _changed(query, options.query)
        response = await next_(changed)
        if changed.rd != query.rd and response.rd is None:
            response = replace(response, rd=changed.rd)
        return replace(response, **states) if states else response

    return as_plugin(header)


def _first_options(directives: tuple[Directive, ...], site: Site) -> HeaderOptions:
    for directive in directives:
        options: HeaderOptions = PLUGIN.read_one(directive, site)
        if options != PLUGIN.defaults:
            return options
    raise directives[-1].arg_error()


def _changed(query: Query, states: States) -> Query:
    flags = query.flags
    for flag, is_set in states:
        flags = flags | _BITS[flag] if is_set else flags & ~_BITS[flag]
    return replace(query, flags=flags) if flags != query.flags else query


PLUGIN = PluginSpec(
    name="header",
    summary="set or clear flags of queries and responses",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=HeaderOptions(),
    repeated=Repeated.UNREAD,
    unknown=_unknown,
    ignores_case=True,
)
