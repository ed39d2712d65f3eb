"""*ready* - report over HTTP whether every plugin can answer.

A plugin that may be unready registers a check (`ReadinessCheck`). One that was ready
once counts as ready from then on, unless ``monitor continuously`` or its check says
otherwise.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from minidns.corefile.options import argument, choice, option
from minidns.corefile.values import quote
from minidns.plugins.site import HttpReply, Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, listen_address

log = logging.getLogger(__name__)

ADDRESS = ":8181"
PATH = "/ready"


@dataclass(frozen=True, slots=True)
class ReadyOptions:
    """The options of *ready*."""

    address: str = argument(
        "[ADDRESS]",
        "The address of `/ready`, with a colon before the port.",
        ADDRESS,
        listen_address,
        example="127.0.0.1:8182",
    )
    monitor: str = option(
        "monitor until-ready|continuously",
        "Whether a plugin that was ready is checked again.",
        "until-ready",
        choice(
            "until-ready",
            "continuously",
            unknown="monitor type '{value}' not supported",
        ),
        example="continuously",
    )


def setup(options: ReadyOptions, site: Site) -> None:
    """Serve the readiness of every block with *ready*, until the shutdown begins."""
    probe = _Probe(site, options.monitor == "continuously")
    close = site.instance.http(options.address, PATH, probe)

    async def start() -> None:
        # before the lame duck of any block, so that no new clients are sent here
        # during it
        site.instance.sites[0].hooks.shutdown.insert(0, close)

    site.on_start(start)


@dataclass(frozen=True, slots=True)
class _Probe:
    """The handler of the readiness endpoint."""

    site: Site
    continuously: bool
    """True to check plugins again that were ready once."""

    def __call__(
        self, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> HttpReply:
        """Reply OK or the plugins that are not ready; with ``verbose`` all details."""
        names = self._waiting()
        waiting = ",".join(names)
        if waiting:
            log.info("Plugins not ready: %s", quote(waiting))
        text = "\n".join(self._lines(names)) if "verbose" in query else waiting or "OK"
        return HttpReply(text.encode(), 503 if waiting else 200)

    def _checked_sites(self) -> dict[str, Site]:
        """Return the sites of plugins that have a readiness check, sorted by plugin.

        One plugin in several blocks counts once, in the last (CoreDNS).
        """
        sites = {
            name: site
            for site in self.site.instance.sites
            if site.block.named("ready")
            for name in site.readiness
        }
        return dict(sorted(sites.items()))

    def _waiting(self) -> list[str]:
        """Return the names of the plugins that are not ready, or else of sockets."""
        waiting = []
        for name, site in self._checked_sites().items():
            check = site.readiness[name]
            if not check.is_ready():
                waiting.append(name)
            elif not (self.continuously or check.is_always_checked):
                site.readiness[name] = replace(check, is_ready=_once_ready)
        return waiting or list(self.site.instance.waiting_for())

    def _lines(self, waiting: Sequence[str]) -> Iterator[str]:
        """Yield the lines of the verbose page, in the format of the API server."""
        sites = self._checked_sites()
        for name, site in sites.items():
            yield f"[-]{name} failed" if name in waiting else f"[+]{name} ok"
            for part in site.readiness[name].details():
                sign = "+" if part.is_ready else "-"
                yield f"[{sign}]{part.name} {part.state} (age {part.age_s:.0f}s)"
        for name in waiting:
            if name not in sites:
                yield f"[-]{name} failed"
        yield f"ready check {'failed' if waiting else 'passed'}\n"


def _once_ready() -> bool:
    """Return True, for a plugin that was ready once and is not checked again."""
    return True


PLUGIN = PluginSpec(
    name="ready",
    summary="report over HTTP whether every plugin can answer",
    traits=Traits.OPENS_PORT | Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    defaults=ReadyOptions(),
    repeated=Repeated.REFUSED,
    address=ADDRESS,
)
