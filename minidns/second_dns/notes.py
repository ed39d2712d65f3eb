"""How a clone differs from the running DNS, and why. Pure."""

from collections.abc import Iterable, Iterator

from minidns.corefile.releases import NEWEST
from minidns.kubernetes.documents import Json
from minidns.second_dns import manifests, running
from minidns.second_dns.manifests import Wishes
from minidns.second_dns.needs import Needs, Port
from minidns.second_dns.running import Server, selects


def differences(server: Server, needs: Needs, wishes: Wishes) -> Iterator[str]:
    """Yield how the clone differs from the first, a line each."""
    if wishes.program == "coredns":
        yield from _network(server)
        return
    image = str(server.container.get("image", ""))
    if server.release is None and not running.is_image_of(image, "minidns"):
        yield (
            f"the image {image} does not say which release of "
            f"CoreDNS it is: the second behaves as {NEWEST} (-as VERSION)"
        )
    yield from _ports(server, needs)
    yield from _probes(needs)
    yield from _files(server, needs)
    yield from _network(server)


def _network(server: Server) -> Iterator[str]:
    if server.workload["kind"] == "DaemonSet":
        yield "kube-dns has a pod on each node; the second has what --replicas says"
    if server.spec.get("hostNetwork"):
        yield (
            "kube-dns uses the nodes' network; the second has addresses of its own, as "
            "both cannot listen at the same ports"
        )
    if server.spec.get("dnsPolicy") not in ("Default", "None"):
        yield (
            "kube-dns's pods have dnsPolicy ClusterFirst; the second's have Default: "
            "they would be their own upstream"
        )


def _ports(server: Server, needs: Needs) -> Iterator[str]:
    for port in server.service["spec"]["ports"]:
        if not manifests.port_name(server, needs, port):
            number_text = f"{port['port']}/{port.get('protocol', 'TCP')}"
            number = running.target_port(server, port)
            yield (
                f"port {number_text} of kube-dns is left out: nothing in the "
                f"Corefile listens at {number} for others than the pod itself"
            )
    others = set(needs.dns) - {manifests.dns_port(server, needs)}
    if others:
        numbers = ", ".join(map(str, sorted(others)))
        yield f"the Corefile serves port {numbers} too, which no Service port leads to"


def _probes(needs: Needs) -> Iterator[str]:
    for name, port, what in (
        (
            "health",
            needs.health,
            "no liveness probe: a hung pod is not restarted",
        ),
        (
            "ready",
            needs.ready,
            "no readiness probe: pods get queries before they are in sync",
        ),
        ("prometheus", needs.metrics, "no metrics can be scraped"),
    ):
        if not manifests.reachable(port):
            yield f"{_why(name, port)}, so {what}"


def _why(name: str, port: Port | None) -> str:
    where = "is for the pod itself only" if port else "is not in the Corefile"
    return f"{name} {where}"


def _files(server: Server, needs: Needs) -> Iterator[str]:
    known = {variable["name"] for variable in server.container.get("env") or ()}
    for name in sorted(needs.variables - known):
        yield f"the Corefile names {name}, which kube-dns's environment has not either"
    if server.mount.is_frozen:
        yield (
            "kube-dns mounts its Corefile by subPath and never sees a change of it; "
            "the second will"
        )


def policy_notes(
    policies: Iterable[Json], server: Server, wishes: Wishes
) -> Iterator[str]:
    """Yield the NetworkPolicies that select the first's pods and not the clone's."""
    first = server.workload["spec"]["template"]["metadata"].get("labels") or {}
    second = manifests.labels(wishes)
    for policy in policies:
        selector = policy["spec"].get("podSelector") or {}
        if selects(selector, first) and not selects(selector, second):
            yield (
                f"NetworkPolicy {policy['metadata']['name']} is about kube-dns's pods "
                "and not about the new ones: give them one of their own if they need it"
            )
