"""*loadbalance* - change the order of the addresses in an answer.

Most clients use the first address, so the order decides where the load goes: records
are rotated, or one of them is chosen by weight, or those in preferred networks come
first. A server block has one policy, the last that is named.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from operator import is_
from random import Random
from typing import TypeAlias

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import (
    Excess,
    Words,
    line,
    set_by,
    unknown_property,
)
from minidns.corefile.values import duration, quote
from minidns.dns import model
from minidns.dns.model import Handler, Plugin, Query, Rcode, Response, RRset
from minidns.dns.networks import Network, cidr
from minidns.dns.rdata import AAAA, AXFR, CNAME, IXFR, MX, SRV, A
from minidns.plugins.loadbalance.weights import WeightFile, Weights, choose
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.text import files

RELOAD_S = 30.0

_TRANSFERS = (AXFR, IXFR)
_WEIGHTED = (A, AAAA, SRV)


def _set_policy(options: "LoadBalanceOptions", words: Words) -> "LoadBalanceOptions":
    match words.args:
        case ("weighted",):
            raise words.error("missing weight file argument")
        case ("weighted", path):
            return LoadBalanceOptions("weighted", files.below(words.root, path))
        case ("weighted", *_):
            raise words.error("unexpected argument(s)")
        case () | ("round_robin",):
            return replace(options, policy="round_robin")
        case ("round_robin", *_):
            raise words.error("unknown property for round_robin")
    raise ConfigError(f"unknown policy: {words.first}")


def _add_preferred(options: "LoadBalanceOptions", words: Words) -> "LoadBalanceOptions":
    networks = tuple(_read_network(word, words) for word in words.args)
    return replace(options, preferred=(*options.preferred, *networks))


def _read_network(word: str, words: Words) -> Network:
    try:
        return cidr(word)
    except ValueError as error:
        raise words.error(f"invalid CIDR {quote(word)}: {error}") from None


def _set_reload(options: "LoadBalanceOptions", words: Words) -> "LoadBalanceOptions":
    if not words.args:
        raise words.error("reload duration value is missing")
    if len(words.args) > 1:
        raise words.error("unexpected argument")
    try:
        return replace(options, reload_s=duration(words.first))
    except ValueError:
        raise words.error(f"invalid reload duration '{words.first}'") from None


@dataclass(frozen=True, slots=True)
class LoadBalanceOptions:
    """The options of *loadbalance*."""

    policy: str = set_by(
        "round_robin",
        line(
            " [round_robin | weighted FILE]",
            "The policy. `round_robin` puts addresses in random order; `weighted` puts"
            " one address first, chosen by its weight in FILE, for questions of type A,"
            " AAAA and SRV.",
            _set_policy,
            example="weighted weights.txt",
            excess=Excess.IGNORED,
        ),
    )
    path: str = ""
    """The file of weights."""
    reload_s: float = set_by(
        RELOAD_S,
        line(
            "reload DURATION",
            "The time between two reads of FILE, 0 for never (`weighted`). The last"
            " usable version stays in use.",
            _set_reload,
            example="1m",
            least=0,
            excess=Excess.IGNORED,
        ),
    )
    preferred: tuple[Network, ...] = set_by(
        (),
        line(
            "prefer NETWORKS...",
            "Networks in CIDR form whose addresses come first, in this order"
            " (`round_robin`).",
            _add_preferred,
            example="10.0.0.0/8",
            least=0,
        ),
    )


def setup(directives: tuple[LoadBalanceOptions, ...], site: Site) -> Plugin:
    """Return the plugin that orders records; the last directive's policy counts.

    Raises:
        ConfigError: an option of the other policy than its directive's.

    """
    for directive, options in zip(
        site.block.named("loadbalance"), directives, strict=True
    ):
        other = "reload" if options.policy == "round_robin" else "prefer"
        for entry in directive.block:
            if entry.name == other:
                raise unknown_property(entry)
    options = directives[-1]
    file: WeightFile | None = None
    if options.policy == "weighted":
        file = WeightFile(options.path, options.reload_s, site)
        site.on_start(file.start)
    site.chooses_records = file is not None or bool(options.preferred)
    return _plugin(site, file, options.preferred)


def _plugin(site: Site, file: WeightFile | None, networks: Sequence[Network]) -> Plugin:
    random = site.edges.random

    def arranged(qtype: int, response: Response) -> Response:
        if file is None:
            response = round_robin(response, random)
        elif qtype in _WEIGHTED:
            response = by_weight(response, file.weights, random)
        return preferring(response, networks) if networks else response

    async def loadbalance(next_: Handler, query: Query) -> Response:
        response = await next_(query)
        qtype = query.question.qtype
        if response.rcode != Rcode.NOERROR or qtype in _TRANSFERS:
            return response
        return arranged(qtype, response)

    return as_plugin(loadbalance)


# -- the order of records

Section: TypeAlias = tuple[RRset, ...]

_RANKS = {CNAME: 0, A: 2, AAAA: 2, MX: 3}
_OTHERS, _ADDRESSES = 1, 2


def _rank(rrset: RRset) -> int:
    """Return the position of a type in a section: aliases, others, addresses, MX."""
    return _RANKS.get(rrset.rtype, _OTHERS)


def _is_settled(section: Section) -> bool:
    """Return whether the section has only one order."""
    addresses = before = 0
    for rrset in section:
        rank = _rank(rrset)
        if rank < before:
            return False
        if rank >= _ADDRESSES:
            addresses += len(rrset.rdata)
        before = rank
    return addresses < 2


def _count(section: Iterable[RRset], rank: int) -> int:
    return sum(len(rrset.rdata) for rrset in section if _rank(rrset) >= rank)


def round_robin(response: Response, random: Random) -> Response:
    """Return ``response`` with addresses and MX records in random order.

    It may be reused, with its records rotated each time.
    """
    sections = (response.answer, response.authority, response.additional)
    rotated = [
        section if _is_settled(section) else _rotated(section, random)
        for section in sections
    ]
    if all(map(is_, rotated, sections)):
        return response
    reuse = response.reuse
    answer, authority, additional = rotated
    return model.replace(
        response,
        answer=answer,
        authority=authority,
        additional=additional,
        reuse=model.replace(reuse, rotates=True) if reuse else None,
    )


def _rotated(section: Section, random: Random) -> Section:
    if len(section) < 2:
        return tuple(_rotated_set(rrset, random) for rrset in section)
    ranks = list(map(_rank, section))
    if ranks[-2] < _ADDRESSES and ranks == sorted(ranks):  # aliases, then their target
        return (*section[:-1], _rotated_set(section[-1], random))
    keyed = [(_rank(rrset), random.random(), rrset) for rrset in section]
    movable = [key for key in keyed if key[0] >= _ADDRESSES]
    first = sorted((rrset for rrset in section if _rank(rrset) < _ADDRESSES), key=_rank)
    rest = [rrset for _, _, rrset in sorted(movable, key=lambda key: key[:2])]
    return (*first, *(_rotated_set(rrset, random) for rrset in rest))


def _rotated_set(rrset: RRset, random: Random) -> RRset:
    # unlike CoreDNS: rotated and perhaps reversed, not shuffled. Every record is first
    # equally often, at a fifth of the cost, and the second one differs, too
    size = len(rrset.rdata)
    if size < 2 or _rank(rrset) < _ADDRESSES:
        return rrset
    at, is_mirrored = divmod(int(random.random() * size * 2), 2)
    rdata = rrset.rdata[at:] + rrset.rdata[:at]
    return rrset._replace(rdata=rdata[::-1] if is_mirrored else rdata)


def by_weight(response: Response, weights: Weights, random: Random) -> Response:
    """Return ``response`` with one address, chosen by weight, before the others.

    If there was a choice, the response must not be reused.
    """
    answer, additional = (
        _weighted(section, weights, random)
        for section in (response.answer, response.additional)
    )
    return _rearranged(response, answer, additional)


def _weighted(section: Section, weights: Weights, random: Random) -> Section:
    addresses = [rrset for rrset in section if _rank(rrset) == _ADDRESSES]
    if not addresses:
        return section
    at, number = choose(addresses, weights, random)
    rdata = list(addresses[at].rdata)
    rdata[0], rdata[number] = rdata[number], rdata[0]
    addresses[at] = addresses[at]._replace(rdata=tuple(rdata))
    addresses[0], addresses[at] = addresses[at], addresses[0]
    return _in_order(section, addresses)


def _in_order(section: Section, addresses: Sequence[RRset]) -> Section:
    """Return ``section`` sorted by rank, with ``addresses`` as its addresses."""
    others = (rrset for rrset in section if _rank(rrset) != _ADDRESSES)
    return tuple(sorted((*others, *addresses), key=_rank))


def preferring(response: Response, networks: Sequence[Network]) -> Response:
    """Return ``response`` with addresses of ``networks`` first, in their order.

    If there was a choice, the response must not be reused.
    """
    answer, additional = (
        _preferred(section, networks)
        for section in (response.answer, response.additional)
    )
    return _rearranged(response, answer, additional)


def _preferred(section: Section, networks: Sequence[Network]) -> Section:
    def distance(data: bytes) -> int:
        address = ip_address(data)
        near = (at for at, network in enumerate(networks) if address in network)
        return next(near, len(networks))

    addresses = [
        rrset._replace(rdata=tuple(sorted(rrset.rdata, key=distance)))
        for rrset in section
        if _rank(rrset) == _ADDRESSES
    ]
    addresses.sort(key=lambda rrset: distance(rrset.rdata[0]))
    return _in_order(section, addresses)


def _rearranged(response: Response, answer: Section, additional: Section) -> Response:
    changed = model.replace(response, answer=answer, additional=additional)
    if _count(answer, _ADDRESSES) < 2 and _count(additional, _ADDRESSES) < 2:
        return changed
    return model.replace(changed, reuse=None)


PLUGIN = PluginSpec(
    name="loadbalance",
    summary="change the order of the addresses in an answer",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=LoadBalanceOptions(),
    repeated=Repeated.CONTINUED,
)
