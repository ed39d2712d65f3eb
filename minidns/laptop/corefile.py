"""minidns on a laptop: kind's Corefile, fitted to a machine that is not a Pod."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from minidns.corefile.blocks import ConfigError
from minidns.dns import names
from minidns.dns import resolv_conf as resolvconf
from minidns.dns.resolv_conf import BEFORE_US, BEHIND_STUB, RESOLV_CONF, STUB
from minidns.kubernetes import credentials
from minidns.kubernetes.resources import Access
from minidns.server.process import Server
from minidns.system import files
from minidns.text import foreign
from minidns.text.arguments import CHOOSE_CLUSTER

_COREFILE = """\
.:{port} {{
    bind {host}
    errors{aliases}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig "{kubeconfig}"{context}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
{forward}    cache 30 {{
        disable success {fresh}
        disable denial {fresh}
    }}
    loadbalance
}}
"""
"""kind's and kubeadm's, less health, ready, prometheus and reload: nothing probes or
scrapes a laptop, there is no file to watch, and other programs may use their ports."""


_FORWARD = """\
    forward . "{resolv_conf}" {{
        max_concurrent 1000
    }}
    loop
"""
_ALIAS = """
    rewrite stop {{
        name regex ^(.*\\.)?{alias}$ {{1}}cluster.local.
        answer name ^(.*\\.)?cluster\\.local\\.$ {{1}}{zone}
        answer value ^(.*\\.)?cluster\\.local\\.$ {{1}}{zone}
    }}"""
"""Matches whole labels, and maps all of an answer back: the SOA of a negative answer
must be at or above the name, or resolvers do not cache it (RFC 2308 5)."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def corefile(
    kubeconfig: str,
    context: str,
    host: str,
    port: int,
    aliases: Sequence[str] = (),
    resolv_conf: str = RESOLV_CONF,
) -> str:
    """Return the Corefile that serves a kubeconfig's cluster at ``host:port``.

    ``aliases`` are zones with the same names as cluster.local. Without ``resolv_conf``
    other names get SERVFAIL.
    """
    named = f' "{context}"' if context else ""
    return _COREFILE.format(
        host=host,
        port=port,
        kubeconfig=kubeconfig,
        context=named,
        aliases="".join(map(_alias_lines, aliases)),
        # an alias is cached as little as the zone it stands for
        fresh=" ".join(("cluster.local", *aliases)),
        forward=_FORWARD.format(resolv_conf=resolv_conf) if resolv_conf else "",
    )


def _alias_lines(zone: str) -> str:
    return _ALIAS.format(alias=zone.replace(".", "\\."), zone=zone)


def alias(text: str) -> str:
    """Return ``text`` as a zone that may stand for cluster.local.

    Raises:
        ConfigError: it is not a name, or one that cannot work.

    """
    zone = names.absolute(text)
    labels = names.labels(zone)
    if not labels or not all(map(_LABEL.fullmatch, labels)) or len(zone) > 190:
        raise ConfigError(
            f"--alias {text!r}: not the name of a zone, such as k8s.internal"
        )
    if zone.endswith(".local.") or zone == "local.":
        raise ConfigError(
            f"--alias {text}: an alias is to get away from .local, which belongs to"
            " mDNS; k8s.internal would do"
        )
    if names.is_below(zone, "arpa."):
        raise ConfigError(
            f"--alias {text}: reverse zones cannot be an alias of cluster.local"
        )
    return zone


def resolv_conf(root: Path = Path("/")) -> str:
    """Return the file with the servers to forward to; empty if no server is named.

    With systemd-resolved it is the file of the servers behind it, as for a kubelet:
    systemd-resolved itself may forward to minidns, which would be a loop. A machine
    without a network has no such file.
    """
    if _servers(root, BEFORE_US):
        return BEFORE_US
    servers = _servers(root, RESOLV_CONF)
    if servers == (STUB,) and (root / BEHIND_STUB[1:]).exists():
        return BEHIND_STUB if _servers(root, BEHIND_STUB) else ""
    return RESOLV_CONF if servers else ""


def _servers(root: Path, path: str) -> tuple[str, ...]:
    try:
        text = files.read(str(root / path[1:])).decode("utf-8", "replace")
    except OSError:
        return ()
    return resolvconf.nameservers(text)


def cluster(kubeconfig: str, context: str) -> str:
    """Return the cluster's name for people: its context and the server's URL.

    Raises:
        ConfigError: the file cannot be read or parsed, or has no such context.

    """
    access = Access(kubeconfig=kubeconfig, context=context)
    try:
        found = credentials.find(access, os.environ, credentials.ACCOUNT)
    except ConfigError as error:
        raise error.hinting(CHOOSE_CLUSTER) from error
    return f"{found.context} at {foreign.line(found.server)}"


class Welcome:
    """Prints what is served and what to try, once the server runs."""

    def __init__(
        self,
        name: str,
        host: str,
        aliases: Sequence[str] = (),
        resolv_conf: str = RESOLV_CONF,
    ) -> None:
        self._name = name
        self._resolv_conf = resolv_conf
        self._host = host
        self._aliases = aliases
        self._began = time.monotonic()

    def __call__(self, server: Server) -> None:
        """Print the lines for ``server``."""
        for line in self._lines(server):
            print(line, flush=True)

    def _lines(self, server: Server) -> Iterator[str]:
        (listening,) = server.serving.sockets.values()
        instance = server.serving.instance
        checks = instance.sites[0].readiness if instance else {}
        yield f"listening on {self._host}:{listening.port}, UDP and TCP"
        yield f"cluster {self._name}"
        if all(check.is_ready() for check in checks.values()):
            yield f"in sync after {time.monotonic() - self._began:.1f} s"
        else:
            yield "not in sync yet: cluster names give SERVFAIL until then; see the log"
        for zone in self._aliases:
            yield f"{zone.rstrip('.')} stands for cluster.local"
        if not self._resolv_conf:
            yield "other names get SERVFAIL: this machine's resolv.conf names no server"
        for query in self._to_try():
            yield f"try: dig @{self._host} -p {listening.port} {query}"
        yield "stop with Ctrl-C"

    def _to_try(self) -> Iterator[str]:
        zone = next(iter(self._aliases), "cluster.local.").rstrip(".")
        yield f"kubernetes.default.svc.{zone}"
        yield f"kube-dns.kube-system.svc.{zone} SRV"
        if self._resolv_conf:
            yield "example.org"
