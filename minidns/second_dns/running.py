"""The DNS that runs in a cluster: its Service, its workload, its Corefile."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from minidns.corefile import imports, releases
from minidns.corefile.releases import Release
from minidns.kubernetes.documents import Documents, Json, Refused
from minidns.second_dns.objects import (
    CONFIG_MAP,
    SERVICE,
    WORKLOADS,
    flag_of,
    labels_of,
    ref_of,
    value_at,
)
from minidns.second_dns.session import Refusal, Session, explain

LABEL, NAMES = "k8s-app", ("kube-dns", "coredns", "dns-default")
"""Label of kubeadm's Service, with the first name as value; names that others use."""
NAMESPACE = "kube-system"
CONF, PORT = ("conf",), ("dns.port", "p")
"""Flags of CoreDNS: the Corefile, and the port of server blocks that name none."""
DEFAULT_FILE = "/etc/coredns/Corefile"
DNS_PORT = 53
_SERVICE_NAME = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
"""A label of RFC 1035, which the name of a Service must be."""
_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)(?![\d.])")


class Mount(NamedTuple):
    """A volume and the place in a container where it is mounted."""

    volume: Json
    mount: Json

    @property
    def path(self) -> str:
        """Path in the container."""
        return str(self.mount["mountPath"])

    @property
    def config_map(self) -> str:
        """Name of its ConfigMap; empty for another kind of volume."""
        return str(value_at(self.volume, ("configMap", "name")) or "")

    @property
    def is_frozen(self) -> bool:
        """Whether it never follows its ConfigMap: the kubelet updates no subPath."""
        return bool(self.mount.get("subPath"))

    def holds(self, path: str) -> bool:
        """Return whether the file at ``path`` is inside the mount."""
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")

    def files(self, config_map: Json) -> Iterator[tuple[str, str]]:
        """Yield path and text of each file that ``config_map`` becomes here."""
        data = config_map.get("data") or {}
        items = value_at(self.volume, ("configMap", "items"))
        names = {i["key"]: i["path"] for i in items} if items else {k: k for k in data}
        for key, name in names.items():
            if key not in data:
                continue
            if not self.is_frozen:
                yield posixpath.join(self.path, name), data[key]
            elif self.mount["subPath"] == name:
                yield self.path, data[key]


class Mounted:
    """The files of a container, to read a Corefile with its imports."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> str:
        """Return the text of the file at ``path``.

        Raises:
            OSError: there is none.

        """
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match, as ``import`` finds them.

        Raises:
            ValueError: the pattern is malformed.

        """
        return imports.glob(pattern, self._names, self._files.__contains__)

    def _names(self, folder: str) -> list[str]:
        inside = (posixpath.relpath(path, folder) for path in self._files)
        return sorted({name.partition("/")[0] for name in inside} - {".", ".."})


def mounts_of(spec: Json, container: Json) -> list[Mount]:
    """Return the mounts of ``container`` in a pod with this spec, deepest first."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    mounts = [
        Mount(volumes[mount["name"]], mount)
        for mount in container.get("volumeMounts") or ()
        if mount["name"] in volumes
    ]
    return sorted(mounts, key=lambda mount: -len(mount.path))


@dataclass(frozen=True, slots=True)
class Server:
    """A DNS service with a Corefile, as it runs."""

    service: Json
    workload: Json
    """Deployment, StatefulSet or DaemonSet."""
    container: Json
    """The container of its template that serves DNS."""
    mounts: tuple[Mount, ...]
    """Mounts of that container, deepest first."""
    file: str
    """Path of the Corefile in the container."""
    files: Mapping[str, str]
    """Files from ConfigMaps in that container: path to text."""
    port: int = DNS_PORT
    """Port of server blocks that name none."""

    @property
    def release(self) -> Release | None:
        """The release of CoreDNS by the image's tag; None if that does not tell."""
        return release_of(str(self.container.get("image", "")))

    @property
    def spec(self) -> Json:
        """Spec of its pods."""
        spec: Json = self.workload["spec"]["template"]["spec"]
        return spec

    @property
    def full_name(self) -> str:
        """Namespace and name of the Service."""
        return "{namespace}/{name}".format_map(self.service["metadata"])

    @property
    def address(self) -> str:
        """ClusterIP of the Service."""
        return str(self.service["spec"]["clusterIP"])

    @property
    def corefile(self) -> str:
        """Text of the Corefile."""
        return self.files[self.file]

    @property
    def mounted(self) -> Mounted:
        """The same files, to read the Corefile with its imports."""
        return Mounted(self.files)

    @property
    def mount(self) -> Mount:
        """The mount that holds the Corefile."""
        return next(mount for mount in self.mounts if mount.holds(self.file))


