"""Random histories of a small cluster, and all one can ask about it."""

from collections.abc import Callable, Iterator
from random import Random

from hypothesis import strategies as st

from minidns.dns import names
from minidns.kubernetes.names import dashed
from minidns.kubernetes.objects import (
    NO_PORT,
    Endpoint,
    Endpoints,
    EndpointSlice,
    Key,
    Meta,
    Namespace,
    Object,
    Pod,
    Port,
    Service,
)
from minidns.kubernetes.resources import Applied, Deleted, Event

NAMESPACES = ("a", "b")
NAMES = ("s", "t")
IPS = ("10.96.0.1", "10.96.0.2", "fd00::1")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "fd00:1::", "x.s.a.svc.cluster.local")
LOCAL = ("10.0.0.1",)
TARGETS = ("t.a.svc.cluster.local", "s.b.svc.cluster.local", "example.org")
PORTS = ((NO_PORT,), (Port("http", "TCP", 80),), (Port("", "TCP", 80), Port("dns", "UDP", 53)))
OUTSIDE = ((), (), ("192.0.2.1",), ("192.0.2.1", "lb.example.net"))
CLUSTER_IPS = (("None",), ("None",), IPS[:1], IPS[1:], ())


def _key(rng: Random) -> Key:
    return Key(rng.choice("aaab"), rng.choice("sst"))


def _meta(rng: Random) -> Meta:
    return Meta("u", rng.choice("12"))


def _service(rng: Random) -> Service:
    return Service(
        _key(rng),
        rng.choice(["ClusterIP"] * 4 + ["ExternalName"]),
        rng.choice(CLUSTER_IPS),
        rng.choice(TARGETS),
        rng.choice(PORTS),
        rng.choice(OUTSIDE),
        _meta(rng),
    )


def _endpoint(rng: Random) -> Endpoint:
    return Endpoint(
        rng.choice(ADDRESSES), rng.choice(["", "h"]), rng.choice(["", "p"]), rng.random() < 0.7, rng.choice(["", "z"])
    )


def _slice(rng: Random) -> EndpointSlice:
    owner = rng.choice([_key(rng), _key(rng), _key(rng), Key("a", "")])
    ends = Endpoints.of(*(_endpoint(rng) for _ in range(rng.randrange(4))))
    name = Key(owner.namespace, rng.choice("123"))
    return EndpointSlice(name, owner, ends, rng.choice(PORTS), meta=_meta(rng))


def _pod(rng: Random) -> Pod:
    address = rng.choice(["", *ADDRESSES[:3]])
    return Pod(_key(rng), address, rng.random() < 0.2, _meta(rng))


def _namespace(rng: Random) -> Namespace:
    return Namespace(Key("", rng.choice(NAMESPACES)), _meta(rng))


MAKERS: tuple[Callable[[Random], Object], ...] = (*[_slice] * 3, *[_service] * 2, _pod, _namespace)


def _event(rng: Random) -> Event:
    obj = rng.choice(MAKERS)(rng)
    if rng.random() < 0.2:
        return Deleted(type(obj), obj.key)
    return Applied(obj)


def history(rng: Random) -> list[Event]:
    """Return a few events; the Namespace that most of them are about is there first."""
    start = Applied(Namespace(Key("", "a")))
    return [start, *(_event(rng) for _ in range(rng.randrange(2, 16)))]


histories = st.randoms(use_true_random=True).map(history)

BODIES = st.sampled_from(
    [
        "pods verified",
        "pods insecure; endpoint_pod_names",
        "pods verified; namespaces a",
        "ignore empty_service; zonal",
        "noendpoints",
        "pods verified; strict; namespace_labels x=y",
    ]
)


def questions() -> Iterator[tuple[str, str]]:
    """Yield every name and type worth asking."""
    for namespace in (*NAMESPACES, "c"):
        yield f"{namespace}.svc.cluster.local", "A"
        for address in ADDRESSES[:3]:
            yield f"{dashed(address)}.{namespace}.pod.cluster.local", "A"
        for name in NAMES:
            service = f"{name}.{namespace}.svc.cluster.local"
            for qtype in ("A", "AAAA", "SRV", "CNAME", "TXT"):
                yield service, qtype
            for label in ("h", "p", "_tcp", *map(dashed, ADDRESSES)):
                yield f"{label}.{service}", "A"
                yield f"{label}.{service}", "SRV"
            for port in ("_http._tcp", "_dns._udp", "_._tcp"):
                yield f"{port}.{service}", "SRV"
            yield f"z.pin._zone.{service}", "A"
            yield f"y.prefer._zone.{service}", "A"
    for address in (*IPS, *ADDRESSES[:3]):
        yield names.reverse(address), "PTR"
    yield "cluster.local", "NS"
    yield "ns.dns.cluster.local", "A"


QUESTIONS = tuple(questions())
