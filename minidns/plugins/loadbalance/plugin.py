"""*loadbalance* - change the order of the addresses in an answer.

A server block has one policy, the last that is named. The weights are read from a file,
again from time to time; a file that cannot be read leaves the weights as they are.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.corefile.values import duration, format_duration, quote
from minidns.dns.model import Handler, Plugin, Query, Rcode, Response
from minidns.dns.networks import Network, cidr
from minidns.dns.rdata import AAAA, AXFR, IXFR, SRV, A
from minidns.plugins.loadbalance import arrangement
from minidns.plugins.loadbalance.arrangement import Weights
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words, unknown_property
from minidns.text import files

log = logging.getLogger(__name__)

RELOAD_S = 30.0

_TRANSFERS = (AXFR, IXFR)
_WEIGHTED = (A, AAAA, SRV)


@dataclass(frozen=True, slots=True)
class LoadBalanceOptions:
    """Options of *loadbalance*."""

    policy: str = "round_robin"
    """``round_robin`` or ``weighted``."""
    path: str = ""
    """The file of weights."""
    reload_s: float = RELOAD_S
    """Seconds between two reads of the file; 0 is never."""
    preferred: tuple[Network, ...] = ()
    """Networks whose addresses come first, in this order."""


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin for ``loadbalance [round_robin | weighted FILE]``.

    Raises:
        ConfigError: an unknown policy or option.

    """
    options = PLUGIN.defaults
    for directive in directives:  # the last policy counts (CoreDNS)
        options = PLUGIN.read_arguments(directive, site, options)
        _check_block(directive, options.policy)
        options = PLUGIN.read_block(directive, site, options)
    file: WeightFile | None = None
    if options.policy == "weighted":
        file = WeightFile(options.path, options.reload_s, site)
        site.on_start(file.start)
    site.chooses_records = file is not None or bool(options.preferred)
    return _plugin(site, file, options.preferred)


def _arguments(options: LoadBalanceOptions, words: Words) -> LoadBalanceOptions:
    match words.args:
        case ("weighted",):
            raise words.error("missing weight file argument")
        case ("weighted", _):
            path = files.below(words.site.root, words.args[1])
            return LoadBalanceOptions("weighted", path)
        case ("weighted", *_):
            raise words.error("unexpected argument(s)")
        case () | ("round_robin",):
            return replace(options, policy="round_robin")
        case ("round_robin", *_):
            raise words.error("unknown property for round_robin")
        case (policy, *_):
            raise ConfigError(f"unknown policy: {policy}")
    raise AssertionError(words.args)


def _check_block(directive: Directive, policy: str) -> None:
    """Raise ConfigError for an option of the other policy."""
    other = "reload" if policy == "round_robin" else "prefer"
    for line in directive.block:
        if line.name == other:
            raise unknown_property(line)


def _set_preferred(options: LoadBalanceOptions, words: Words) -> LoadBalanceOptions:
    networks = tuple(_network(word, words) for word in words.args)
    return replace(options, preferred=(*options.preferred, *networks))


def _network(word: str, words: Words) -> Network:
    try:
        return cidr(word)
    except ValueError as error:
        raise words.error(f"invalid CIDR {quote(word)}: {error}") from None


def _reload(options: LoadBalanceOptions, words: Words) -> LoadBalanceOptions:
    if not words.args:
        raise words.error("reload duration value is missing")
    if len(words.args) > 1:
        raise words.error("unexpected argument")
    try:
        return replace(options, reload_s=duration(words.first))
    except ValueError:
        raise words.error(f"invalid reload duration '{words.first}'") from None


def _plugin(
    site: Site, file: "WeightFile | None", networks: Sequence[Network]
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


class WeightFile:
    """The weights of a file that is read again from time to time."""

    def __init__(self, path: str, reload_s: float, site: Site) -> None:
        self.weights: Weights = {}
        self._path = path
        self._reload_s = reload_s
        self._site = site
        self._text: str | None = None

    async def start(self) -> None:
        """Read the file now, and again from time to time.

        Raises:
            ConfigError: the file is malformed; or it cannot be read, and reloading is
                off.

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
            self.weights = arrangement.parse(text, self._path)
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
    summary="change the order of the addresses in an answer",
    syntax="loadbalance [round_robin]",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=LoadBalanceOptions(),
    arguments=Option(
        name="",
        arguments="[round_robin | weighted FILE]",
        meaning="The policy: random order, or one address chosen by weight first.",
        example="weighted weights.txt",
        field="policy",
        apply=_arguments,
    ),
    options=(
        Option(
            name="prefer",
            arguments="NETWORKS...",
            meaning="Puts addresses in these networks first (round_robin).",
            example="prefer 10.0.0.0/8",
            field="preferred",
            apply=_set_preferred,
        ),
        Option(
            name="reload",
            arguments="DURATION",
            meaning="The time between two checks of the file; 0 is never (weighted).",
            example="reload 1m",
            field="reload_s",
            apply=_reload,
        ),
    ),
)
