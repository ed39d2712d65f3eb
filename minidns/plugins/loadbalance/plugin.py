"""*loadbalance* - turn the addresses of an answer."""

import logging

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import duration, format_duration, quote
from minidns.dns.model import Handler, Plugin, Query, Rcode, Response
from minidns.dns.networks import Network, cidr
from minidns.dns.rdata import AAAA, AXFR, IXFR, SRV, A
from minidns.plugins.loadbalance import arrangement, weights
from minidns.plugins.loadbalance.weights import Weights
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits
from minidns.text import files

log = logging.getLogger(__name__)

RELOAD_S = 30.0

_TRANSFERS = (AXFR, IXFR)
_WEIGHTED = (A, AAAA, SRV)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``loadbalance [round_robin | weighted FILE] { reload; prefer }``.

    Raises:
        ConfigError: an unknown policy or option.

    """
    networks: list[Network] = []
    file: WeightFile | None = None
    for directive in directives:  # the last policy counts (CoreDNS)
        match directive.args:
            case ("weighted", *names):
                networks, file = [], _weighted(directive, names, site)
            case () | ("round_robin",):
                networks += _preferred(directive)
                file = None
            case ("round_robin", *_):
                raise directive.error("unknown property for round_robin")
            case (policy, *_):
                raise ConfigError(f"unknown policy: {policy}")
    site.chooses_records = file is not None or bool(networks)
    if file is not None:
        site.on_start(file.start)
    return _arranging(site, file, networks)


def _arranging(
    site: Site, file: "WeightFile | None", networks: list[Network]
) -> Plugin:
    random = site.edges.random

    def arranged(qtype: int, response: Response) -> Response:
        if file is None:
            response = arrangement.round_robin(response, random)
        elif qtype in _WEIGHTED:
            response = arrangement.by_weight(response, file.weights, random)
        return arrangement.preferring(response, networks) if networks else response

    def plugin(next_: Handler) -> Handler:
        async def loadbalance(query: Query) -> Response:
            response = await next_(query)
            qtype = query.question.qtype
            if response.rcode != Rcode.NOERROR or qtype in _TRANSFERS:
                return response
            return arranged(qtype, response)

        return loadbalance

    return plugin


def _preferred(directive: Directive) -> list[Network]:
    networks: list[Network] = []
    for line in directive.block:
        if line.name != "prefer":
            raise line.error(f"unknown property '{line.name}'")
        networks += [_network(word, line) for word in line.args]
    return networks


def _network(word: str, line: Line) -> Network:
    try:
        return cidr(word)
    except ValueError as error:
        raise line.error(f"invalid CIDR {quote(word)}: {error}") from None


def _weighted(directive: Directive, names: list[str], site: Site) -> "WeightFile":
    if not names:
        raise directive.error("missing weight file argument")
    if len(names) > 1:
        raise directive.error("unexpected argument(s)")
    reload_s = RELOAD_S
    for line in directive.block:
        if line.name != "reload":
            raise line.error(f"unknown property '{line.name}'")
        reload_s = _reload(line)
    return WeightFile(files.below(site.root, names[0]), reload_s, site)


def _reload(line: Line) -> float:
    if not line.args:
        raise line.error("reload duration value is missing")
    if len(line.args) > 1:
        raise line.error("unexpected argument")
    try:
        return duration(line.args[0])
    except ValueError:
        problem = f"invalid reload duration '{line.args[0]}'"
        raise line.error(problem) from None


class WeightFile:
    """The weights, read again from time to time."""

    def __init__(self, path: str, reload_s: float, site: Site) -> None:
        self.weights: Weights = {}
        self._path = path
        self._reload_s = reload_s
        self._site = site
        self._text: str | None = None

    async def start(self) -> None:
        """Read the file for the first time, and go on reading.

        Raises:
            ConfigError: it is no file of weights; or there is none, and it is not to
                be read again.

        """
        try:
            await self._site.edges.aside(self._read)
        except OSError as error:
            if not self._reload_s:
                raise ConfigError("plugin/loadbalance: weight file open error") from (
                    error
                )
            log.warning(
                "Failed to open weight file:%s. Will try again in %s",
                files.reason(error, self._path),
                format_duration(self._reload_s),
            )
        except ValueError as error:
            raise ConfigError(f"plugin/loadbalance: {error}") from error
        if self._reload_s > 0:
            self._site.task("loadbalance", self._watch)

    def _read(self) -> None:
        text = self._site.edges.files.read(self._path)
        if text != self._text:
            self._text = text
            self.weights = weights.parse(text, self._path)
            log.info("Successfully reloaded weight file %s", self._path)

    async def _watch(self) -> None:
        while True:
            await self._site.edges.sleep(self._reload_s)
            try:
                await self._site.edges.aside(self._read)
            except OSError as error:
                log.error("%s", files.reason(error, self._path))
            except ValueError as error:
                log.error("%s", error)


PLUGIN = PluginSpec(
    name="loadbalance",
    summary="turn the addresses of an answer",
    syntax="loadbalance [round_robin]",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=None,
)
