"""The second DNS as objects of the API, modelled on the DNS that runs. Pure.

A clone that runs minidns starts from the objects in base/, as deploy/ does, and takes
Corefile, ServiceAccount, tolerations and upstream settings from the running DNS. One
that runs CoreDNS starts from its pod template. Labels and name are new.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from math import ceil
from typing import Any, NamedTuple

import yaml

from minidns import __version__
from minidns.kubernetes.documents import Json
from minidns.second_dns import running
from minidns.second_dns.corefile import Needs, Port, corefile_key
from minidns.second_dns.objects import (
    BUDGET,
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    Kind,
    value_at,
    with_value,
)
from minidns.second_dns.running import DNS_PORT, LABEL, Mount, Server, is_image_of

IMAGE = f"localhost/minidns:{__version__}"
"""localhost/ stands for an image that was loaded into the nodes, never pulled."""
ORIGIN = "minidns/clone-of"
"""Annotation of a clone's objects: the Service it was modelled on."""
DNS, DNS_TCP, METRICS, HEALTH, READY = "dns", "dns-tcp", "metrics", "health", "ready"
"""Names of the container ports in base/."""
PRIVILEGED = 1024
"""The first port that needs no privilege."""
QUERIES_S = 5
"""Seconds that queries in flight are given after the lame duck period."""
GRACE_S = 30
BIND = "NET_BIND_SERVICE"
"""Capability that the file of the program carries in images of CoreDNS; without it in
the container's bounding set, the program cannot even be started."""
_BASE_NAME, _BASE_PROGRAM = "kube-dns-2", "minidns"
"""The name and the program in base/."""
_PLACEMENT = (
    *("hostAliases", "imagePullSecrets", "nodeSelector", "priorityClassName"),
    *("runtimeClassName", "schedulerName", "tolerations"),
)
"""Fields that decide where pods run and what they find there, copied from the first."""
_PATH_FIELDS = {
    "internalTrafficPolicy": "Cluster",
    "sessionAffinity": "None",
    "sessionAffinityConfig": None,
    "trafficDistribution": None,
    "publishNotReadyAddresses": False,
}
"""Fields of a Service that decide which pod gets a query, with their defaults."""
_PATH_ANNOTATIONS = (
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
)
_TIMES = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
_SYSCTL = "net.ipv4.ip_unprivileged_port_start"


class Wishes(NamedTuple):
    """The caller's choices for the second DNS."""

    name: str
    address: str
    """ClusterIP; empty if the API server assigns one."""
    image: str
    replicas: int
    shadows: bool = False  # by the plugin shadow

    @property
    def program(self) -> str:
        """The program that the image runs: coredns or minidns."""
        return "coredns" if is_image_of(self.image, "coredns") else "minidns"


def objects(server: Server, needs: Needs, wishes: Wishes) -> list[Json]:
    """Return Service, Deployment and PodDisruptionBudget, in the order to create."""
    make_pod = _coredns_pod if wishes.program == "coredns" else _minidns_pod
    pod = make_pod(server, needs, wishes)
    deployment = base_object("deployment", wishes)
    for path, value in (
        (("spec", "replicas"), wishes.replicas),
        (("spec", "template", "spec"), pod),
    ):
        deployment = with_value(deployment, path, value)
    service = base_object("service", wishes) | {"spec": _service(server, needs, wishes)}
    budget = base_object("poddisruptionbudget", wishes)
    made = {SERVICE: service, DEPLOYMENT: deployment, BUDGET: budget}
    return [_with_metadata(k, obj, server, wishes) for k, obj in made.items()]


def config_map(server: Server, data: Mapping[str, str], wishes: Wishes) -> Json:
    """Return the ConfigMap with the Corefile of ``server``.

    ``data`` has the other keys of the running DNS's ConfigMap, which stay.
    """
    content = {**data, corefile_key(server): server.corefile}
    obj: Json = {"metadata": {"labels": labels(wishes)}, "data": content}
    return _with_metadata(CONFIG_MAP, obj, server, wishes)


def base_object(name: str, wishes: Wishes) -> Json:
    """Return an object of base/ with the name and the program that are wished."""
    names = {_BASE_NAME: wishes.name, _BASE_PROGRAM: wishes.program}
    return dict(_renamed(_read(f"{name}.yaml"), names))


@cache
def _read(name: str) -> object:
    return yaml.safe_load((files(__package__) / "base" / name).read_text())


def _renamed(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401  # any JSON
    if isinstance(value, dict):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


def labels(wishes: Wishes) -> dict[str, str]:
    """Return the labels of the second DNS and of its pods, never those of kube-dns."""
    own: dict[str, str] = base_object("deployment", wishes)["metadata"]["labels"]
    return own


def _with_metadata(kind: Kind, obj: Json, server: Server, wishes: Wishes) -> Json:
    first = server.service["metadata"]
    annotations = {ORIGIN: f"{first['namespace']}/{first['name']}"}
    if kind is SERVICE:
        annotations |= _service_annotations(obj["spec"], first)
    meta = {
        "name": wishes.name,
        "namespace": first["namespace"],
        "labels": obj["metadata"]["labels"],
        "annotations": annotations,
    }
    head = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta}
    return {**head, **{k: v for k, v in obj.items() if k not in head}}


