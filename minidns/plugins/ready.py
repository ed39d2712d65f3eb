"""*ready* - say over HTTP whether every plugin can answer."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from minidns.core.corefile import Directive, Line
from minidns.core.values import quote
from minidns.plugins.setup import HttpReply, Site, listen_address, once

log = logging.getLogger(__name__)

ADDRESS = ":8181"
PATH = "/ready"


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``ready [ADDRESS] { monitor until-ready|continuously }``.

    Raises:
        ConfigError: not an address, an unknown option or kind of monitoring.

    """
    directive = once(directives)
    address = listen_address(directive, ADDRESS)
    continuously = False
    for line in directive.block:
        continuously = _continuously(line)
    probe = _Probe(site, continuously)
    close = site.instance.http(address, PATH, probe)

    async def start() -> None:
        # before the lame duck of whichever block has one: nobody is to be sent here
        # any more while it waits
        site.instance.sites[0].shutdown_hooks.insert(0, close)

    site.on_start(start)


def _continuously(line: Line) -> bool:
    if line.name != "monitor":
        raise line.error(f"unknown property '{line.name}'")
    if len(line.args) != 1:
        raise line.arg_error()
    (kind,) = line.args
    if kind not in ("until-ready", "continuously"):
        raise line.error(f"monitor type '{kind}' not supported")
    return kind == "continuously"


@dataclass(frozen=True, slots=True)
class _Probe:
    """What answers the kubelet."""

    site: Site
    continuously: bool
    """Whether to go on asking plugins that said once that they are ready."""

    def __call__(
        self, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> HttpReply:
        """Say OK, or which plugins are not ready."""
        waiting = ",".join(self._waiting())
        if not waiting:
            return HttpReply(b"OK")
        log.info("Plugins not ready: %s", quote(waiting))
        return HttpReply(waiting.encode(), 503)

    def _waiting(self) -> list[str]:
        """Return the names of the plugins that are not ready, sorted.

        One plugin in several blocks counts once, in the last (CoreDNS).
        """
        asked = {
            name: site
            for site in self.site.instance.sites
            if site.block.named("ready")
            for name in site.checks
        }
        waiting = []
        for name, site in sorted(asked.items()):
            if not site.checks[name]():
                waiting.append(name)
            elif not self.continuously:
                site.checks[name] = _once_ready
        return waiting


def _once_ready() -> bool:
    """Stand for a plugin that was ready once; it is not asked again (CoreDNS)."""
    return True
