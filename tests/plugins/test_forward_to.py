"""*forward*: upstreams named by host name or in a file."""

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins.forward.targets import Host, read_targets
from minidns.upstream.upstream import Upstream
from tests.plugins.scripted import Scripted, scripted
from tests.table import table
from tests.world import World, query

NAME = "www.example.org."

HOSTS = "forward . dns.example.net {\nresolver 192.0.2.7 192.0.2.8:5353\n}"


async def start(world: Scripted) -> None:
    for hook in world.site.hooks.start:
        await hook()


async def test_host_names_are_looked_up_at_the_start() -> None:
    world = scripted(HOSTS)
    await start(world)
    looked_up = [(str(sent.to), sent.message.question[0].to_text()) for sent in world.sent]
    assert looked_up == [("192.0.2.7:53", "dns.example.net. IN A"), ("192.0.2.7:53", "dns.example.net. IN AAAA")]
    await world.ask(query(NAME))
    assert str(world.sent[-1].to) == "192.0.2.1:53"


async def test_the_second_resolver_is_asked_when_the_first_fails() -> None:
    world = scripted(HOSTS)
    world.behavior = {"192.0.2.7": "refused"}
    await start(world)
    assert [str(sent.to) for sent in world.sent] == ["192.0.2.7:53", "192.0.2.8:5353", "192.0.2.8:5353"]


async def test_host_names_keep_port_and_server_name() -> None:
    world = scripted("forward . tls://dns.example.net:8853 {\nresolver 192.0.2.7\ntls_servername dns.example.net\n}")
    await start(world)
    await world.ask(query(NAME))
    to = world.sent[-1].to
    assert (str(to), to.transport, to.servername) == ("192.0.2.1:8853", "tls", "dns.example.net")


async def test_without_a_resolver_resolv_conf_says_whom_to_ask() -> None:
    files = {"/etc/resolv.conf": "nameserver 192.0.2.53\n"}
    world = scripted("forward . dns.example.net", files=files)
    await start(world)
    assert {str(sent.to) for sent in world.sent} == {"192.0.2.53:53"}


@table(
    ("behavior", "why"),
    [
        ({"192.0.2.7": "NXDOMAIN", "192.0.2.8": "NXDOMAIN"}, ""),
        ({"192.0.2.7": "refused", "192.0.2.8": "refused"}, ": connection refused"),
        ({"192.0.2.7": "bare", "192.0.2.8": "bare"}, ": malformed reply"),
    ],
    ids=["nobody-knows", "nobody-answers", "nobody-answers-well"],
)
async def test_a_host_name_that_cannot_be_found_ends_the_start(behavior: dict[str, str], why: str) -> None:
    world = scripted(HOSTS)
    world.behavior = behavior
    with pytest.raises(ConfigError) as caught:
        await start(world)
    assert str(caught.value) == (f'failed to resolve "dns.example.net": no addresses found for "dns.example.net"{why}')


async def test_resolv_conf_is_read_once() -> None:
    files = {"/etc/resolv.conf": "nameserver 192.0.2.1\n"}
    world = scripted("forward . /etc/resolv.conf", files=files)
    world.world.files.texts["/etc/resolv.conf"] = "nameserver 192.0.2.2\n"
    await world.ask(query(NAME))
    assert world.asked == ["192.0.2.1"]


HTTPS = {
    "https://192.0.2.1": ("192.0.2.1", 443),
    "https://192.0.2.1:8443": ("192.0.2.1", 8443),
    "https://[2001:db8::1]": ("2001:db8::1", 443),
    "https://[2001:db8::1]:8443": ("2001:db8::1", 8443),
    "https://192.0.2.1%dns.example.net": ("192.0.2.1", 443),
}


@table(("word", "end"), HTTPS.items())
def test_https_upstreams(word: str, end: tuple[str, int]) -> None:
    """A name after the address has no meaning with https (CoreDNS 1.14.7)."""
    (to,) = read_targets([word], World().files)
    assert isinstance(to, Upstream)
    assert (to.host, to.port) == end
    assert (to.transport, to.servername) == ("https", "")


def test_a_host_name_may_be_asked_over_https() -> None:
    (to,) = read_targets(["https://dns.example.org"], World().files)
    assert to == Host("dns.example.org", 443, "https", "")
