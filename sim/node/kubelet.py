"""What the kubelet writes into a pod's /etc/resolv.conf.

Pure: a Pod and the node's settings in, text out. Options keep the order they are met
in, where the kubelet's come out of a map in no fixed order (kubelet network/dns).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..api.objects import Json

MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARS = 2048
"""Characters of the whole search list, its blanks counted."""
MAX_SEARCH_CHARS_EACH = 253
"""A longer domain is left out: some glibc abort on it."""
CLUSTER_OPTIONS = ("ndots:5",)


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """Content of a resolv.conf, not yet text."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Each ``name`` or ``name:value``."""

    def text(self) -> str:
        """Return the file, its lines in containerd's order; empty when all is empty."""
        search = [f"search {' '.join(self.searches)}"] if self.searches else []
        servers = [f"nameserver {server}" for server in self.nameservers]
        options = [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(line + "\n" for line in (*search, *servers, *options))


@dataclass(frozen=True, slots=True)
class Node:
    """A node's settings: the kubelet's flags, and the file one of them names."""

    cluster_dns: tuple[str, ...] = ("10.96.0.10",)
    """--cluster-dns"""
    cluster_domain: str = "cluster.local"
    """--cluster-domain, without a final dot; empty adds no search domains."""
    resolv_conf: str | None = "nameserver 192.0.2.53\n"
    """Text of the file that --resolv-conf names; None when the flag is empty."""
    addresses: tuple[str, ...] = ()
    """The node's own addresses."""


def parse(text: str) -> ResolvConf:
    """Read a node's resolv.conf as the kubelet does.

    The last ``search`` line counts, options add up over lines and the last of a name
    counts; ``domain`` and anything unknown is passed over.

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
                kept = (d.removesuffix(".") for d in domains if d != ".")
                conf = replace(conf, searches=tuple(kept))
            case ["options", *words]:
                conf = replace(conf, options=_merged(conf.options, words))
    return conf


def _merged(options: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Return ``options`` with ``more``, where the last of a name wins."""
    return tuple({word.partition(":")[0]: word for word in (*options, *more)}.values())


def resolv_conf(pod: Json, node: Node) -> str:
    """Return the /etc/resolv.conf of the containers of ``pod`` on ``node``.

    Raises:
        ValueError: the node's own file cannot be read; the pod would not start.

    """
    conf = _by_policy(pod, node)
    if config := pod["spec"].get("dnsConfig"):
        conf = _with_config(conf, config)
    # an empty one makes the container runtime put the node's file in its place
    return _fitted(conf).text() or node.resolv_conf or ""


def _by_policy(pod: Json, node: Node) -> ResolvConf:
    host = parse(node.resolv_conf or "")
    match _effective_policy(pod["spec"]):
        case "None":
            return ResolvConf()
        case "ClusterFirst" if node.cluster_dns:
            searches = _cluster_searches(pod["metadata"]["namespace"], node, host)
            return ResolvConf(node.cluster_dns, searches, CLUSTER_OPTIONS)
    # Default, and also what is left to ClusterFirst without a --cluster-dns
    return host if node.resolv_conf is not None else _local(node)


def _effective_policy(spec: Mapping[str, object]) -> str:
    """Return the policy, with what the use of the node's network makes of it.

    A policy that the API server should not have let in counts as ClusterFirst.
    """
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy in ("None", "Default"):
        return str(policy)
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        return "Default"
    return "ClusterFirst"


def _cluster_searches(namespace: str, node: Node, host: ResolvConf) -> tuple[str, ...]:
    domain = node.cluster_domain
    if not domain:
        return host.searches
    cluster = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
    return tuple(dict.fromkeys(cluster + host.searches))


def _local(node: Node) -> ResolvConf:
    """Return what stands for ``--resolv-conf=""``: a resolver on the node, if any."""
    servers = ("::1" if ":" in address else "127.0.0.1" for address in node.addresses)
    return ResolvConf(tuple(servers) or ("127.0.0.1",), (".",))


def _with_config(conf: ResolvConf, config: Json) -> ResolvConf:
    """Return ``conf`` with a pod's dnsConfig: lists are added to, options override."""
    options = (_option(option) for option in config.get("options") or ())
    return ResolvConf(
        _distinct(conf.nameservers, config.get("nameservers")),
        _distinct(conf.searches, config.get("searches")),
        _merged(conf.options, options),
    )


def _option(option: Json) -> str:
    value = option.get("value")
    return f"{option['name']}:{value}" if value else str(option["name"])


def _distinct(first: Iterable[str], second: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *(second or ()))))


def _fitted(conf: ResolvConf) -> ResolvConf:
    """Return ``conf`` with what exceeds the limits left out, from the end."""
    searches = conf.searches[:MAX_SEARCHES]
    searches = tuple(d for d in searches if len(d) <= MAX_SEARCH_CHARS_EACH)
    while len(" ".join(searches)) > MAX_SEARCH_CHARS:
        searches = searches[:-1]
    return replace(
        conf, nameservers=conf.nameservers[:MAX_NAMESERVERS], searches=searches
    )
