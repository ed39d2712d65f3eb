"""The /etc/resolv.conf and /etc/hosts that the kubelet writes for a pod.

Options keep their order; the kubelet writes them in random order, from a map (kubelet
pkg/kubelet/network/dns).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARS = 2048
"""Characters of the whole search list with its spaces."""
MAX_SEARCH_CHARS_EACH = 253
"""Characters of a search domain: longer ones are omitted, some glibc abort on them."""
MAX_HOSTNAME = 63
"""Characters of a container's host name."""
_HOSTS = (
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)
CLUSTER_OPTIONS = ("ndots:5",)


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """Content of a resolv.conf."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Options, each ``name`` or ``name:value``."""

    def text(self) -> str:
        """Return the text with the lines in containerd's order."""
        search = [f"search {' '.join(self.searches)}"] if self.searches else []
        servers = [f"nameserver {server}" for server in self.nameservers]
        options = [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(line + "\n" for line in (*search, *servers, *options))


@dataclass(frozen=True, slots=True)
class Node:
    """The settings of a node's kubelet."""

    cluster_dns: tuple[str, ...] = ("10.96.0.10",)
    """--cluster-dns"""
    cluster_domain: str = "cluster.local"
    """--cluster-domain without a final dot; an empty text adds no search domains."""
    resolv_conf: str | None = "nameserver 192.0.2.53\n"
    """Text of the file of --resolv-conf; None if the flag is empty."""
    addresses: tuple[str, ...] = ()
    """The addresses of the node."""


def parse(text: str) -> ResolvConf:
    """Parse a node's resolv.conf as the kubelet does.

    The last ``search`` line counts; options of all lines are merged, the last of a name
    counts; ``domain`` and unknown lines are ignored.

    Raises:
        ValueError: a ``nameserver`` line without an address.

    """
    conf = ResolvConf()
    for line in text.split("\n"):
        if line.strip().startswith("#"):
            continue
        match line.split():
            case ["nameserver", address, *_]:
                conf = replace(conf, nameservers=(*conf.nameservers, address))
            case ["nameserver"]:
                raise ValueError("nameserver list is empty")
            case ["search", *domains]:
                domains_ = (d.removesuffix(".") for d in domains if d != ".")
                conf = replace(conf, searches=tuple(domains_))
            case ["options", *words]:
                conf = replace(conf, options=_merge(conf.options, words))
    return conf


def _merge(options: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Return ``options`` merged with ``more``; the last option of a name counts."""
    return tuple({word.partition(":")[0]: word for word in (*options, *more)}.values())


def resolv_conf(pod: Json, node: Node) -> str:
    """Return the /etc/resolv.conf of the containers of ``pod`` on ``node``.

    Raises:
        ValueError: the node's resolv.conf is invalid; the pod would not start.

    """
    # the container runtime replaces an empty file by the node's
    return configuration(pod, node).text() or node.resolv_conf or ""


def configuration(pod: Json, node: Node) -> ResolvConf:
    """Return the content of that file: what policy and dnsConfig of ``pod`` give.

    Raises:
        ValueError: the node's resolv.conf is invalid.

    """
    conf = _by_policy(pod, node)
    if config := pod["spec"].get("dnsConfig"):
        conf = _with_config(conf, config)
    return _within_limits(conf)


def effective_policy(spec: Mapping[str, object]) -> str:
    """Return the DNS policy after hostNetwork is considered.

    An invalid policy counts as ClusterFirst.
    """
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy in ("None", "Default"):
        return str(policy)
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        return "Default"
    return "ClusterFirst"


def hostname(pod: Json) -> str:
    """Return the host name of the containers of ``pod``, at most 63 characters."""
    spec = pod["spec"]
    names = spec.get("hostnameOverride"), spec.get("hostname"), pod["metadata"]["name"]
    return str(next(filter(None, names)))[:MAX_HOSTNAME].rstrip("-.")


def hosts(pod: Json, node: Node) -> str:
    """Return the /etc/hosts of the containers of ``pod`` on ``node``."""
    spec, own = pod["spec"], hostname(pod)
    if spec.get("subdomain") and not spec.get("hostnameOverride"):
        namespace = pod["metadata"]["namespace"]
        domain = f"{spec['subdomain']}.{namespace}.svc.{node.cluster_domain}"
        own = f"{own}.{domain}\t{own}"
    ips = [entry["ip"] for entry in pod.get("status", {}).get("podIPs") or ()]
    aliases = spec.get("hostAliases") or ()
    more = [f"{a['ip']}\t" + "\t".join(a.get("hostnames") or ()) for a in aliases]
    if more:
        more = ["", "# Entries added by HostAliases.", *more]
    lines = [*_HOSTS, *(f"{ip}\t{own}" for ip in ips), *more]
    return "".join(f"{line}\n" for line in lines)


def _by_policy(pod: Json, node: Node) -> ResolvConf:
    host = parse(node.resolv_conf or "")
    match effective_policy(pod["spec"]):
        case "None":
            return ResolvConf()
        case "ClusterFirst" if node.cluster_dns:
            searches = _cluster_searches(pod["metadata"]["namespace"], node, host)
            return ResolvConf(node.cluster_dns, searches, CLUSTER_OPTIONS)
    # Default, or ClusterFirst without a --cluster-dns
    return host if node.resolv_conf is not None else _local_resolver(node)


def _cluster_searches(namespace: str, node: Node, host: ResolvConf) -> tuple[str, ...]:
    domain = node.cluster_domain
    if not domain:
        return host.searches
    cluster = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
    return tuple(dict.fromkeys(cluster + host.searches))


def _local_resolver(node: Node) -> ResolvConf:
    """Return the configuration for ``--resolv-conf=""``: a resolver on the node."""
    servers = ("::1" if ":" in address else "127.0.0.1" for address in node.addresses)
    return ResolvConf(tuple(servers) or ("127.0.0.1",), (".",))


def _with_config(conf: ResolvConf, config: Json) -> ResolvConf:
    """Return ``conf`` with a dnsConfig: lists are extended, options overridden."""
    options = (_option(option) for option in config.get("options") or ())
    return ResolvConf(
        _distinct(conf.nameservers, config.get("nameservers")),
        _distinct(conf.searches, config.get("searches")),
        _merge(conf.options, options),
    )


def _option(option: Json) -> str:
    value = option.get("value")
    return f"{option['name']}:{value}" if value else str(option["name"])


def _distinct(first: Iterable[str], second: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *(second or ()))))


def _within_limits(conf: ResolvConf) -> ResolvConf:
    """Return ``conf`` without the last entries that exceed the limits."""
    searches = conf.searches[:MAX_SEARCHES]
    searches = tuple(d for d in searches if len(d) <= MAX_SEARCH_CHARS_EACH)
    while len(" ".join(searches)) > MAX_SEARCH_CHARS:
        searches = searches[:-1]
    return replace(
        conf, nameservers=conf.nameservers[:MAX_NAMESERVERS], searches=searches
    )
