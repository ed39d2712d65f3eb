"""A clone with another Corefile or another release of CoreDNS. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from minidns.kubernetes.documents import Json
from minidns.second_dns.manifests import ORIGIN, Wishes, labels
from minidns.second_dns.objects import CONFIG_MAP, value_at
from minidns.second_dns.running import Mount, Server, is_image_of
from minidns.second_dns.session import Refusal


def coredns_image(server: Server, version: str) -> str:
    """Return the image of the running CoreDNS with the tag of another release.

    Raises:
        Refusal: CoreDNS does not run.

    """
    image = str(server.container.get("image", ""))
    if not is_image_of(image, "coredns"):
        raise Refusal(f"--coredns: {image} is not CoreDNS; name its image by --image")
    name, _, tag = image.partition("@")[0].rpartition(":")
    if "/" in tag or not name:  # a port of the registry, and no tag
        name, tag = image.partition("@")[0], "v"
    prefix = "v" if tag.startswith("v") and version[:1].isdecimal() else ""
    return f"{name}:{prefix}{version}"


def with_corefile(
    server: Server, text: str, wishes: Wishes, data: Mapping[str, str]
) -> tuple[Server, Json]:
    """Return the server as if ``text`` were its Corefile, and the ConfigMap for that.

    ``data`` has the other keys of the running DNS's ConfigMap, which are kept.
    """
    mount = server.mount
    meta = server.service["metadata"]
    config_map = {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.name,
        "metadata": {
            "name": wishes.name,
            "namespace": meta["namespace"],
            "labels": labels(wishes),
            "annotations": {ORIGIN: f"{meta['namespace']}/{meta['name']}"},
        },
        "data": {**data, _key(mount, server.file): text},
    }

    def renamed(volume: Json) -> Json:
        if volume["name"] != mount.volume["name"]:
            return volume
        return {**volume, "configMap": {**volume["configMap"], "name": wishes.name}}

    spec = {**server.spec, "volumes": [renamed(v) for v in server.spec["volumes"]]}
    template = {**server.workload["spec"]["template"], "spec": spec}
    workload = {
        **server.workload,
        "spec": {**server.workload["spec"], "template": template},
    }
    changed = replace(
        server,
        workload=workload,
        mounts=tuple(Mount(renamed(m.volume), m.mount) for m in server.mounts),
        files={**server.files, server.file: text},
    )
    return changed, config_map


def _key(mount: Mount, file: str) -> str:
    """Return the key of the ConfigMap that becomes the Corefile."""
    sub = str(mount.mount.get("subPath") or file.removeprefix(mount.path).strip("/"))
    for item in value_at(mount.volume, ("configMap", "items")) or ():
        if item["path"] == sub:
            return str(item["key"])
    return sub
