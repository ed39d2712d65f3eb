import socket

import pytest

from minidns.http.listener import ListeningSockets
from tests.table import table

REFUSED = {
    "port-name": ("127.0.0.1:dns", "listen tcp: lookup tcp/dns: unknown port"),
    "port-number": ("127.0.0.1:65536", "listen tcp: address 65536: invalid port"),
    "long label": (f"{'a' * 64}:1", f"listen tcp: lookup {'a' * 64}: no such host"),
    "host": ("nowhere.invalid:1", "listen tcp: lookup nowhere.invalid: no such host"),
    "not-here": ("192.0.2.1:8080", "listen tcp 192.0.2.1:8080: bind: cannot assign requested address"),
}


@table(("address", "message"), REFUSED.values(), ids=REFUSED)
async def test_addresses_that_cannot_be_had(address: str, message: str) -> None:
    with pytest.raises(OSError, match="listen tcp") as caught:
        await ListeningSockets().listen(address)
    assert str(caught.value) == message


async def test_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        with pytest.raises(OSError, match="listen tcp") as caught:
            await ListeningSockets().listen(f"{host}:{port}")
    text = f"listen tcp 127.0.0.1:{port}: bind: address already in use"
    assert str(caught.value) == text


OVERLAPPING = {
    "same": ("127.0.0.1", "127.0.0.1"),
    "name": ("127.0.0.1", "localhost"),
    "every-and-one": ("", "127.0.0.1"),
    "one-and-every": ("127.0.0.1", ""),
}
"""Hosts of one endpoint in the old Corefile and in the new one."""


@table(("old", "new"), OVERLAPPING.values(), ids=OVERLAPPING)
async def test_a_reload_opens_an_address_that_overlaps(old: str, new: str) -> None:
    sockets = ListeningSockets()
    with await sockets.listen(f"{old}:0") as one:
        port = one.getsockname()[1]
        with await sockets.listen(f"{new}:{port}") as other:
            assert other.getsockname()[1] == port


async def test_connections_survive_a_reload_at_the_same_address() -> None:
    sockets = ListeningSockets()
    old = await sockets.listen("127.0.0.1:0")
    host, port = old.getsockname()
    new = await sockets.listen(f"{host}:{port}")
    with new, socket.create_connection((host, port)):
        old.close()
        new.accept()[0].close()


@table(("old", "new"), OVERLAPPING.values(), ids=OVERLAPPING)
@table("reloads", [0, 1])
async def test_no_other_process_shares_an_address(old: str, new: str, reloads: int) -> None:
    ours, theirs = ListeningSockets(), ListeningSockets()
    with await ours.listen(f"{old}:0") as sock:
        port = sock.getsockname()[1]
        for _ in range(reloads):
            (await ours.listen(f"{old}:{port}")).close()
        with pytest.raises(OSError, match="address already in use"):
            await theirs.listen(f"{new}:{port}")


async def test_a_closed_address_can_be_had_again() -> None:
    sockets = ListeningSockets()
    with await sockets.listen("127.0.0.1:0") as sock:
        port = sock.getsockname()[1]
    with await sockets.listen(f"127.0.0.1:{port}") as sock:
        assert sock.getsockname()[1] == port


async def test_name_is_its_ipv4_address() -> None:
    with await ListeningSockets().listen("localhost:0") as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


async def test_no_host_is_every_address_of_both_families() -> None:
    with await ListeningSockets().listen(":0") as sock:
        expected = "::" if sock.family == socket.AF_INET6 else "0.0.0.0"
        assert sock.getsockname()[0] == expected
        with socket.create_connection(("127.0.0.1", sock.getsockname()[1])):
            pass


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
async def test_ipv6_address_is_of_its_own_family_only() -> None:
    with await ListeningSockets().listen("[::1]:0") as sock:
        assert sock.getsockname()[0] == "::1"
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
