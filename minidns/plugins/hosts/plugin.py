"""*hosts* - answer from a hosts file and from lines in the Corefile."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from minidns.corefile.directives import Directive, Line
from minidns.corefile.values import covers, duration, fallthrough, integer, zones
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
from minidns.plugins.hosts.table import Entry, Hosts, HostsLine, lines, pointed
from minidns.plugins.site import Site, once
from minidns.plugins.spec import PluginSpec, Traits
from minidns.text import files
from minidns.text.go_text import quote

log = logging.getLogger(__name__)

_SIZES = {rdata.A: 4, rdata.AAAA: 16}
"""Bytes of an address, by type."""
_SUPPORTED = (*_SIZES, rdata.PTR)


@dataclass(slots=True)
class Options:
    """What the lines of the directive say."""

    path: str = "/etc/hosts"
    """Read also when there are lines in the Corefile."""
    named: bool = False
    """Whether the Corefile names the path."""
    zones: tuple[Name, ...] = (".",)
    ttl: int = 3600
    reverse: bool = True
    reload_s: float = 5
    """0 for never."""
    fall: tuple[Name, ...] = ()
    fall_unsupported: bool = False
    """Whether other types of names that exist are passed on too."""
    inline: tuple[HostsLine, ...] = ()


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``hosts [FILE [ZONES...]]`` with its options and lines."""
    table = Table(_options(once(directives), site), site)
    site.on_start(table.start)
    return hosts(table)


def _options(directive: Directive, site: Site) -> Options:
    options = Options(zones=zones(directive.args[1:], site.zones))
    if directive.args:
        options.path = files.below(site.root, directive.args[0])
        options.named = True
    for line in directive.block:
        match line.name, line.args:
            case "fallthrough", args:
                options.fall = fallthrough(args)
            case "fallthrough_unsupported", args:
                if args:
                    raise line.arg_error()
                options.fall_unsupported = True
            case "no_reverse", _:
                options.reverse = False
            case "ttl", args:
                options.ttl = _ttl(line, args)
            case "reload", args:
                options.reload_s = _reload(line, args)
            case name, args if not options.fall:
                text = " ".join((name, *args))
                options.inline += (HostsLine(text, line.file, line.line),)
            case name, _:
                raise line.error(f"unknown property '{name}'")
    if options.fall_unsupported and not options.fall:
        raise directive.end_error("fallthrough_unsupported requires fallthrough")
    return options


def _ttl(line: Line, args: Sequence[str]) -> int:
    if not args:
        raise line.error("ttl needs a time in second")
    try:
        ttl = integer(args[0])
    except ValueError as error:
        raise line.error("ttl needs a number of second") from error
    if not 0 < ttl <= 65535:
        raise line.error("ttl provided is invalid")
    return ttl


def _reload(line: Line, args: Sequence[str]) -> float:
    if len(args) != 1:
        raise line.error("reload needs a duration (zero seconds to disable)")
    try:
        seconds = duration(args[0])
    except ValueError as error:
        raise line.error(f"invalid duration for reload '{args[0]}'") from error
    if seconds < 0:
        raise line.error(f"invalid negative duration for reload '{args[0]}'")
    return seconds


class Table:
    """The names known now: those of the file, and those of the Corefile."""

    def __init__(self, options: Options, site: Site) -> None:
        self.options = options
        self.key = ("hosts", options.path)
        """What an answer depends on."""
        self._site = site
        self._inline = self._empty()
        for _ in self._inline.read(options.inline):
            pass
        self._file = self._empty()
        self._seen: tuple[int, int] | None = None
        """Length and hash of the text that was read last."""
        self._problem = ""
        """Why the file could not be read the last time; logged when it changes."""
        self._entries = site.metrics.gauge(
            "coredns_hosts_entries",
            "Addresses of names and names of addresses, in all.",
            ("hostsfile",),
        )
        self._reloaded = site.metrics.gauge(
            "coredns_hosts_reload_timestamp_seconds",
            "When the hosts file was last read, in Unix seconds.",
        )

    def _empty(self, characters: int = 0) -> Hosts:
        return Hosts(
            self.options.zones, reverse=self.options.reverse, characters=characters
        )

    async def start(self) -> None:
        """Read the file, and from now on again whenever it has changed."""
        try:
            await self._load()
        except OSError as error:
            self._problem = str(error)
            if self.options.named:
                self._warn(error)
        if self.options.reload_s:
            self._site.task("hosts", self._keep)

    async def _keep(self) -> None:
        while True:
            await self._site.edges.sleep(self.options.reload_s)
            try:
                await self._load()
            except OSError as error:  # the names that were read last stay
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

    async def _load(self) -> None:
        """Read the file; OSError when that cannot be done."""
        path = self.options.path
        edges = self._site.edges
        text = await edges.aside(partial(edges.files.read, path))
        seen = (len(text), hash(text))
        if seen == self._seen:
            return
        fresh = self._empty(len(text))
        for _ in fresh.read(lines(text, path)):
            await asyncio.sleep(0)
        self._file, self._seen = fresh, seen
        self._entries.set((path,), len(self._inline) + len(fresh))
        self._reloaded.set((), self._site.edges.wall())
        log.debug("Parsed hosts file into %d entries", len(fresh))
        if fresh.skipped:
            shown = path if path.isprintable() else quote(path)
            log.warning("%s: %d lines left out: %s", shown, fresh.skipped, _LEFT_OUT)
        self._site.forget((self.key,))

    def answers(self, name: Name, rtype: int) -> list[Entry] | None:
        """Return what is known, the file's entries first; None for an unknown name."""
        if rtype == rdata.PTR:
            return self._pointers(name) or None
        found = self._addresses(name, rtype) if rtype in _SIZES else []
        exists = found or any(self._addresses(name, each) for each in _SIZES)
        return found if exists else None

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


def hosts(table: Table) -> Plugin:
    """Return the plugin that answers from ``table``."""
    options = table.options

    def plugin(next_: Handler) -> Handler:
        async def passed_on(query: Query) -> Response:
            return also_depends_on(await next_(query), table.key)

        async def hosts(query: Query) -> Response:
            name, rtype = query.question[:2]
            pointer = rtype == rdata.PTR
            if not (pointer or covers(options.zones, name)):
                return await next_(query)
            falls = covers(options.fall, name)
            if falls and options.fall_unsupported and rtype not in _SUPPORTED:
                return await passed_on(query)
            found = table.answers(name, rtype)
            if found is not None:
                return _response(query, found, table)
            if falls or pointer:  # an address nobody knows is always somebody else's
                return await passed_on(query)
            # NXDOMAIN would need an SOA, which a hosts file does not have (CoreDNS)
            raise DnsError()

        return hosts

    return plugin


def _response(query: Query, found: Sequence[Entry], table: Table) -> Response:
    name, rtype = query.question[:2]
    data = tuple(
        names.to_wire(entry.name) if rtype == rdata.PTR else entry.packed
        for entry in found
    )
    sources = dict.fromkeys(entry.source for entry in found)
    rule = "hosts/pointer" if rtype == rdata.PTR else "hosts/address"
    return Response(
        answer=(RRset(name, rtype, table.options.ttl, data),) if data else (),
        aa=True,
        lower_case=True,
        rule=rule if data else "hosts/nodata",
        sources=tuple(sources),
        reuse=Reuse(depends_on=(table.key,)),
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
    defaults=None,
)
