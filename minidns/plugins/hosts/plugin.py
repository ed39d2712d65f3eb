"""*hosts* - answer from a hosts file and from lines in the Corefile."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from minidns.corefile.directives import Directive, Line
from minidns.corefile.values import covers, duration, integer, zones
from minidns.dns import names, rdata
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Response,
    Reuse,
    RRset,
)
from minidns.dns.reuse import also_depends_on
from minidns.plugins import options
from minidns.plugins.hosts.table import Entry, Hosts, HostsLine, lines, pointed
from minidns.plugins.site import Site
from minidns.plugins.spec import Excess, Option, PluginSpec, Traits, Words
from minidns.text import files
from minidns.text.go_text import quote

log = logging.getLogger(__name__)

_SIZES = {rdata.A: 4, rdata.AAAA: 16}
"""Bytes of an address, by type."""
_SUPPORTED = (*_SIZES, rdata.PTR)


@dataclass(frozen=True, slots=True)
class HostsOptions:
    """Options of *hosts*."""

    path: str = "/etc/hosts"
    """The hosts file, which is read in addition to the lines in the Corefile."""
    named: bool = False
    """True if the Corefile names the path."""
    zones: tuple[Name, ...] = (".",)
    ttl: int = 3600
    reverse: bool = True
    reload_s: float = 5
    """Seconds between two reads of the file; 0 is never."""
    fall: tuple[Name, ...] = ()
    """Zones whose unknown names go to the next plugin."""
    fall_unsupported: bool = False
    """True if other types of existing names go there, too."""


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin for ``hosts [FILE [ZONES...]]`` with its options and lines.

    Raises:
        ConfigError: an option that CoreDNS refuses.

    """
    separated = [_split_block(directive) for directive in directives]
    options = PLUGIN.read([directive for directive, _ in separated], site)
    if options.fall_unsupported and not options.fall:
        text = "fallthrough_unsupported requires fallthrough"
        raise directives[-1].end_error(text)
    known = KnownHosts(options, separated[0][1], site)
    site.on_start(known.start)
    return hosts(known)


def _split_block(directive: Directive) -> tuple[Directive, list[HostsLine]]:
    """Split ``directive`` into its options and the hosts lines in its block.

    A line that is no option is one of them, until ``fallthrough`` (CoreDNS).
    """
    options: list[Line] = []
    entries: list[HostsLine] = []
    falls = False
    for line in directive.block:
        if falls or PLUGIN.option(line.name) is not None:
            options.append(line)
        else:
            text = " ".join((line.name, *line.args))
            entries.append(HostsLine(text, line.file, line.line))
        falls = falls or line.name == "fallthrough"
    return replace(directive, block=tuple(options)), entries


def _arguments(hosts: HostsOptions, words: Words) -> HostsOptions:
    served = zones(words.args[1:], words.site.zones)
    if not words.args:
        return replace(hosts, zones=served)
    return replace(hosts, path=options.path(words), named=True, zones=served)


def _ttl(words: Words) -> int:
    if not words.args:
        raise words.error("ttl needs a time in second")
    try:
        ttl = integer(words.first)
    except ValueError as error:
        raise words.error("ttl needs a number of second") from error
    if not 0 < ttl <= 65535:
        raise words.error("ttl provided is invalid")
    return ttl


def _reload(words: Words) -> float:
    if len(words.args) != 1:
        raise words.error("reload needs a duration (zero seconds to disable)")
    try:
        seconds = duration(words.first)
    except ValueError as error:
        text = f"invalid duration for reload '{words.first}'"
        raise words.error(text) from error
    if seconds < 0:
        raise words.error(f"invalid negative duration for reload '{words.first}'")
    return seconds


