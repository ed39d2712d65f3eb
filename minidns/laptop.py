"""minidns on a laptop: kind's Corefile, fitted to a machine that is not a Pod."""

import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from minidns.core.corefile import ConfigError
from minidns.server import Server

_COREFILE = """\
.:{port} {{
    bind {host}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig "{kubeconfig}"{context}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    forward . /etc/resolv.conf {{
        max_concurrent 1000
    }}
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    loop
    loadbalance
}}
"""
"""kind's and kubeadm's, less health, ready, prometheus and reload: nobody probes or
scrapes a laptop, there is no file to watch, and their ports may be somebody else's."""


def corefile(kubeconfig: str, context: str, host: str, port: int) -> str:
    """Return the Corefile that serves a kubeconfig's cluster at ``host:port``."""
    named = f' "{context}"' if context else ""
    return _COREFILE.format(host=host, port=port, kubeconfig=kubeconfig, context=named)


def cluster(kubeconfig: str, context: str) -> str:
    """Return what people call the cluster: its context and the server's URL.

    Raises:
        ConfigError: the file cannot be read, or has no such context.

    """
    try:
        tree = yaml.safe_load(Path(kubeconfig).read_text()) or {}
    except OSError as exc:
        raise ConfigError(f"kubeconfig {kubeconfig}: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"kubeconfig {kubeconfig}: not YAML") from exc
    contexts = {each["name"]: each["context"] for each in tree.get("contexts") or ()}
    name = context or tree.get("current-context") or ""
    if name not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise ConfigError(
            f'kubeconfig {kubeconfig}: no context "{name}" (it has: {known})'
        )
    servers = {each["name"]: each["cluster"] for each in tree.get("clusters") or ()}
    server = servers.get(contexts[name].get("cluster"), {}).get("server", "?")
    return f"{name} at {server}"


class Welcome:
    """Prints what runs and what to try, once it runs."""

    def __init__(self, name: str, host: str) -> None:
        self._name = name
        self._host = host
        self._began = time.monotonic()

    def __call__(self, server: Server) -> None:
        """Print it for ``server``."""
        for line in self._lines(server):
            print(line, flush=True)

    def _lines(self, server: Server) -> Iterator[str]:
        (listening,) = server.listening.values()
        checks = server.loaded.sites[0].checks if server.loaded else {}
        yield f"listening on {self._host}:{listening.port}, UDP and TCP"
        yield f"cluster {self._name}"
        if all(check() for check in checks.values()):
            yield f"in sync after {time.monotonic() - self._began:.1f} s"
        else:
            yield "not in sync yet: cluster names give SERVFAIL until then; see the log"
        for query in _TO_TRY:
            yield f"try: dig @{self._host} -p {listening.port} {query}"
        yield "stop with Ctrl-C"


_TO_TRY = (
    "kubernetes.default.svc.cluster.local",
    "kube-dns.kube-system.svc.cluster.local SRV",
    "example.org",
)
