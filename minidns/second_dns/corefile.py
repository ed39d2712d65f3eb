"""The Corefile of a DNS: its requirements on the pod, and its replacement. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from itertools import chain
from typing import NamedTuple

from minidns import plugins
from minidns.corefile import blocks, keys
from minidns.corefile.blocks import ConfigError, Corefile, Files, ServerBlock
from minidns.corefile.releases import NEWEST, Release
from minidns.corefile.values import duration
from minidns.kubernetes.documents import Json
from minidns.second_dns import running
from minidns.second_dns.objects import value_at, with_value
from minidns.second_dns.running import Mount, Server
from minidns.second_dns.session import Refusal

_VARIABLE = re.compile(r"\{[$%](\w+)[}%]")
FROM_FIELD = "0.0.0.0"
"""Stands for the value of a variable that comes from the pod itself."""
_REVERSE = (".in-addr.arpa.", ".ip6.arpa.")


class Port(NamedTuple):
    """The port at which a plugin listens."""

    number: int
    is_local: bool = False
    """Whether only the pod itself can reach it, not the kubelet or monitoring."""


class Needs(NamedTuple):
    """The requirements of one Corefile."""

    dns: tuple[int, ...]
    """Ports for plain DNS, in file order; never empty."""
    health: Port | None
    ready: Port | None
    metrics: Port | None
    lameduck_s: float
    domain: str
    """The cluster's domain, without a final dot; empty if it serves none."""
    variables: frozenset[str]
    """Names of the environment variables that it uses."""
    words: frozenset[str]
    """Every word of it; the files it names are among them."""


def read_needs(
    server: Server, *, release: Release | None = None, for_coredns: bool = False
) -> Needs:
    """Return what the Corefile of a DNS that runs needs; see ``parse_needs``.

    Without ``release``, it is read as by the release that runs.
    """
    environ = dict(_environ(server.container))
    return parse_needs(
        server.corefile,
        server.file,
        server.mounted,
        environ,
        server.port,
        release=release or server.release or NEWEST,
        for_coredns=for_coredns,
    )


def _environ(container: Json) -> Iterator[tuple[str, str]]:
    for variable in container.get("env") or ():
        default = FROM_FIELD if "valueFrom" in variable else ""
        yield variable["name"], variable.get("value", default)


def parse_needs(
    text: str,
    file: str,
    files: Files,
    environ: Mapping[str, str],
    port: int = running.DNS_PORT,
    *,
    release: Release = NEWEST,
    for_coredns: bool = False,
) -> Needs:
    """Return what ``text``, the content of ``file``, needs.

    ``port`` is that of server blocks that name none; ``release`` decides which plugins
    exist.

    Raises:
        Refusal: CoreDNS would not start with it; or minidns would not, unless it is
            ``for_coredns``.

    """
    try:
        parsed = blocks.parse(
            text,
            file=file,
            files=files,
            environ=environ,
            known=plugins.order(release),
            port=port,
        )
    except ConfigError as error:
        raise _unserved(str(error)) from error
    if not for_coredns:
        _check_plugins(parsed, release)
    lameducks = list(_lameducks(parsed))
    texts = [text, *(files.read(name) for name in parsed.files[1:])]
    return Needs(
        dns=_dns_ports(parsed.blocks),
        health=_port(parsed, "health"),
        ready=_port(parsed, "ready"),
        metrics=_port(parsed, "prometheus"),
        lameduck_s=sum(lameducks),
        domain=_domain(parsed),
        variables=frozenset(chain.from_iterable(map(_VARIABLE.findall, texts))),
        words=frozenset(chain.from_iterable(map(str.split, texts))),
    )


def _unserved(why: str) -> Refusal:
    return Refusal(f"the Corefile would not be served: {why}")


def _check_plugins(parsed: Corefile, release: Release) -> None:
    known = plugins.names(release)
    for block in parsed.blocks:
        for directive in block.directives:
            if directive.name not in known:
                where = f"{directive.file}:{directive.line}"
                raise _unserved(
                    f"{where}: plugin/{directive.name}: not supported by minidns"
                )


def _dns_ports(served: Iterable[ServerBlock]) -> tuple[int, ...]:
    ports = [
        key.port for block in served for key in block.keys if key.transport == "dns"
    ]
    if not ports:
        raise Refusal("the Corefile has no server block for plain DNS")
    return tuple(dict.fromkeys(ports))


def _port(parsed: Corefile, name: str) -> Port | None:
    """Return where the plugin ``name`` listens first."""
    for block in parsed.blocks:
        for directive in block.named(name):
            address = (
                directive.args[0] if directive.args else plugins.find(name).address
            )
            host, _, port = address.rpartition(":")
            if not port.isdecimal():
                raise _unserved(f"{name} {address}: not an address")
            return Port(int(port), _is_local(host.strip("[]")))
    return None


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _lameducks(parsed: Corefile) -> Iterator[float]:
    for block in parsed.blocks:
        for directive in block.named("health"):
            for line in directive.block:
                if line.name == "lameduck" and line.args:
                    try:
                        yield duration(line.args[0])
                    except ValueError as error:
                        raise _unserved(f"lameduck: {error}") from error


def _domain(parsed: Corefile) -> str:
    """Return the first zone of *kubernetes* that is not for reverse look-ups."""
    for block in parsed.blocks:
        for directive in block.named("kubernetes"):
            named = [zone for arg in directive.args for zone in keys.normalized(arg)]
            for zone in named or [key.zone for key in block.keys]:
                if not f".{zone}".endswith(_REVERSE) and zone != ".":
                    return zone.removesuffix(".")
    return ""


# -- a clone with another Corefile, or another release of CoreDNS


def image_of(server: Server) -> str:
    """Return the image of the container that serves DNS."""
    return str(server.container.get("image", ""))


def coredns_image(server: Server, version: str) -> str | None:
    """Return the image of the running CoreDNS with the tag of another release.

    None if the name of the image does not say that CoreDNS runs.
    """
    image = image_of(server)
    if not running.is_image_of(image, "coredns"):
        return None
    name, _, tag = image.partition("@")[0].rpartition(":")
    if "/" in tag or not name:  # a port of the registry, and no tag
        name, tag = image.partition("@")[0], "v"
    prefix = "v" if tag.startswith("v") and version[:1].isdecimal() else ""
    return f"{name}:{prefix}{version}"


def with_corefile(server: Server, text: str, config_map: str) -> Server:
    """Return the server as if ``text`` were its Corefile, in another ConfigMap."""
    replaced = server.mount.volume["name"]

    def moved(volume: Json) -> Json:
        if volume["name"] != replaced:
            return volume
        return {**volume, "configMap": {**volume["configMap"], "name": config_map}}

    volumes = [moved(volume) for volume in server.spec["volumes"]]
    path = ("spec", "template", "spec", "volumes")
    return replace(
        server,
        workload=with_value(server.workload, path, volumes),
        mounts=tuple(Mount(moved(m.volume), m.mount) for m in server.mounts),
        files={**server.files, server.file: text},
    )


def corefile_key(server: Server) -> str:
    """Return the key of the ConfigMap that becomes the Corefile."""
    mount, file = server.mount, server.file
    sub = str(mount.mount.get("subPath") or file.removeprefix(mount.path).strip("/"))
    for item in value_at(mount.volume, ("configMap", "items")) or ():
        if item["path"] == sub:
            return str(item["key"])
    return sub
