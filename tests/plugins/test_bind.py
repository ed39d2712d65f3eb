from dataclasses import replace

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import bind
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World

INTERFACES = {
    "lo": ["127.0.0.1", "::1"],
    "eth0": ["192.0.2.2", "2001:db8::2", "fe80::1%eth0"],
    "nodelocaldns": ["169.254.20.10"],
}


def set_up(body: str) -> Site:
    world = World()
    world.edges = replace(world.edges, interfaces=lambda: INTERFACES)
    site = world.site(f".:53 {{\n{body}\n}}")
    bind.PLUGIN.set_up(site.block.named("bind"), site)
    return site


BOUND = {
    "address": ("bind 127.0.0.1", ["127.0.0.1"]),
    "ipv6": ("bind ::1", ["::1"]),
    "several": ("bind 169.254.20.10 10.96.0.10", ["169.254.20.10", "10.96.0.10"]),
    "interface": ("bind eth0", INTERFACES["eth0"]),
    "both": ("bind lo 192.0.2.9", ["127.0.0.1", "::1", "192.0.2.9"]),
    "lines-add-up": ("bind ::1\nbind 127.0.0.1", ["::1", "127.0.0.1"]),
    "except-address": ("bind eth0 {\nexcept 192.0.2.2\n}", ["2001:db8::2", "fe80::1%eth0"]),
    "except-interface": ("bind lo eth0 {\nexcept eth0\n}", INTERFACES["lo"]),
    "except-of-its-own-line-only": ("bind lo {\nexcept ::1\n}\nbind ::1", ["127.0.0.1", "::1"]),
    "empty-block": ("bind lo {\n}", INTERFACES["lo"]),
}


@table(("body", "addresses"), BOUND.values(), ids=BOUND)
def test_bound(body: str, addresses: list[str]) -> None:
    assert list(set_up(body).listen.addresses) == addresses


def test_labels_of_the_listeners() -> None:
    assert set_up("bind lo").servers == ("dns://127.0.0.1:53", "dns://[::1]:53")


REFUSED = {
    "unknown": ("bind x", 'not a valid IP address or interface name: "x"'),
    "host-name": ("bind localhost", 'not a valid IP address or interface name: "localhost"'),
    "scope": ("bind ::1%lo", 'not a valid IP address or interface name: "::1%lo"'),
    "empty-environment": ('bind ""', 'not a valid IP address or interface name: ""'),
    "nothing": ("bind", "at least one address or interface name is expected"),
    "option": ("bind lo {\nonly ::1\n}", 'invalid option "only"'),
    "except-nothing": (
        "bind lo {\nexcept\n}",
        "at least one address or interface must be given to except subdirective",
    ),
    "except-unknown": ("bind lo {\nexcept x\n}", 'not a valid IP address or interface name: "x"'),
    "except-everything": ("bind lo {\nexcept lo\n}", "no address is left to listen at"),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == message