def _service_annotations(spec: Json, first: Json) -> dict[str, str]:
    """Return the annotations for Prometheus and for topology-aware routing."""
    theirs = first.get("annotations") or {}
    copied = {name: theirs[name] for name in _PATH_ANNOTATIONS if name in theirs}
    for port in spec["ports"]:
        if port["targetPort"] == METRICS or port.get("name") == METRICS:
            scrape = {"prometheus.io/scrape": "true"}
            return copied | scrape | {"prometheus.io/port": str(port["port"])}
    return copied


def _service(server: Server, needs: Needs, wishes: Wishes) -> Json:
    """Return the spec of the Service: like the first's, with another address."""
    first = server.service["spec"]
    ports = [
        {
            **{k: v for k, v in port.items() if k not in ("nodePort", "targetPort")},
            "targetPort": target,
        }
        for port in first["ports"]
        if (target := _service_target(server, needs, wishes, port))
    ]
    spec: Json = {
        "type": "ClusterIP",
        **({"clusterIP": wishes.address} if wishes.address else {}),
        "selector": selector(wishes.name),
        "ports": ports,
    }
    if first.get("ipFamilyPolicy", "SingleStack") != "SingleStack":
        spec["ipFamilyPolicy"] = first["ipFamilyPolicy"]
        spec["ipFamilies"] = first["ipFamilies"]
    return spec | path_fields(first)


def path_fields(first: Json) -> Json:
    """Return the fields of a Service's spec that decide which pod gets a query."""
    return {n: first[n] for n, d in _PATH_FIELDS.items() if first.get(n, d) != d}


def _service_target(
    server: Server, needs: Needs, wishes: Wishes, port: Json
) -> str | int:
    """Return the targetPort for a port of kube-dns; empty if nothing serves it."""
    if wishes.program == "coredns":  # the container ports are the first's own
        target: str | int = port.get("targetPort") or port["port"]
        return target
    return port_name(server, needs, port)


def selector(name: str) -> dict[str, str]:
    """Return the label by which Service and Deployment select the pods."""
    return {LABEL: name}


def port_name(server: Server, needs: Needs, port: Json) -> str:
    """Return the name of our container port for a port of kube-dns; empty if none."""
    number, protocol = running.target_port(server, port), port.get("protocol", "TCP")
    if number == dns_port(server, needs):
        return DNS if protocol == "UDP" else DNS_TCP
    metrics = reachable(needs.metrics)
    return METRICS if metrics and number == metrics else ""


def dns_port(server: Server, needs: Needs) -> int:
    """Return the container port for queries, which kube-dns's Service targets."""
    for port in filter(running.is_query_port, server.service["spec"]["ports"]):
        if (number := running.target_port(server, port)) in needs.dns:
            return number
    return needs.dns[0]


def reachable(port: Port | None) -> int:
    """Return the number of a port that can be reached from outside the pod, or 0."""
    return port.number if port and not port.is_local else 0


def _minidns_pod(server: Server, needs: Needs, wishes: Wishes) -> Json:
    """Return the pod spec of base/, adapted to this cluster and its Corefile."""
    spec: Json = base_object("deployment", wishes)["spec"]["template"]["spec"]
    first, port = server.spec, dns_port(server, needs)
    mounts = list(_mounts(server, needs))
    token = [v for v in spec["volumes"] if "projected" in v]
    spec |= {
        "serviceAccountName": first.get("serviceAccountName", "default"),
        "affinity": _affinity(first, spec),
        "securityContext": _with_sysctl(spec["securityContext"], min(port, *needs.dns)),
        "terminationGracePeriodSeconds": _grace_s(first, needs),
        "volumes": [*_volumes(mounts), *token],
    }
    names = {volume["name"] for volume in token}
    (container,) = spec["containers"]
    own = [m for m in container["volumeMounts"] if m["name"] in names]
    changed = {
        "image": wishes.image,
        "args": list(_arguments(server, wishes)),
        "env": list(_environment(server, needs)),
        "ports": list(_ports(needs, port)),
        "livenessProbe": _probe(server, container, "livenessProbe", needs.health),
        "readinessProbe": _probe(server, container, "readinessProbe", needs.ready),
        "resources": server.container.get("resources") or container["resources"],
        "volumeMounts": [*(mount.mount for mount in mounts), *own],
    }
    spec["containers"] = [{k: v for k, v in (container | changed).items() if v}]
    return _placed(spec, first) | _resolving(first)


def _coredns_pod(server: Server, needs: Needs, wishes: Wishes) -> Json:
    """Return the running DNS's own pod spec with another image.

    Its pods keep apart from each other, not from those of the first.
    """
    base: Json = base_object("deployment", wishes)["spec"]["template"]["spec"]
    first = server.spec
    containers = [
        _with_bind(c) | {"image": wishes.image} if c is server.container else c
        for c in first["containers"]
    ]
    spec = first | {
        "containers": containers,
        "affinity": _affinity(first, base),
        "topologySpreadConstraints": base["topologySpreadConstraints"],
    }
    spec.pop("hostNetwork", None)
    return spec | _resolving(first)


