"""The Corefiles that histories are played on: real ones, and some of their own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import dns.name

from minidns import plugins
from minidns.corefile import blocks as corefile
from minidns.corefile.blocks import Corefile, Directive, Files, ServerBlock
from tests import corefiles
from tests.history import cluster
from tests.world import FilesInMemory

_NOT_ANSWERING = frozenset(
    ["bind", "debug", "health", "log", "multisocket", "pprof", "ready", "reload", "timeouts", "tls", "trace"]
)
"""Directives that need ports, files or addresses of the machine that a test lacks, and
*whoami*, whose answer is the port of the client."""
_LARGE = "many.example.org"
_OUTSIDE = (
    "www.example.org",
    "alias.example.org",
    "alias.longer-name.example.org",
    "nodata.example.org",
    "nodata.longer-name.example.org",
    "no.example.org",
    "nowhere.longer-name.example.org",
    "ede.example.org",
)
_KUBEADM = r"""
.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    %s
    loop
    loadbalance
}
"""
_CLUSTER_NOT_CACHED = """cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }"""
_OWN = {
    "own-kubeadm": _KUBEADM % _CLUSTER_NOT_CACHED,
    "own-kubeadm-cached": _KUBEADM % "cache 30",
    "own-no-cache": _KUBEADM % "",
    "own-prefetch-stale": _KUBEADM % "cache 30 {\n        prefetch 1 60s 90%\n        serve_stale 1h immediate\n    }",
    "own-dns64": _KUBEADM % "cache 30\n    dns64",
    "own-bufsize-nsid": _KUBEADM % "cache 30\n    bufsize 1232\n    nsid abc",
    "own-rewrite": _KUBEADM
    % """cache 30
    rewrite name exact www.rewritten.org www.example.org
    rewrite edns0 subnet set 24 56""",
    "own-template": _KUBEADM
    % """cache 30
    template IN TXT templated.org {
        answer "{{ .Name }} 60 IN TXT {{ .Name }}"
    }
    template IN A templated.org {
        answer "{{ .Name }} 60 IN CNAME {{ .Question.Name }}x.org."
    }""",
    "own-acl": _KUBEADM
    % """cache 30
    acl example.org {
        block type A net 127.0.0.2/32
        filter net ::1/128
    }
    acl cluster.local {
        block net 127.0.0.2/32
    }""",
    "own-hosts": _KUBEADM
    % """cache 30
    hosts {
        192.0.2.7 www.hosts.org
        192.0.2.8 www.hosts.org
        fallthrough
    }""",
    "own-autopath": _KUBEADM.replace("pods insecure", "pods verified") % "cache 30\n    autopath @kubernetes",
}


@dataclass(frozen=True)
class Played:
    """A Corefile of which every block that can answers on loopback."""

    name: str
    text: str
    files: Files

    def parsed(self, upstream_port: int) -> Corefile:
        """Return the Corefile, forwarding to ``upstream_port`` on loopback.

        Raises:
            ConfigError: it cannot be read.

        """
        found = corefile.parse(
            self.text, files=self.files, environ=corefiles.ENVIRON, known=None, directory=corefiles.MOUNT
        )
        blocks = (_playable(each, upstream_port) for each in found.blocks)
        return replace(found, blocks=tuple(each for each in blocks if each.keys))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names to ask for: of the cluster, of outside, and those in the text."""
        written = re.findall(r"(?<![\w/.-])(?:[a-z0-9_-]+\.)+[a-z]{2,}", self.text)
        local = next((each for each in written if "cluster" in each), "cluster.local")
        inside = [each.format(zone=local) for each in cluster.NAMES]
        below = [f"{label}.{each}" for each in written for label in ("www", "no")]
        own = dict.fromkeys((*written, *below))
        large = cluster.LARGE.format(zone=local)
        return (_LARGE, large, *_OUTSIDE, *inside, *cluster.REVERSE, *own)

    def caches(self, name: bytes) -> bool:
        """Return whether what is said of ``name`` may be as old as *cache* keeps it."""
        if not re.search(r"^\s*cache\b", self.text, re.MULTILINE):
            return False
        zones = re.findall(r"disable denial (\S+)", self.text)
        shown = dns.name.from_wire(name, 0)[0]
        return not any(shown.is_subdomain(dns.name.from_text(zone)) for zone in zones)


def _playable(block: ServerBlock, upstream_port: int) -> ServerBlock:
    known = plugins.names()
    return replace(
        block,
        keys=tuple(key for key in block.keys if key.transport == "dns"),
        directives=tuple(
            _with_upstream(each, upstream_port)
            for each in block.directives
            if each.name in known and each.name not in _NOT_ANSWERING
        ),
    )


def _with_upstream(directive: Directive, port: int) -> Directive:
    if directive.name != "forward" or not directive.args:
        return directive
    lines = tuple(line for line in directive.block if not line.name.startswith("tls"))
    args = (directive.args[0], f"127.0.0.1:{port}")
    return replace(directive, args=args, block=lines)


def all_of_them() -> Iterator[Played]:
    """Yield every Corefile, playable or not."""
    for name, text in _OWN.items():
        yield Played(name, text, FilesInMemory())
    for case in corefiles.cases("real"):
        yield Played(case.name, case.text, case.files)