def is_image_of(image: str, program: str) -> bool:
    """Return whether the last part of an image's name contains ``program``."""
    return program in image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def release_of(image: str) -> Release | None:
    """Return the release of CoreDNS that the tag of ``image`` names, if any.

    Builds of others have more behind it.

    >>> str(release_of("registry.k8s.io/coredns/coredns:v1.11.3-eksbuild.1"))
    '1.11.3'
    """
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    match = _VERSION.match(tag)
    try:
        return (
            releases.parse(match[1])
            if match and is_image_of(image, "coredns")
            else None
        )
    except ValueError:
        return None


def matches(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Return whether a Service's selector selects a pod with these labels."""
    wanted = selector or {}
    return bool(wanted) and wanted.items() <= labels.items()


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Return whether a workload's selector, or a policy's, selects these labels."""
    equal = selector.get("matchLabels") or {}
    return equal.items() <= labels.items() and all(
        _holds(part, labels) for part in selector.get("matchExpressions") or ()
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in (expression.get("values") or ())
        case "NotIn":
            return value not in (expression.get("values") or ())
        case "Exists":
            return value is not None
        case _:  # DoesNotExist
            return value is None


def is_dns(service: Json) -> bool:
    """Return whether a Service gives pods DNS at an address of its own."""
    spec = service["spec"]
    has_address = spec.get("clusterIP") not in (None, "", "None")
    return has_address and any(map(is_query_port, spec.get("ports") or ()))


def is_query_port(port: Json) -> bool:
    """Return whether a port of a Service is the one for queries."""
    return bool(port["port"] == DNS_PORT and port.get("protocol") == "UDP")


def choose_service(services: Iterable[Json], namespace: str, wanted: str = "") -> Json:
    """Return the Service of the cluster's DNS, or the one that is ``wanted``.

    That may be a name or a ClusterIP.

    Raises:
        Refusal: there is none, or several that might be meant.

    """
    serving = [service for service in services if is_dns(service)]
    if wanted:
        return _wanted(serving, namespace, wanted)
    labelled = [s for s in serving if labels_of(s).get(LABEL) == NAMES[0]]
    for candidates in (labelled, serving):
        for name in NAMES:
            for service in candidates:
                if service["metadata"]["name"] == name:
                    return service
        if len(candidates) == 1 and candidates is labelled:
            return candidates[0]
    raise Refusal(_none(namespace, [s["metadata"]["name"] for s in labelled]))


def _wanted(services: Iterable[Json], namespace: str, wanted: str) -> Json:
    for service in services:
        if wanted in (service["metadata"]["name"], service["spec"]["clusterIP"]):
            return service
    raise Refusal(
        f"no DNS service {wanted} in namespace {namespace}: looked for a Service with "
        f"that name or ClusterIP and port {DNS_PORT}/UDP"
    )


def _none(namespace: str, several: list[str]) -> str:
    if several:
        names = ", ".join(sorted(several))
        return (
            f"several DNS services in namespace {namespace}: {names}; choose one with "
            "--from NAME"
        )
    return (
        f"no kube-dns found in namespace {namespace}: looked for a Service with a "
        f"ClusterIP and port {DNS_PORT}/UDP, labelled {LABEL}={NAMES[0]} or called "
        f"{', '.join(NAMES)}; name its namespace, or the Service with --from NAME"
    )


async def find_service(api: Documents, namespace: str, wanted: str = "") -> Json:
    """Return the Service of the cluster's DNS; see ``choose_service``.

    Where Services may not be listed, those with usual names are read one by one.
    """
    try:
        services = await api.list_objects(SERVICE.path(namespace))
    except Refused as refused:
        services = [] if refused.status != 403 else await _usual(api, namespace, wanted)
        if not services:
            raise
    return choose_service(services, namespace, wanted)


async def _usual(api: Documents, namespace: str, wanted: str) -> list[Json]:
    """Return the Services with the name ``wanted`` or a usual one that may be read."""
    found = []
    for name in dict.fromkeys((wanted, *NAMES)):
        if not _SERVICE_NAME.fullmatch(name):
            continue
        with suppress(Refused):
            found.append(await api.find(SERVICE.path(namespace, name)))
    return [service for service in found if service is not None]


async def read_server(api: Documents, service: Json) -> Server:
    """Return what answers behind a Service.

    Raises:
        Refusal: nothing answers, or it has no Corefile in a ConfigMap.

    """
    workload = await _workload(api, service)
    namespace = service["metadata"]["namespace"]
    maps: dict[str, Json] = {}
    tried = []
    for container in workload["spec"]["template"]["spec"]["containers"]:
        mounts = tuple(mounts_of(workload["spec"]["template"]["spec"], container))
        for name in {mount.config_map for mount in mounts} - {"", *maps}:
            maps[name] = await api.find(CONFIG_MAP.path(namespace, name)) or {}
        files = _files(mounts, maps)
        file = flag_of(container, *CONF) or DEFAULT_FILE
        if file in files:
            port = flag_of(container, *PORT)
            number = int(port) if port.isdecimal() else DNS_PORT
            return Server(service, workload, container, mounts, file, files, number)
        tried.append(f"container {container['name']} has no {file}")
    raise Refusal(
        f"{ref_of(workload)} serves without a Corefile in a ConfigMap: "
        f"{'; '.join(tried)}; it is not CoreDNS, or has its Corefile elsewhere"
    )


async def try_to_read(session: Session, service: Json) -> tuple[Server | None, str]:
    """Return what answers behind a Service; if it may not be read, None and why not."""
    try:
        return await read_server(session.api, service), ""
    except Refused as refused:
        if refused.status != 403:
            raise
        return None, f"its Corefile cannot be read: {explain(refused)}"
    except Refusal as refusal:
        return None, str(refusal)


async def _workload(api: Documents, service: Json) -> Json:
    namespace = service["metadata"]["namespace"]
    selector = service["spec"].get("selector")
    for kind in WORKLOADS:
        for obj in await api.list_objects(kind.path(namespace)):
            if matches(selector, labels_of(obj["spec"]["template"])):
                return obj
    labels_text = ",".join(f"{k}={v}" for k, v in (selector or {}).items()) or "nothing"
    raise Refusal(
        f"no workload runs the pods of {ref_of(service)}: looked for a Deployment, "
        f"StatefulSet or DaemonSet whose pods its selector ({labels_text}) selects"
    )


def _files(mounts: Iterable[Mount], maps: Mapping[str, Json]) -> dict[str, str]:
    files: dict[str, str] = {}
    for mount in mounts:
        if mount.config_map:
            for path, text in mount.files(maps[mount.config_map]):
                files.setdefault(path, text)  # the deepest mount wins
    return files


def replicas(workload: Json) -> int:
    """Return the desired number of pods of a Deployment or StatefulSet."""
    count = workload["spec"].get("replicas")
    return 1 if count is None else int(count)


def target_port(server: Server, port: Json) -> int:
    """Return the container port that a port of the Service leads to."""
    wanted = port.get("targetPort") or port["port"]
    if isinstance(wanted, int):
        return wanted
    for container in server.spec["containers"]:
        for named in container.get("ports") or ():
            if named.get("name") == wanted:
                return int(named["containerPort"])
    return int(port["port"])
