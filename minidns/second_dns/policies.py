"""Whether NetworkPolicies let pods ask a second DNS. Pure, and only as far as they say.

What a cluster's network plugin makes of them beyond that (Cilium's own policies, rules
for names) is not known here.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from minidns.kubernetes.documents import Json
from minidns.second_dns.running import selects

NAMESPACE = "kubernetes.io/metadata.name"
"""Label that every namespace has: its name."""


class Server(NamedTuple):
    """The pods of a DNS, as policies describe peers."""

    namespace: str
    labels: dict[str, str]
    port: int
    """Port at which they listen, over UDP."""
    port_name: str
    addresses: tuple[str, ...] = ()


def blocking(
    policies: Iterable[Json], namespace: str, labels: dict[str, str], server: Server
) -> list[str]:
    """Return the policies of pods' egress, if none of them lets ``server`` be asked.

    The pods are those of ``namespace`` with ``labels``; empty: nothing is in the way.
    """
    limiting = [
        policy
        for policy in policies
        if _limits_egress(policy)
        and selects(policy["spec"].get("podSelector") or {}, labels)
    ]
    for policy in limiting:
        for rule in policy["spec"].get("egress") or ():
            if _lets_port(rule, server) and _lets_peer(rule, namespace, server):
                return []
    return [str(policy["metadata"]["name"]) for policy in limiting]


def _limits_egress(policy: Json) -> bool:
    types = policy["spec"].get("policyTypes")
    return "Egress" in types if types else bool(policy["spec"].get("egress"))


def _lets_port(rule: Json, server: Server) -> bool:
    ports = rule.get("ports") or ()
    return not ports or any(_is_port(each, server) for each in ports)


def _is_port(port: Json, server: Server) -> bool:
    if port.get("protocol", "TCP") != "UDP":
        return False
    first = port.get("port")
    if first is None or first == server.port_name:
        return True
    return isinstance(first, int) and first <= server.port <= port.get("endPort", first)


def _lets_peer(rule: Json, namespace: str, server: Server) -> bool:
    peers = rule.get("to") or ()
    return not peers or any(_peers(peers, namespace, server))


def _peers(peers: Iterable[Json], namespace: str, server: Server) -> Iterator[bool]:
    for peer in peers:
        if block := peer.get("ipBlock"):
            yield _is_within(block, server)
            continue
        spaces = peer.get("namespaceSelector")
        if spaces is None:
            is_there = namespace == server.namespace
        else:
            is_there = selects(spaces, {NAMESPACE: server.namespace})
        yield is_there and selects(peer.get("podSelector") or {}, server.labels)


def _is_within(block: Json, server: Server) -> bool:
    inside = ip_network(block["cidr"])
    outside = [ip_network(each) for each in block.get("except") or ()]
    return any(
        ip_address(each) in inside and not any(ip_address(each) in o for o in outside)
        for each in server.addresses
    )
