"""*health* - say over HTTP that the process is alive; end slowly."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import duration, format_duration, quote
from minidns.dns.model import Address
from minidns.http import endpoint
from minidns.metrics.registry import SLIM_TIME_BUCKETS
from minidns.plugins.site import HttpReply, Site, listen_address
from minidns.plugins.spec import PluginSpec, Traits

log = logging.getLogger(__name__)

ADDRESS = ":8080"
PATH = "/health"

CHECK_EVERY_S = 1.0
TIMEOUT_S = 3.0
SLOW_S = 1.0


@dataclass(slots=True)
class Options:
    """What the directives of a block say."""

    address: str = ADDRESS
    lameduck_s: float = 0.0
    """How long to answer on after readiness is withdrawn, at the end."""


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``health [ADDRESS] { lameduck DURATION }``.

    Raises:
        ConfigError: not an address, not a duration, an unknown option.

    """
    options = Options()
    for directive in directives:
        _read(directive, options)
    close = site.instance.http(options.address, PATH, _alive)

    async def start() -> None:
        site.task("health", _SelfCheck(site, options.address).run)

    async def shut_down() -> None:
        if options.lameduck_s > 0:
            said = format_duration(options.lameduck_s)
            log.info("Going into lameduck mode for %s", said)
            await site.edges.sleep(options.lameduck_s)
        await close()

    site.on_start(start)
    site.on_shutdown(shut_down)


def _read(directive: Directive, options: Options) -> None:
    options.address = listen_address(directive, options.address)
    for line in directive.block:
        if line.name != "lameduck":
            raise line.error(f"unknown property '{line.name}'")
        if len(line.args) != 1:
            raise line.arg_error()
        (text,) = line.args
        try:
            options.lameduck_s = duration(text)
        except ValueError as error:
            problem = f"unable to parse lameduck duration value: '{text}' : {error}"
            raise ConfigError(problem) from error


def _alive(query: Mapping[str, str], headers: Mapping[str, str]) -> HttpReply:
    """Say OK: whatever else is wrong, a restart would not mend it."""
    return HttpReply(b"OK")


class _SelfCheck:
    """Asks its own endpoint all the time: a slow reply tells of an overload."""

    def __init__(self, site: Site, address: str) -> None:
        self._edges = site.edges
        self._address = address
        self._url = quote(f"http://{address}{PATH}")
        self._seconds = site.metrics.histogram(
            "coredns_health_request_duration_seconds",
            "Seconds that checks of our own /health took.",
            (),
            SLIM_TIME_BUCKETS,
        )
        self._failures = site.metrics.counter(
            "coredns_health_request_failures_total",
            "Failed checks of our own /health.",
        )

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self._edges.sleep(CHECK_EVERY_S)
            started = self._edges.now()
            problem = await self._problem()
            seconds = self._edges.now() - started
            self._seconds.observe((), seconds)
            if problem:
                self._failures.inc()
                log.warning("Local health request to %s failed: %s", self._url, problem)
            elif seconds > SLOW_S:
                took = format_duration(seconds)
                text = "Local health request to %s took more than 1s: %s"
                log.warning(text, self._url, took)

    async def _problem(self) -> str:
        try:
            await self._in_time(endpoint.get(self._own(), PATH))
        except (OSError, ValueError) as error:
            return str(error)
        return ""

    def _own(self) -> Address:
        host, port = endpoint.split(self._address)
        return host or "localhost", int(port)

    async def _in_time(self, work: Coroutine[Any, Any, int]) -> None:
        asked = asyncio.ensure_future(work)
        alarm = asyncio.ensure_future(self._edges.sleep(TIMEOUT_S))
        try:
            await asyncio.wait((asked, alarm), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise TimeoutError(f"no reply within {format_duration(TIMEOUT_S)}")
            asked.result()
        finally:
            asked.cancel()
            alarm.cancel()


PLUGIN = PluginSpec(
    name="health",
    summary="say over HTTP that the process is alive; end slowly",
    syntax="health [ADDRESS]",
    traits=Traits.OPENS_PORT | Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    defaults=None,
    address=ADDRESS,
)
