"""The pods of the second DNS: placed as the first's, hardened as our program can be.

Pure. The same settings as in deploy/base, with ports, probes and files as this
cluster's Corefile needs them.
"""

import posixpath
from collections.abc import Iterable, Iterator
from math import ceil

from minidns.kubernetes.documents import Json
from minidns.second_dns.changes import value_at
from minidns.second_dns.mounts import Mount
from minidns.second_dns.needs import Needs, Port
from minidns.second_dns.running import DNS_PORT, Server, named

DNS, DNS_TCP, METRICS, HEALTH, READY = "dns", "dns-tcp", "metrics", "health", "ready"
"""Names of the container ports."""
USER = 65532
PRIVILEGED = 1024
"""The first port that anybody may listen at."""
QUERIES_S = 5
"""Seconds that queries under way are given after the lame duck."""
GRACE_S = 30
TOKEN_S = 3607
"""Of the ServiceAccount's token, as the kubelet asks for its own."""
RESOURCES = {
    "requests": {"cpu": "100m", "memory": "70Mi"},
    # no limit of CPU: one that is throttled answers late
    "limits": {"memory": "170Mi"},
}
_PLACED = (
    "hostAliases",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "tolerations",
)
"""What says where pods run and what they find there; the same as the first's."""
_USUAL = "default-scheduler"
_TIMES = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def reachable(port: Port | None) -> int:
    """Return the number of a port that can be reached from outside the pod, or 0."""
    return port.number if port and not port.is_local else 0


def spec(
    server: Server, needs: Needs, *, image: str, port: int, own: dict[str, str]
) -> Json:
    """Return the spec of pods with the labels ``own`` that serve DNS at ``port``."""
    first = server.spec
    mounts = list(_mounts(server, needs))
    return {
        "serviceAccountName": first.get("serviceAccountName", "default"),
        # the token comes in a volume: short-lived, read-only, and no other
        "automountServiceAccountToken": False,
        # not needed to find anything, and longer with every Service of the namespace
        "enableServiceLinks": False,
        **_resolving(first),
        **{n: first[n] for n in _PLACED if first.get(n) not in (None, "", [], _USUAL)},
        "affinity": _affinity(first, own),
        "topologySpreadConstraints": [_spread(own)],
        "securityContext": _security(needs, port),
        "terminationGracePeriodSeconds": _grace_s(first, needs),
        "containers": [_container(server, needs, image, port, mounts)],
        "volumes": [*_volumes(mounts), _TOKEN],
    }


def _resolving(first: Json) -> Json:
    """Return what the pods' own resolv.conf is to be.

    Never the cluster's DNS: `forward . /etc/resolv.conf` would ask itself.
    """
    policy = first.get("dnsPolicy")
    kept = policy if policy in ("Default", "None") else "Default"
    config = {"dnsConfig": first["dnsConfig"]} if first.get("dnsConfig") else {}
    return {"dnsPolicy": kept, **config}


def _affinity(first: Json, own: dict[str, str]) -> Json:
    """Return where pods go among nodes: as the first's, and apart from each other."""
    near = value_at(first, ("affinity", "nodeAffinity"))
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": own},
    }
    apart = [{"weight": 100, "podAffinityTerm": term}]
    return {
        **({"nodeAffinity": near} if near else {}),
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": apart},
    }


def _spread(own: dict[str, str]) -> Json:
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": own},
    }


def _security(needs: Needs, port: int) -> Json:
    made: Json = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    lowest = min((port, *needs.dns))
    if lowest < PRIVILEGED:
        # without a capability: one that a file carries is not given to a process that
        # may gain no privileges, and this one may not
        name = "net.ipv4.ip_unprivileged_port_start"
        made["sysctls"] = [{"name": name, "value": str(lowest)}]
    return made


def _grace_s(first: Json, needs: Needs) -> int:
    asked = int(first.get("terminationGracePeriodSeconds") or GRACE_S)
    return max(asked, ceil(needs.lameduck_s) + 2 * QUERIES_S)


