"""*reload* - reload the Corefile when it changes."""

import hashlib
import logging
from dataclasses import dataclass

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Words, argument
from minidns.corefile.values import duration, format_duration
from minidns.metrics.registry import Counter, Gauge, Metrics
from minidns.plugins.site import Edges, PluginHost, Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits

log = logging.getLogger(__name__)

_TIMES_S = (30.0, 15.0)
"""The default interval and jitter."""
MIN_INTERVAL_S, MIN_JITTER_S = 2.0, 1.0


def _read_times(words: Words) -> tuple[float, float]:
    times = [duration(text) for text in words.args]
    interval_s, jitter_s = (*times, *_TIMES_S[len(times) :])
    if interval_s < MIN_INTERVAL_S:
        least = format_duration(MIN_INTERVAL_S)
        raise ValueError(f"interval value must be greater or equal to {least}")
    if jitter_s and jitter_s < MIN_JITTER_S:
        least = format_duration(MIN_JITTER_S)
        raise ValueError(f"jitter value must be 0 or greater or equal to {least}")
    return interval_s, jitter_s


@dataclass(frozen=True, slots=True)
class ReloadOptions:
    """The options of *reload*."""

    times_s: tuple[float, float] = argument(
        "[INTERVAL] [JITTER]",
        "The time between checks (`30s`, at least `2s`), and how much the checks of"
        " several processes are spread: each adds or subtracts up to half of it"
        " (`15s`; `0`, or at least `1s`, and at most half of INTERVAL).",
        _TIMES_S,
        _read_times,
        example="10s 5s",
    )


def setup(options: ReloadOptions, site: Site) -> None:
    """Watch the Corefile, at the interval of the block set up last (CoreDNS)."""
    interval_s, jitter_s = options.times_s
    # this load's share of the jitter
    jitter_s = min(jitter_s, interval_s / 2)
    shift_s = jitter_s * (site.edges.random.random() - 0.5)
    site.instance.watch_s = interval_s + shift_s
    _families(site.metrics)  # shown from the start, as in CoreDNS


def _families(metrics: Metrics) -> tuple[Counter, Gauge]:
    """Return the counter of failed reloads and the gauge of the Corefile's hash."""
    failures = metrics.counter(
        "coredns_reload_failed_total", "Changed Corefiles that could not be used."
    )
    version = metrics.gauge(
        "coredns_reload_version_info",
        "Always 1; the label is the hash of the Corefile last loaded, or tried.",
        ("hash", "value"),
    )
    return failures, version


class Watch:
    """Checks the Corefile for changes until a reload succeeds.

    Each loaded Corefile has its own. One without *reload* goes on with the interval of
    the Corefile before it, so that a line lost by mistake can be put back (CoreDNS).
    """

    def __init__(
        self, instance: PluginHost, edges: Edges, metrics: Metrics, interval_s: float
    ) -> None:
        self._instance = instance
        self._sleep, self._aside = edges.sleep, edges.aside
        self._interval_s = interval_s
        self._tried = instance.corefile.digest
        """Digest of the Corefile that was loaded, or that failed to load last."""
        self._failures, self._version = _families(metrics)
        self._problem = ""
        """Why the Corefile could not be read the last time."""

    async def run(self) -> None:
        """Watch until a reload succeeds: the new Corefile has a watch of its own."""
        log.info("Running configuration SHA512 = %s", self._tried)
        while True:
            await self._sleep(self._interval_s)
            digest = await self._aside(self._digest)
            if digest is None or digest == self._tried:
                continue
            self._version.remove(("sha512", self._tried))
            self._version.set(("sha512", digest), 1)
            self._tried = digest  # the same broken file is not tried again
            if await self._reload():
                return

    def _digest(self) -> str | None:
        """Return the digest of the Corefile on disk; None while it cannot be used."""
        try:
            return self._instance.read().digest
        except FileNotFoundError:
            return None  # it may be about to be replaced
        except OSError as error:
            if (problem := str(error)) != self._problem:
                log.warning("Corefile cannot be read: %s", error)
                self._problem = problem
            return None
        except ConfigError as error:
            if not str(error).startswith(f"{error.file}:{error.line} - "):
                # its keys are wrong: CoreDNS sees that only when it restarts
                return hashlib.sha512(str(error).encode()).hexdigest()
            log.warning("Corefile parse failed: %s", error)
            return None

    async def _reload(self) -> bool:
        try:
            await self._instance.reload()
        except ConfigError as error:
            log.error(
                "Corefile changed but reload failed:"
                " starting with listener file descriptors: %s",
                error,
            )
            self._failures.inc()
            return False
        return True


PLUGIN = PluginSpec(
    name="reload",
    summary="reload the Corefile when it changes",
    traits=Traits.MAIN_PROCESS_ONLY | Traits.ONCE_PER_PROCESS,
    setup=setup,
    defaults=ReloadOptions(),
    repeated=Repeated.FIRST_COUNTS,
    block=Block.IGNORED,
)
