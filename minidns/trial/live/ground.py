"""What a trial must know of a cluster before it creates anything."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minidns.kubernetes.documents import Json, Refused
from minidns.probe import servers
from minidns.probe.servers import NoServer
from minidns.second_dns import running
from minidns.second_dns.objects import (
    CONFIG_MAP,
    NAMESPACE,
    NODE,
    SERVICE,
    Kind,
    ref_of,
    value_at,
)
from minidns.second_dns.running import Server
from minidns.second_dns.session import Refusal, Session, explain
from minidns.trial.live import rights
from minidns.trial.live.rights import Right

UNKNOWN = ""
"""Name of a Service of which only the ClusterIP is known."""
_EQUAL = "a trial compares ways that differ in nothing else"


@dataclass(frozen=True, slots=True)
class Ground:
    """The DNS of the cluster, as far as the user may see it."""

    service: Json
    pods: Mapping[str, str]
    """CoreDNS's ready pods: name by address; empty if they may not be listed."""
    may_relay: bool
    """Whether queries may be relayed to these pods."""
    server: Server | None
    """What runs there; None if nothing may be created beside it."""
    config: Mapping[str, str]
    """The data of its ConfigMap."""
    remarks: tuple[str, ...]
    """What the trial cannot find out for lack of rights, and what else to know."""


async def read(
    session: Session, dns: str, wanted: str, clients: str, nodes: Sequence[str] = ()
) -> Ground:
    """Return the ground of a trial with clients in the namespace ``clients``.

    ``dns`` is the namespace of the cluster's DNS, ``wanted`` its Service or ClusterIP,
    or empty. ``nodes`` are those of the clients; empty for any.

    Raises:
        Refusal: there is no CoreDNS, or too little may be done or compared.

    """
    await _check_exists(session, NAMESPACE, "--namespace", clients)
    for node in nodes:
        await _check_exists(session, NODE, "--node", node)
    await _check_rights(session, rights.of_clients(clients))
    service = await _service(session, dns, wanted)
    _check_service(service)
    remarks: list[str] = []
    pods = await _pods(session, service, remarks)
    server = await _server(session, service, remarks) if pods else None
    may_relay = server is not None or await _may_relay(session, clients, pods, remarks)
    config: Mapping[str, str] = {}
    if server is not None:
        name = server.mount.config_map
        config = (await session.api.get(CONFIG_MAP.path(dns, name))).get("data") or {}
    if len(pods) == 1:
        remarks.append(
            "CoreDNS has one ready pod: a bad replica cannot be told from bad software"
        )
    return Ground(service, pods, may_relay, server, config, tuple(remarks))


async def _check_exists(session: Session, kind: Kind, flag: str, name: str) -> None:
    """Refuse an object that does not exist, if the user may read its kind.

    The kind is one without namespaces; ``flag`` is the option that names the object.
    """
    try:
        found = await session.api.find(kind.path("", name))
    except Refused:
        return
    if found is None:
        raise Refusal(
            f"{flag} {name}: the cluster has no such {kind.name.lower()}; kubectl get "
            f"{kind.plural} lists those that there are"
        )


async def _check_rights(session: Session, needed: tuple[Right, ...]) -> None:
    if lacking := await rights.missing(session.api, needed):
        raise Refusal(f"not allowed: {_words(lacking)}; without clients is no trial")


def _words(lacking: Sequence[Right]) -> str:
    return ", ".join(map(str, lacking))


async def _service(session: Session, dns: str, wanted: str) -> Json:
    """Return the Service of the DNS; if it may not be read, its ClusterIP alone."""
    try:
        return await running.find_service(session.api, dns, wanted)
    except Refused as refused:
        if refused.status != 403:
            raise
        try:
            address = str(ipaddress.ip_address(wanted))
        except ValueError:
            raise Refusal(
                f"{explain(refused)}; or give the ClusterIP of the DNS with --from, "
                "which is the nameserver in a pod's /etc/resolv.conf"
            ) from refused
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "metadata": {"namespace": dns, "name": UNKNOWN},
        "spec": {"clusterIP": address},
    }


def _check_service(service: Json) -> None:
    """Accept a Service whose fields another one can have as well."""
    spec = service["spec"]
    if spec.get("internalTrafficPolicy") == "Local":
        raise Refusal(
            f"{ref_of(service)} has internalTrafficPolicy Local, so each node has a "
            f"path of its own: {_EQUAL}"
        )


async def _pods(
    session: Session, service: Json, remarks: list[str]
) -> Mapping[str, str]:
    """Return CoreDNS's ready pods; none if the user may not list them."""
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    if name == UNKNOWN:
        remarks.append("no arms D and R: the Service of the DNS may not be read")
        return {}
    if lacking := await rights.missing(session.api, rights.of_replicas(namespace)):
        remarks.append(f"no arms D and R: not allowed: {_words(lacking)}")
        return {}
    try:
        found = await servers.from_cluster(session.api, f"pods/{name}", namespace)
    except NoServer as error:
        raise Refusal(f"CoreDNS does not run: {error}") from error
    return {pod.address[0]: pod.label for pod in found}


async def _may_relay(
    session: Session, clients: str, pods: Mapping[str, str], remarks: list[str]
) -> bool:
    """Return whether the relays can be in the namespace of the clients."""
    if lacking := await rights.missing(session.api, rights.of_relays(clients)):
        remarks.append(f"no arm R: not allowed: {_words(lacking)}")
    return bool(pods) and not lacking


async def _server(session: Session, service: Json, remarks: list[str]) -> Server | None:
    """Return what runs, if servers may be created beside it."""
    namespace = service["metadata"]["namespace"]
    if lacking := await rights.missing(session.api, rights.of_servers(namespace)):
        remarks.append(f"no minidns beside CoreDNS: not allowed: {_words(lacking)}")
        return None
    server = await running.read_server(session.api, service)
    if value_at(server.spec, ("hostNetwork",)):
        remarks.append(
            "CoreDNS uses the nodes' network and minidns does not: their paths differ"
        )
    return server
