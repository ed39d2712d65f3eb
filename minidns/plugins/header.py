"""*header* - set or clear flags of queries and responses."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.dns.model import AA, RA, RD, Handler, Plugin, Query, Response, replace
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words

_BITS = {"aa": AA, "ra": RA, "rd": RD}
_STATES = {"set": True, "clear": False}


States: TypeAlias = tuple[tuple[str, bool], ...]
"""Pairs of a flag's name, and whether it is set; the last of a name counts."""


@dataclass(frozen=True, slots=True)
class HeaderOptions:
    """The options of *header*: the changes of flags."""

    query: States = ()
    response: States = ()


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``header { query|response set|clear aa|ra|rd... }``.

    Raises:
        ConfigError: an unknown word, or no rule at all.

    """
    options = _options(directives, site)
    states = dict(options.response)

    def plugin(next_: Handler) -> Handler:
        async def header(query: Query) -> Response:
            changed = _changed(query, options.query)
            response = await next_(changed)
            if changed.rd != query.rd and response.rd is None:
                response = replace(response, rd=changed.rd)
            return replace(response, **states) if states else response

        return header

    return plugin


def _changed(query: Query, states: States) -> Query:
    flags = query.flags
    for flag, is_set in states:
        flags = flags | _BITS[flag] if is_set else flags & ~_BITS[flag]
    return replace(query, flags=flags) if flags != query.flags else query


def _options(directives: Sequence[Directive], site: Site) -> HeaderOptions:
    """Return the options of the first directive that has any (CoreDNS)."""
    for directive in directives:
        options = PLUGIN.read_one(directive, site)
        if options != PLUGIN.defaults:
            return options
    raise directives[-1].arg_error()


def _read_states(words: Words) -> States:
    if not words.args:
        raise _refused("no flag action provided")
    action, *flags = (word.lower() for word in words.args)
    if not flags:
        raise _refused("invalid length for flags, at least one should be provided")
    if action not in _STATES:
        raise _refused(f"unknown flag action={action}, should be set or clear")
    for flag in flags:
        if flag not in _BITS:
            raise _refused(f"unknown/unsupported flag={flag}")
    return tuple((flag, _STATES[action]) for flag in flags)


def _unknown(line: Line) -> ConfigError:
    name = line.name.lower()
    return _refused(f"invalid selector={name} should be query or response")


def _refused(text: str) -> ConfigError:
    return ConfigError(f"setting up rule: {text}")


PLUGIN = PluginSpec(
    name="header",
    summary="set or clear flags of queries and responses",
    syntax="header",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=HeaderOptions(),
    options=(
        Option(
            name="query",
            arguments="set|clear FLAG...",
            meaning="Flags of queries, for the plugins below.",
            example="query set rd",
            field="query",
            apply=lambda options, words: dataclasses.replace(
                options, query=(*options.query, *_read_states(words))
            ),
        ),
        Option(
            name="response",
            arguments="set|clear FLAG...",
            meaning="Flags of replies.",
            example="response clear ra",
            field="response",
            apply=lambda options, words: dataclasses.replace(
                options, response=(*options.response, *_read_states(words))
            ),
        ),
    ),
    unknown=_unknown,
    ignores_case=True,
)