class KnownHosts:
    """The entries of the hosts file and of the Corefile."""

    def __init__(
        self, options: HostsOptions, inline: Sequence[HostsLine], site: Site
    ) -> None:
        self.options = options
        self.key = ("hosts", options.path)
        """The dependency key of answers."""
        self._site = site
        self._inline = self._empty_table()
        self._inline.read(inline)
        self._file = self._empty_table()
        self._seen: tuple[int, int] | None = None
        """Length and hash of the text that was read last."""
        self._problem = ""
        """The error of the last read; it is logged when it changes."""
        self._entries = site.metrics.gauge(
            "coredns_hosts_entries",
            "Addresses of names and names of addresses, in all.",
            ("hostsfile",),
        )
        self._reloaded = site.metrics.gauge(
            "coredns_hosts_reload_timestamp_seconds",
            "When the hosts file was last read, in Unix seconds.",
        )

    def _empty_table(self, characters: int = 0) -> Hosts:
        return Hosts(
            self.options.zones, reverse=self.options.reverse, characters=characters
        )

    async def start(self) -> None:
        """Read the file now, and whenever it has changed."""
        try:
            await self._load()
        except OSError as error:
            self._problem = str(error)
            if self.options.named:
                self._warn(error)
        if self.options.reload_s:
            self._site.task("hosts", self._watch)

    async def _watch(self) -> None:
        while True:
            await self._site.edges.sleep(self.options.reload_s)
            try:
                await self._load()
            except OSError as error:  # the entries that were read last stay
                if str(error) != self._problem:
                    self._warn(error)
                self._problem = str(error)
            else:
                self._problem = ""

    def _warn(self, error: OSError) -> None:
        path = self.options.path
        if isinstance(error, FileNotFoundError):
            shown = path if path.isprintable() else quote(path)
            log.warning("File does not exist: %s", shown)
        elif isinstance(error, IsADirectoryError):
            log.warning("Hosts file %s is a directory", quote(path))
        else:
            log.warning("%s", files.reason(error, path))

    def _changed_table(self) -> Hosts | None:
        """Return the entries of the file; None if it has not changed."""
        path = self.options.path
        text = self._site.edges.files.read(path)
        seen = (len(text), hash(text))
        if seen == self._seen:
            return None
        table = self._empty_table(len(text))
        table.read(lines(text, path))
        self._seen = seen
        return table

    async def _load(self) -> None:
        """Read the file; OSError if that fails."""
        fresh = await self._site.edges.aside(self._changed_table)
        if fresh is None:
            return
        self._file = fresh
        path = self.options.path
        self._entries.set((path,), len(self._inline) + len(fresh))
        self._reloaded.set((), self._site.edges.wall())
        log.debug("Parsed hosts file into %d entries", len(fresh))
        if fresh.skipped:
            shown = path if path.isprintable() else quote(path)
            log.warning("%s: %d lines left out: %s", shown, fresh.skipped, _LEFT_OUT)
        self._site.forget((self.key,))

    def answers(self, name: Name, rtype: int) -> list[Entry] | None:
        """Return the entries of ``name``, the file's first; None if unknown."""
        if rtype == rdata.PTR:
            return self._pointers(name) or None
        entries = self._addresses(name, rtype) if rtype in _SIZES else []
        exists = entries or any(self._addresses(name, other) for other in _SIZES)
        return entries if exists else None

    def _addresses(self, name: Name, rtype: int) -> list[Entry]:
        return [
            *self._file.addresses(name, _SIZES[rtype]),
            *self._inline.addresses(name, _SIZES[rtype]),
        ]

    def _pointers(self, name: Name) -> list[Entry]:
        packed = pointed(name)
        if packed is None:
            return []
        return [*self._file.names_of(packed), *self._inline.names_of(packed)]


_LEFT_OUT = "not an address with names, longer than 65536 characters, or too many"


def hosts(known: KnownHosts) -> Plugin:
    """Return the plugin that answers from ``known``."""
    options = known.options

    def plugin(next_: Handler) -> Handler:
        async def pass_on(query: Query) -> Response:
            return also_depends_on(await next_(query), known.key)

        async def hosts(query: Query) -> Response:
            name, rtype = query.question[:2]
            pointer = rtype == rdata.PTR
            if not (pointer or covers(options.zones, name)):
                return await next_(query)
            falls = covers(options.fall, name)
            if falls and options.fall_unsupported and rtype not in _SUPPORTED:
                return await pass_on(query)
            entries = known.answers(name, rtype)
            if entries is not None:
                return _response(query, entries, known)
            if falls or pointer:  # unknown addresses always go to the next plugin
                return await pass_on(query)
            # NXDOMAIN would need an SOA, which a hosts file does not have (CoreDNS)
            raise DnsError()

        return hosts

    return plugin


def _response(query: Query, entries: Sequence[Entry], known: KnownHosts) -> Response:
    name, rtype = query.question[:2]
    data = tuple(
        names.to_wire(entry.name) if rtype == rdata.PTR else entry.packed
        for entry in entries
    )
    sources = dict.fromkeys(entry.source for entry in entries)
    rule = "hosts/pointer" if rtype == rdata.PTR else "hosts/address"
    return Response(
        answer=(RRset(name, rtype, known.options.ttl, data),) if data else (),
        aa=True,
        lower_case=True,
        rule=rule if data else "hosts/nodata",
        sources=tuple(sources),
        reuse=Reuse(depends_on=(known.key,)),
    )


PLUGIN = PluginSpec(
    name="hosts",
    summary="answer from a hosts file and from lines in the Corefile",
    syntax="hosts [FILE [ZONES...]]",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ONCE_PER_BLOCK,
    setup=setup,
    defaults=HostsOptions(),
    arguments=Option(
        name="",
        arguments="[FILE [ZONES...]]",
        meaning="The hosts file, /etc/hosts without any, and the zones it is for.",
        example="/etc/hosts.local example.org",
        field="path",
        apply=_arguments,
    ),
    options=(
        options.setting(
            "ttl",
            "SECONDS",
            "ttl",
            _ttl,
            "The TTL of the records, 1 to 65535.",
            example="ttl 60",
            least=0,
            most=None,
        ),
        options.flag(
            "no_reverse",
            "reverse",
            "Does not answer PTR queries from the entries.",
            value=False,
            excess=Excess.IGNORED,
        ),
        options.setting(
            "reload",
            "DURATION",
            "reload_s",
            _reload,
            "The time between two checks of the file; 0 turns reloading off.",
            example="reload 1m",
            least=0,
            most=None,
        ),
        options.setting(
            "fallthrough",
            "[ZONES...]",
            "fall",
            options.fallthrough,
            "Passes unknown names in ZONES to the next plugin; all without any.",
            example="fallthrough example.org",
            least=0,
            most=None,
        ),
        options.flag(
            "fallthrough_unsupported",
            "fall_unsupported",
            "With fallthrough, passes on types other than A, AAAA and PTR, too.",
        ),
    ),
)
