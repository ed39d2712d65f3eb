"""The DNS servers that a person names: addresses, a Service, or the pods behind one.

* ``10.96.0.10``, ``[fd00::a]:5353``: an address, with port 53 unless there is another;
* ``svc/kube-dns``: the cluster IP of a Service;
* ``pods/kube-dns``: each pod behind a Service, by its own address, without the Service.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from minidns.dns.model import Address
from minidns.kubernetes.documents import Documents
from minidns.text import foreign

DNS_PORT = 53
_SERVICES = ("svc/", "service/", "services/")
_PODS = ("pods/", "pod/", "po/")
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
_SERVICE_LABEL = "kubernetes.io/service-name"


class Target(NamedTuple):
    """A server to look names up at."""

    label: str
    """The server as people know it, such as the name of a pod."""
    address: Address


class NoServer(ValueError):
    """What was named is no server, or does not exist; ``str()`` says why."""


def needs_cluster(text: str) -> bool:
    """Return whether the API server must be asked what ``text`` stands for."""
    return text.startswith(_SERVICES + _PODS)


def check(text: str) -> None:
    """Check that ``text`` names a server, which may not exist.

    Raises:
        NoServer: it names none.

    """
    if not needs_cluster(text):
        from_address(text)


def from_address(text: str) -> Target:
    """Return the server at an address.

    Raises:
        NoServer: the text is not an address, with or without a port.

    """
    host, port = text, str(DNS_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise NoServer(
            f"{text}: not a server: it is an address, such as 10.96.0.10 or"
            " 127.0.0.1:5354, or svc/NAME or pods/NAME of a cluster"
        ) from error
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        raise NoServer(f"{text}: {port} is not a port (1 to 65535)")
    return Target(text, (host, int(port)))


async def from_cluster(api: Documents, text: str, namespace: str) -> list[Target]:
    """Return the servers that ``svc/NAME`` or ``pods/NAME`` stands for.

    Raises:
        NoServer: there is no such Service, or nothing is behind it.
        ApiError: the API server refuses to tell.

    """
    name = text.partition("/")[2]
    path = f"/api/v1/namespaces/{namespace}/services/{name}"
    service = await api.find(path)
    if service is None:
        raise NoServer(
            f"{text}: there is no Service {namespace}/{name}; "
            f"kubectl get services -n {namespace} lists those that there are"
        )
    if text.startswith(_SERVICES):
        return [_cluster_ip(service, text)]
    slices = await api.read_objects(
        _SLICES.format(namespace),
        lambda found: list(_pods(found)),
        labels=f"{_SERVICE_LABEL}={name}",
    )
    pods = sorted({pod for some in slices for pod in some})
    if not pods:
        raise NoServer(f"{text}: no ready pod is behind Service {namespace}/{name}")
    return pods


def _cluster_ip(service: Mapping[str, Any], text: str) -> Target:
    spec = service["spec"]
    address = spec.get("clusterIP", "")
    if address in ("", "None"):
        raise NoServer(f"{text}: the Service has no cluster IP; pods/NAME has the pods")
    return Target(text, (address, _port(spec.get("ports", ()))))


def _port(ports: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of the port for DNS over UDP: by its name, else any of UDP."""
    udp = [port for port in ports if port.get("protocol") == "UDP"]
    named = [port for port in udp if port.get("name") in ("dns", "dns-udp")]
    return next((int(port["port"]) for port in (*named, *udp)), DNS_PORT)


def _pods(slice_: Mapping[str, Any]) -> Iterable[Target]:
    port = _port(slice_.get("ports") or ())
    for endpoint in slice_.get("endpoints") or ():
        # ready defaults to true (discovery.k8s.io/v1 EndpointConditions)
        if (endpoint.get("conditions") or {}).get("ready") is False:
            continue
        pod = (endpoint.get("targetRef") or {}).get("name", "")
        for address in endpoint["addresses"]:
            yield Target(foreign.escaped(pod) or address, (address, port))
