"""*autopath* - walk a client's search list on the server.

A stub resolver tries a name with each domain of its search list until one exists. Here
its first query does the whole walk: if the name ends with the first domain of the
client's search list, the plugins below are asked for the name with each domain, and the
first answer other than NXDOMAIN is returned, with an alias from the name in the query.
The search list comes from a resolv.conf, or from a plugin that knows the client
(*kubernetes*).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Words, line, set_by
from minidns.corefile.values import covers, zones
from minidns.dns import names, rdata, resolv_conf
from minidns.dns.model import (
    DnsError,
    Dropped,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    RRset,
    replace,
)
from minidns.plugins.contracts import Guard, SearchList
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.text import files


def _set_source(options: "AutopathOptions", words: Words) -> "AutopathOptions":
    if not words.args:
        raise ValueError("no resolv-conf specified")
    *zone_names, source = words.args
    return AutopathOptions(zones(zone_names, words.zones), source)


@dataclass(frozen=True, slots=True)
class AutopathOptions:
    """The options of *autopath*."""

    zones: tuple[Name, ...] = set_by(
        (),
        line(
            " [ZONES...] FILE|@PLUGIN",
            "The zones of the names that it is for, by default those of the server"
            " block; and where the search list of a client comes from: the `search` or"
            " `domain` of a resolv.conf, or a plugin of the block, in practice"
            " `@kubernetes`.",
            _set_source,
            example="example.org @kubernetes",
            least=0,
        ),
    )
    source: str = ""
    """The path of a resolv.conf, or ``@`` and the name of a plugin."""


def setup(directives: tuple[AutopathOptions, ...], site: Site) -> Plugin:
    """Return the plugin for the last directive; search lists of all are checked.

    Raises:
        ConfigError: a resolv.conf cannot be read.

    """
    searches = [_search_list(options.source, site) for options in directives]
    return autopath(directives[-1].zones, searches[-1], site)


def _search_list(source: str, site: Site) -> SearchList:
    if source.startswith("@"):
        return _from_plugin(source.removeprefix("@"), site)
    return _from_file(source, site)


def _no_search_list(_: Query) -> Sequence[Name]:
    return ()


def _from_plugin(name: str, site: Site) -> SearchList:
    async def check() -> None:
        if name in site.handlers and name not in site.offers.search_lists:
            text = f"{name} does not implement the AutoPather interface"
            raise ConfigError(f"plugin/autopath: {text}")

    site.on_start(check)
    return lambda query: site.offers.search_lists.get(name, _no_search_list)(query)


def _from_file(path: str, site: Site) -> SearchList:
    try:
        text = site.edges.files.read(path)
    except OSError as error:
        why = files.reason(error, path)
        raise ConfigError(f'failed to parse "{path}": {why}') from error
    domains = resolv_conf.search(text)
    # the unchanged name is tried last; an empty search list stays empty
    search = (*domains, "") if domains else ()
    return lambda query: search


def autopath(where: Sequence[Name], search: SearchList, site: Site) -> Plugin:
    """Return the plugin that answers names in ``where`` by the client's search list."""
    # plugins below this one check every name that is tried themselves
    above = tuple(site.offers.guards)
    successes = site.metrics.counter(
        "coredns_autopath_success_total",
        "Questions for which a name was found.",
        ("server",),
    )

    async def autopath(next_: Handler, query: Query) -> Response:
        qname = query.question.qname
        if not covers(where, qname):
            return await next_(query)
        domains = search(query)
        walks = bool(domains) and names.is_below(qname, domains[0])
        if not walks:
            return await next_(query)
        response, succeeded = await _walk(_with_guards(next_, above), query, domains)
        if succeeded:
            successes.inc((query.server,))
        # the search list is that of the client
        is_specific = query.hops > 0 or response.client_specific
        return replace(response, client_specific=is_specific)

    return as_plugin(autopath)


def _with_guards(next_: Handler, guards: Sequence[Guard]) -> Handler:
    """Return ``next_`` behind the guards of the plugins above.

    unlike CoreDNS: where *acl* precedes this plugin (before 1.14.7), it sees only the
    name in the client's query.
    """

    async def guarded(query: Query) -> Response:
        denials = (guard.denial(query) for guard in guards)
        denial = next((reply for reply in denials if reply is not None), None)
        return await next_(query) if denial is None else denial

    return guarded


async def _walk(
    next_: Handler, query: Query, domains: Sequence[Name]
) -> tuple[Response, bool]:
    """Return the first answer other than NXDOMAIN, else that for the first name.

    Raises:
        DnsError: a lookup failed with an error text, or the first lookup failed and
            no other one succeeded.

    """
    qname = query.question.qname
    labels = names.labels(query.owner)
    base = labels[: len(labels) - len(names.labels(domains[0]))]
    if not base:
        raise DnsError(f"trimzone: overshot qname: {qname}for zone {domains[0]}")
    first: Response | DnsError | None = None
    for domain in domains:
        spelled = ".".join((*base, *names.labels(domain))) + "."
        name = spelled.lower()
        moved = replace(
            query,
            question=query.question._replace(qname=name),
            spelled="" if spelled == name else spelled,
            wire=b"",
        )
        try:
            response = await next_(moved)
        except DnsError as error:
            if error.text or isinstance(error, Dropped):
                raise
            first = first or error
            continue
        first = first or response
        if response.rcode != Rcode.NXDOMAIN:
            return _aliased(query, moved, response), True
    if isinstance(first, Response):
        return first, False
    raise first or DnsError()


def _aliased(query: Query, moved: Query, response: Response) -> Response:
    """Return ``response`` to ``moved`` with an alias from the name in the query.

    Owners have the client's letters where plugins below keep them, and those of the
    search list (CoreDNS).
    """
    name, answer = moved.question.qname, response.answer
    if not response.lower_case:
        answer = tuple(
            rrset._replace(owner=moved.owner) if rrset.owner == name else rrset
            for rrset in answer
        )
    for rrset in answer:
        if rrset.owner.lower() == query.question.qname:
            continue
        data = names.to_wire(rrset.owner)
        alias = RRset(query.owner, rdata.CNAME, rrset.ttl, (data,))
        answer = (alias, *answer)
        break
    return replace(response, answer=answer, lower_case=True)


PLUGIN = PluginSpec(
    name="autopath",
    summary="walk a client's search list on the server",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=AutopathOptions(),
    repeated=Repeated.SEPARATE,
)