def _container(
    server: Server, needs: Needs, image: str, port: int, mounts: Iterable[Mount]
) -> Json:
    made: Json = {
        "name": "minidns",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(_arguments(server, image)),
        "env": list(_environment(server, needs)),
        "ports": list(_ports(needs, port)),
        "livenessProbe": _probe(
            server, "livenessProbe", "/health", HEALTH, needs.health
        ),
        "readinessProbe": _probe(
            server, "readinessProbe", "/ready", READY, needs.ready
        ),
        "resources": server.container.get("resources") or RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *(each.mount for each in mounts),
            {"name": _TOKEN["name"], "mountPath": _ACCOUNT, "readOnly": True},
        ],
    }
    return {name: value for name, value in made.items() if value}


def _arguments(server: Server, image: str) -> Iterator[str]:
    yield from ("-conf", server.file)
    if server.release is not None and not named(image, "coredns"):
        yield from ("-as", str(server.release))
    if server.port != DNS_PORT:
        yield from ("-dns.port", str(server.port))


def _environment(server: Server, needs: Needs) -> Iterator[Json]:
    """Yield what the Corefile names, and how to find the API if that is unusual."""
    for each in server.container.get("env") or ():
        if each["name"] in needs.variables or each["name"].startswith("KUBERNETES_"):
            yield each


def _ports(needs: Needs, port: int) -> Iterator[Json]:
    yield {"name": DNS, "containerPort": port, "protocol": "UDP"}
    yield {"name": DNS_TCP, "containerPort": port, "protocol": "TCP"}
    for name, found in (
        (METRICS, needs.metrics),
        (HEALTH, needs.health),
        (READY, needs.ready),
    ):
        if number := reachable(found):
            yield {"name": name, "containerPort": number, "protocol": "TCP"}


_OURS = {
    "livenessProbe": {
        "initialDelaySeconds": 60,
        "timeoutSeconds": 5,
        "failureThreshold": 5,
    },
    "readinessProbe": {"periodSeconds": 2, "timeoutSeconds": 1, "failureThreshold": 3},
}


def _probe(
    server: Server, name: str, path: str, port: str, found: Port | None
) -> Json | None:
    """Return a probe, if the Corefile has what answers it and the kubelet can ask.

    In the first's rhythm, where that asks the same.
    """
    if not reachable(found):
        return None
    first = server.container.get(name) or {}
    is_same = value_at(first, ("httpGet", "path")) == path
    times = {n: first[n] for n in _TIMES if n in first} if is_same else _OURS[name]
    return {"httpGet": {"path": path, "port": port, "scheme": "HTTP"}, **times}


def _mounts(server: Server, needs: Needs) -> Iterator[Mount]:
    """Yield what is mounted of the first's: ConfigMaps, and what its Corefile names.

    ConfigMaps whole: other keys (NodeHosts, zone files) are read by name, and a subPath
    would never be updated.
    """
    for each in reversed(server.mounts):
        if each.config_map:
            yield _whole(each)
        elif any(map(each.holds, needs.words)):
            yield Mount(each.volume, {**each.mount, "readOnly": True})


def _whole(each: Mount) -> Mount:
    """Return the mount of a ConfigMap with all its keys, under their own names."""
    config = dict(each.volume["configMap"])
    mount = {"name": each.mount["name"], "mountPath": each.path, "readOnly": True}
    if each.is_frozen:
        folder, name = posixpath.split(each.path)
        mount["mountPath"] = folder
        sub = each.mount["subPath"]
        key = {i["path"]: i["key"] for i in config.pop("items", None) or ()}.get(
            sub, sub
        )
        if key != name:
            config["items"] = [{"key": key, "path": name}]
    elif all(item["key"] == item["path"] for item in config.get("items") or ()):
        config.pop("items", None)
    return Mount({"name": each.volume["name"], "configMap": config}, mount)


def _volumes(mounts: Iterable[Mount]) -> list[Json]:
    return list({each.volume["name"]: each.volume for each in mounts}.values())


_TOKEN: Json = {
    "name": "api-access",
    "projected": {
        "defaultMode": 0o444,
        "sources": [
            # no audience: the API server's own, whatever it calls itself
            {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_S}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
    },
}