def _with_bind(container: Json) -> Json:
    """Return a container that may run a program which carries NET_BIND_SERVICE."""
    path = ("securityContext", "capabilities", "add")
    added = value_at(container, path) or []
    if BIND in added or not value_at(container, path[:2]):
        return container
    return with_value(container, path, [*added, BIND])


def _placed(spec: Json, first: Json) -> Json:
    """Return a pod spec that is scheduled as the first."""
    placement = {n: first[n] for n in _PLACEMENT if first.get(n) not in _UNSET}
    return {**{k: v for k, v in spec.items() if k not in _PLACEMENT}, **placement}


_UNSET: tuple[object, ...] = (None, "", [], {}, "default-scheduler")


def _resolving(first: Json) -> Json:
    """Return the fields that decide the pods' own resolv.conf.

    It never names the cluster's DNS: `forward . /etc/resolv.conf` would be a loop.
    """
    policy = first.get("dnsPolicy")
    allowed = policy if policy in ("Default", "None") else "Default"
    config = {"dnsConfig": first["dnsConfig"]} if first.get("dnsConfig") else {}
    return {"dnsPolicy": allowed, **config}


def _affinity(first: Json, base: Json) -> Json:
    """Return the node affinity of the first, and the base's distance between pods."""
    near = value_at(first, ("affinity", "nodeAffinity"))
    return {**({"nodeAffinity": near} if near else {}), **base["affinity"]}


def _with_sysctl(context: Json, lowest: int) -> Json:
    """Return a pod's security context that allows listening at port ``lowest``."""
    if lowest >= PRIVILEGED:
        return {k: v for k, v in context.items() if k != "sysctls"}
    return {**context, "sysctls": [{"name": _SYSCTL, "value": str(lowest)}]}


def _grace_s(first: Json, needs: Needs) -> int:
    grace_s = int(first.get("terminationGracePeriodSeconds") or GRACE_S)
    return max(grace_s, ceil(needs.lameduck_s) + 2 * QUERIES_S)


def _arguments(server: Server, wishes: Wishes) -> Iterator[str]:
    yield from ("-conf", server.file)
    if server.release is not None:
        yield from ("-as", str(server.release))
    if server.port != DNS_PORT:
        yield from ("-dns.port", str(server.port))
    if wishes.shadows:
        yield from ("-shadow", server.full_name)


def _environment(server: Server, needs: Needs) -> Iterator[Json]:
    """Yield the variables of the Corefile, and those that locate the API server."""
    for variable in server.container.get("env") or ():
        name = variable["name"]
        if name in needs.variables or name.startswith("KUBERNETES_"):
            yield variable


def _ports(needs: Needs, port: int) -> Iterator[Json]:
    yield {"name": DNS, "containerPort": port, "protocol": "UDP"}
    yield {"name": DNS_TCP, "containerPort": port, "protocol": "TCP"}
    for name, target in (
        (METRICS, needs.metrics),
        (HEALTH, needs.health),
        (READY, needs.ready),
    ):
        if number := reachable(target):
            yield {"name": name, "containerPort": number, "protocol": "TCP"}


def _probe(server: Server, base: Json, name: str, port: Port | None) -> Json | None:
    """Return a probe of base/ if the Corefile has what answers it.

    The intervals are those of the first's probe, if it requests the same path.
    """
    if not reachable(port):
        return None
    probe, first = base[name], server.container.get(name) or {}
    if value_at(first, ("httpGet", "path")) != probe["httpGet"]["path"]:
        return dict(probe)
    times = {n: first[n] for n in _TIMES if n in first}
    return {"httpGet": probe["httpGet"], **times}


def _mounts(server: Server, needs: Needs) -> Iterator[Mount]:
    """Yield the first's mounts of ConfigMaps, and of files that the Corefile names.

    ConfigMaps are mounted whole: other keys (NodeHosts, zone files) are read by name,
    and a subPath is never updated.
    """
    for mount in reversed(server.mounts):
        if mount.config_map:
            yield _whole(mount)
        elif any(map(mount.holds, needs.words)):
            yield Mount(mount.volume, {**mount.mount, "readOnly": True})


def _whole(mount: Mount) -> Mount:
    """Return the mount of a ConfigMap with all its keys, under their own names."""
    config = dict(mount.volume["configMap"])
    whole = {"name": mount.mount["name"], "mountPath": mount.path, "readOnly": True}
    if mount.is_frozen:
        folder, name = posixpath.split(mount.path)
        whole["mountPath"] = folder
        keys = {i["path"]: i["key"] for i in config.pop("items", None) or ()}
        key = keys.get(mount.mount["subPath"], mount.mount["subPath"])
        if key != name:
            config["items"] = [{"key": key, "path": name}]
    elif all(item["key"] == item["path"] for item in config.get("items") or ()):
        config.pop("items", None)
    return Mount({"name": mount.volume["name"], "configMap": config}, whole)


def _volumes(mounts: Iterable[Mount]) -> list[Json]:
    return list({mount.volume["name"]: mount.volume for mount in mounts}.values())
