"""Corefiles of real clusters and broken ones, each with what lies beside it.

``real/NAME.Corefile`` and ``broken/NAME.Corefile`` are meant to stand at
``/etc/coredns/Corefile``; a folder ``NAME`` beside one holds the rest of /etc/coredns.
``real/NAME.blocks`` has its server blocks, a line each: keys, a bar, directives.
``broken/NAME.error`` is the one line that CoreDNS prints for it; it begins with
``plugin/`` when the grammar is content and a plugin refuses.
"""

from dataclasses import dataclass
from pathlib import Path

from minidns.corefile import imports

MOUNT = "/etc/coredns"
HERE = Path(__file__).parent

ENVIRON = {
    "POD_IP": "192.0.2.7",
    "MY_HOST_IP": "192.0.2.8",
    "DNS_PORT": "5353",
    "STUB_ZONE": "stub.example.org",
    "CACHE_TTL": "60",
    "DENIAL_TTL": "10",
    "UPSTREAM_A": "192.0.2.53",
    "UPSTREAM_B": "tls://192.0.2.54",
}
"""The environment variables that the real Corefiles use."""

DIRECTIVES = (
    *("root", "metadata", "geoip", "cancel", "proxyproto", "quic", "grpc_server"),
    *("https", "https3", "timeouts", "multisocket", "reload", "nsid", "bufsize"),
    *("bind", "debug", "trace", "ready", "health", "pprof", "prometheus", "errors"),
    *("log", "dnstap", "local", "dns64", "any", "chaos", "loadbalance", "tsig"),
    *("cache", "rewrite", "acl", "header", "dnssec", "tls", "autopath", "minimal"),
    *("template", "transfer", "hosts", "route53", "azure", "clouddns"),
    *("k8s_external", "kubernetes", "file", "auto", "secondary", "etcd", "loop"),
    *("forward", "grpc", "erratic", "whoami", "on", "sign", "view", "nomad"),
)
"""The directives there are (CoreDNS 1.14.2, plugin.cfg)."""


@dataclass(frozen=True)
class Folder:
    """The files of a folder, as if they were mounted at /etc/coredns."""

    path: Path

    def read(self, path: str) -> str:
        return self._real(path).read_text(errors="replace")

    def glob(self, pattern: str) -> list[str]:
        return imports.glob(pattern, self._names, lambda path: self._real(path).exists())

    def _names(self, path: str) -> list[str]:
        folder = self._real(path)
        return [each.name for each in folder.iterdir()] if folder.is_dir() else []

    def _real(self, path: str) -> Path:
        return self.path / path.removeprefix(MOUNT).lstrip("/")


@dataclass(frozen=True)
class Case:
    """A Corefile of the collection."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".Corefile")

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode()  # line ends as they are

    @property
    def files(self) -> Folder:
        return Folder(self.path.with_name(self.name))

    @property
    def error(self) -> str:
        return self._beside("error").removesuffix("\n")

    @property
    def blocks(self) -> list[str]:
        return self._beside("blocks").splitlines()

    def _beside(self, kind: str) -> str:
        return self.path.with_name(f"{self.name}.{kind}").read_text()


def cases(kind: str) -> list[Case]:
    """Return the Corefiles of ``kind``: real or broken."""
    return [Case(path) for path in sorted((HERE / kind).glob("*.Corefile"))]
