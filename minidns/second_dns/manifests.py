"""The second DNS as objects of the API, made after the first. Pure.

What belongs to the cluster is the first's (tolerations, Corefile, ServiceAccount), what
belongs to the program is ours (image, command, security), and what tells the two apart
is new: the name, which is the label too.
"""

from collections.abc import Iterator
from typing import NamedTuple

from minidns import __version__
from minidns.kubernetes.documents import Json
from minidns.second_dns import pod, running
from minidns.second_dns.kinds import BUDGET, DEPLOYMENT, SERVICE, Kind
from minidns.second_dns.needs import Needs
from minidns.second_dns.running import LABEL, Server

IMAGE = f"localhost/minidns:{__version__}"
"""localhost/: an image that was brought to the nodes, never one of a stranger's."""
ORIGIN = "minidns/clone-of"
"""Annotation of what is made here: the Service it was made after."""


class Wishes(NamedTuple):
    """What somebody wants of the second DNS."""

    name: str
    address: str
    """ClusterIP."""
    image: str
    replicas: int


def objects(server: Server, needs: Needs, wishes: Wishes) -> list[Json]:
    """Return Service, Deployment and PodDisruptionBudget, in the order to create."""
    return [
        _object(SERVICE, server, wishes.name, _service(server, needs, wishes)),
        _object(DEPLOYMENT, server, wishes.name, _deployment(server, needs, wishes)),
        _object(BUDGET, server, wishes.name, _budget(wishes)),
    ]


def labels(name: str) -> dict[str, str]:
    """Return the labels of the second DNS and of its pods; never kube-dns's."""
    return {
        LABEL: name,
        "app.kubernetes.io/name": "minidns",
        "app.kubernetes.io/component": "dns",
    }


def selector(name: str) -> dict[str, str]:
    """Return what its Service and Deployment find its pods by."""
    return {LABEL: name}


def _object(kind: Kind, server: Server, name: str, spec: Json) -> Json:
    meta = server.service["metadata"]
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": labels(name),
            "annotations": {ORIGIN: f"{meta['namespace']}/{meta['name']}"}
            | (_scraped(spec) if kind is SERVICE else {}),
        },
        "spec": spec,
    }


def _scraped(service_spec: Json) -> dict[str, str]:
    """Return the annotations by which Prometheus finds the metrics, if it can."""
    for port in service_spec["ports"]:
        if port["targetPort"] == pod.METRICS:
            return {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(port["port"]),
            }
    return {}


def _service(server: Server, needs: Needs, wishes: Wishes) -> Json:
    spec = server.service["spec"]
    made: Json = {
        "type": "ClusterIP",
        "clusterIP": wishes.address,
        "selector": selector(wishes.name),
        "ports": list(_service_ports(server, needs)),
    }
    if spec.get("ipFamilyPolicy", "SingleStack") != "SingleStack":
        made["ipFamilyPolicy"] = spec["ipFamilyPolicy"]
        made["ipFamilies"] = spec["ipFamilies"]
    return made


def _service_ports(server: Server, needs: Needs) -> Iterator[Json]:
    """Yield the ports of the first Service that our pods serve too."""
    for port in server.service["spec"]["ports"]:
        if name := port_name(server, needs, port):
            kept = {
                k: v for k, v in port.items() if k not in ("nodePort", "targetPort")
            }
            yield {**kept, "targetPort": name}


def port_name(server: Server, needs: Needs, port: Json) -> str:
    """Return what our pods call the target of a port of kube-dns; empty: nothing."""
    number, protocol = running.target(server, port), port.get("protocol", "TCP")
    if number == dns_port(server, needs):
        return pod.DNS if protocol == "UDP" else pod.DNS_TCP
    metrics = pod.reachable(needs.metrics)
    return pod.METRICS if metrics and number == metrics else ""


def dns_port(server: Server, needs: Needs) -> int:
    """Return the port at which pods are asked: the one kube-dns's Service targets."""
    for port in server.service["spec"]["ports"]:
        if running.is_query_port(port):
            number = running.target(server, port)
            if number in needs.dns:
                return number
    return needs.dns[0]


def _deployment(server: Server, needs: Needs, wishes: Wishes) -> Json:
    return {
        "replicas": wishes.replicas,
        # a new pod first: there are never fewer to ask than there should be
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "selector": {"matchLabels": selector(wishes.name)},
        "template": {
            "metadata": {"labels": labels(wishes.name)},
            "spec": pod.spec(
                server,
                needs,
                image=wishes.image,
                port=dns_port(server, needs),
                own=selector(wishes.name),
            ),
        },
    }


def _budget(wishes: Wishes) -> Json:
    return {
        "maxUnavailable": 1,
        # a pod that is broken anyway does not keep a node from being drained
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector(wishes.name)},
    }
