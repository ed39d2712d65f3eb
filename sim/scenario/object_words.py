"""The words that describe Pods and Services in a line of a scenario."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from minidns.text.arguments import not_one_of

from ..api.addresses import family_of
from ..api.objects import Json, Key
from ..api.server import ClusterApi
from ..api.writing import STOPS_AFTER
from ..cluster.simulation import LIBC
from ..controllers.pods import IP, READY
from ..node.fault_words import is_number
from ..resolver import kinds
from . import resolv_conf_lines

PORT = "sim/source-port"
"""Pod annotation with the source port of all its DNS packets."""
Word: TypeAlias = Callable[[Json, str], None]
"""Sets the field of a word on an object."""


def put(cluster: ClusterApi, obj: Json) -> None:
    """Create or change an object, and its namespace if needed.

    Raises:
        ApiError: the object is invalid (400, 422).

    """
    namespace = obj["metadata"].get("namespace")
    if namespace and cluster.find("Namespace", "", namespace) is None:
        meta = {"name": namespace}
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    cluster.apply(obj)


def pod(key: Key, words: Sequence[str]) -> Json:
    """Return a Pod; ``words`` are WORD VALUE pairs of ``POD``.

    Raises:
        ValueError: a word is unknown or has no value.

    """
    spec = {"containers": [{"name": "app", "image": "app"}]}
    return _with(_new("Pod", key, spec), words, POD)


def service(key: Key, words: Sequence[str]) -> Json:
    """Return a Service; ``words`` are WORD VALUE pairs of ``SERVICE``.

    Raises:
        ValueError: a word is unknown or has no value.

    """
    return _with(_new("Service", key, {}), words, SERVICE)


def _new(kind: str, key: Key, spec: Json) -> Json:
    namespace, name = key
    meta = {"namespace": namespace, "name": name, "annotations": {}}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec}


def _with(obj: Json, words: Iterable[str], table: dict[str, Word]) -> Json:
    rest, seen = iter(words), set[str]()
    for word in rest:
        if word not in table:
            raise ValueError(not_one_of(word, table))
        if word in seen and (obj["kind"], word) not in LISTS:
            raise ValueError(f"{word} is surplus: such a word is there already")
        seen.add(word)
        value = next(rest, None)
        if value is None:
            raise ValueError(f"{word} needs a value")
        table[word](obj, value)
    return obj


def _annotation(name: str) -> Word:
    def set_(obj: Json, value: str) -> None:
        obj["metadata"]["annotations"][name] = value

    return set_


def _field(name: str) -> Word:
    def set_(obj: Json, value: str) -> None:
        obj["spec"][name] = value

    return set_


def _labels(obj: Json, value: str) -> None:
    obj["metadata"]["labels"] = _pairs(value)


def _selector(obj: Json, value: str) -> None:
    obj["spec"]["selector"] = _pairs(value)


def _pairs(text: str) -> dict[str, str]:
    """Parse ``app=web,tier=front``."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name and equals for name, equals, _ in pairs):
        raise ValueError(f"{text} is not NAME=VALUE,...")
    return {name: value for name, _, value in pairs}


def _libc(obj: Json, value: str) -> None:
    try:
        kinds.find(value)
    except kinds.UnknownResolver as error:
        raise ValueError(f"libc {error}") from None
    _annotation(LIBC)(obj, value)


def port_number(word: str) -> int:
    """Return the port that ``word`` is.

    Raises:
        ValueError: it is none.

    """
    if not is_number(word) or not 0 < int(word) < 1 << 16:
        raise ValueError(f"{word or 'nothing'} is not a port from 1 to 65535")
    return int(word)


def _source_port(obj: Json, value: str) -> None:
    _annotation(PORT)(obj, str(port_number(value)))


def _stops(obj: Json, value: str) -> None:
    if not is_number(value):
        raise ValueError(f"stops {value} is not a number of seconds")
    _annotation(STOPS_AFTER)(obj, value)


def _dns_list(name: str) -> Word:
    def add(obj: Json, value: str) -> None:
        config = obj["spec"].setdefault("dnsConfig", {})
        config.setdefault(name, []).append(value)

    return add


def _option(obj: Json, value: str) -> None:
    resolv_conf_lines.check_option(value)
    name, colon, number = value.partition(":")
    config = obj["spec"].setdefault("dnsConfig", {})
    option = {"name": name, "value": number} if colon else {"name": name}
    config.setdefault("options", []).append(option)


def _ip(obj: Json, value: str) -> None:
    if not all(map(family_of, value.split(","))):
        raise ValueError(f"ip {value} is not an IP address")
    _annotation(IP)(obj, value)


def _ready(obj: Json, value: str) -> None:
    _annotation(READY)(obj, str(is_yes("ready", value)).lower())


def _host_network(obj: Json, value: str) -> None:
    obj["spec"]["hostNetwork"] = is_yes("hostnetwork", value)


def is_yes(word: str, value: str) -> bool:
    """Return whether ``value`` is yes.

    Raises:
        ValueError: it is neither yes nor no.

    """
    if value not in ("yes", "no"):
        raise ValueError(f"{word} {value} is not yes or no")
    return value == "yes"


def _port(obj: Json, value: str) -> None:
    """Add ``NAME:NUMBER[/PROTOCOL]``, or without a name."""
    name, _, rest = value.rpartition(":")
    number, _, protocol = rest.partition("/")
    if not is_number(number):
        raise ValueError(f"port {value} is not NAME:NUMBER or NUMBER/PROTOCOL")
    port: Json = {"port": int(number), "protocol": protocol or "TCP"}
    if name:
        port["name"] = name
    obj["spec"].setdefault("ports", []).append(port)


def _external(obj: Json, value: str) -> None:
    obj["spec"] |= {"type": "ExternalName", "externalName": value}


def _publish(obj: Json, value: str) -> None:
    if value != "not-ready":
        raise ValueError(f"publish {value} is not publish not-ready")
    obj["spec"]["publishNotReadyAddresses"] = True


POD: dict[str, Word] = {
    "policy": _field("dnsPolicy"),
    "nameserver": _dns_list("nameservers"),
    "search": _dns_list("searches"),
    "option": _option,
    "libc": _libc,
    "port": _source_port,
    "labels": _labels,
    "hostname": _field("hostname"),
    "subdomain": _field("subdomain"),
    "ip": _ip,
    "node": _field("nodeName"),
    "ready": _ready,
    "stops": _stops,
    "hostnetwork": _host_network,
}
LISTS = frozenset(
    (
        ("Pod", "nameserver"),
        ("Pod", "search"),
        ("Pod", "option"),
        ("Service", "port"),
    )
)
"""The words that may be there several times, each with its kind."""
SERVICE: dict[str, Word] = {
    "ip": _field("clusterIP"),
    "port": _port,
    "select": _selector,
    "external": _external,
    "publish": _publish,
    "affinity": _field("sessionAffinity"),
    "traffic": _field("internalTrafficPolicy"),
}
