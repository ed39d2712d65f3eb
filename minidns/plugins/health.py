"""*health* - report over HTTP that the process is alive; delay the shutdown."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from minidns.corefile.options import Words, argument, option
from minidns.corefile.values import duration, format_duration, quote
from minidns.dns.model import Address
from minidns.http import endpoint
from minidns.metrics.registry import SLIM_TIME_BUCKETS
from minidns.plugins.site import HttpReply, Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, listen_address

log = logging.getLogger(__name__)

ADDRESS = ":8080"
PATH = "/health"

CHECK_EVERY_S = 1.0
TIMEOUT_S = 3.0
SLOW_S = 1.0


def _read_lameduck(words: Words) -> float:
    try:
        return duration(words.first)
    except ValueError as error:
        start = f"unable to parse lameduck duration value: '{words.first}'"
        raise ValueError(f"{start} : {error}") from error


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """The options of *health*."""

    address: str = argument(
        "[ADDRESS]",
        "The address of `/health`, with a colon before the port.",
        ADDRESS,
        listen_address,
        example="127.0.0.1:8088",
    )
    lameduck_s: float = option(
        "lameduck DURATION",
        "How long queries are still answered at shutdown, after readiness was"
        " withdrawn; it must be shorter than the Pod's grace period, less five seconds."
        " A reload does not wait.",
        0.0,
        _read_lameduck,
        example="5s",
    )


def setup(options: HealthOptions, site: Site) -> None:
    """Serve ``/health``, check it every second, and delay the shutdown."""
    close = site.instance.http(options.address, PATH, _reply_ok)

    async def start() -> None:
        site.task("health", _SelfCheck(site, options.address).run)

    async def shut_down() -> None:
        if options.lameduck_s > 0:
            lameduck = format_duration(options.lameduck_s)
            log.info("Going into lameduck mode for %s", lameduck)
            await site.edges.sleep(options.lameduck_s)
        await close()

    site.on_start(start)
    site.on_shutdown(shut_down)


def _reply_ok(query: Mapping[str, str], headers: Mapping[str, str]) -> HttpReply:
    """Reply OK: a restart would not repair any other fault."""
    return HttpReply(b"OK")


class _SelfCheck:
    """Checks its own endpoint periodically: a slow reply shows an overload."""

    def __init__(self, site: Site, address: str) -> None:
        self._edges = site.edges
        self._address = address
        self._url = quote(f"http://{address}{PATH}")
        self._seconds = site.metrics.histogram(
            "coredns_health_request_duration_seconds",
            "Duration of the checks of the own /health endpoint in seconds.",
            (),
            SLIM_TIME_BUCKETS,
        )
        self._failures = site.metrics.counter(
            "coredns_health_request_failures_total",
            "Failed checks of the own /health endpoint.",
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
            await self._with_timeout(endpoint.get(self._own_address(), PATH))
        except (OSError, ValueError) as error:
            return str(error)
        return ""

    def _own_address(self) -> Address:
        host, port = endpoint.split(self._address)
        # not localhost: looking the name up in a thread costs more than the request
        return host or "127.0.0.1", int(port)

    async def _with_timeout(self, work: Coroutine[Any, Any, int]) -> None:
        request = asyncio.ensure_future(work)
        alarm = asyncio.ensure_future(self._edges.sleep(TIMEOUT_S))
        try:
            await asyncio.wait((request, alarm), return_when=asyncio.FIRST_COMPLETED)
            if not request.done():
                raise TimeoutError(f"no reply within {format_duration(TIMEOUT_S)}")
            request.result()
        finally:
            request.cancel()
            alarm.cancel()


PLUGIN = PluginSpec(
    name="health",
    summary="report over HTTP that the process is alive; delay the shutdown",
    traits=Traits.OPENS_PORT | Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    defaults=HealthOptions(),
    repeated=Repeated.MERGED,
    address=ADDRESS,
)
