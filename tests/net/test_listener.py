import socket

import pytest

from minidns.net.listener import listen

REFUSED = {
    "port-name": ("127.0.0.1:dns", "listen tcp: lookup tcp/dns: unknown port"),
    "port-number": ("127.0.0.1:65536", "listen tcp: address 65536: invalid port"),
    "host": ("nowhere.invalid:1", "listen tcp: lookup nowhere.invalid: no such host"),
    "not-here": (
        "192.0.2.1:8080",
        "listen tcp 192.0.2.1:8080: bind: cannot assign requested address",
    ),
}


@pytest.mark.parametrize(("address", "message"), REFUSED.values(), ids=REFUSED)
async def test_addresses_that_cannot_be_had(address: str, message: str) -> None:
    with pytest.raises(OSError, match="listen tcp") as caught:
        await listen(address)
    assert str(caught.value) == message


async def test_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        with pytest.raises(OSError, match="listen tcp") as caught:
            await listen(f"{host}:{port}")
    text = f"listen tcp 127.0.0.1:{port}: bind: address already in use"
    assert str(caught.value) == text


async def test_address_is_shared_with_whoever_shares_it() -> None:
    with await listen("127.0.0.1:0") as one:
        host, port = one.getsockname()
        with await listen(f"{host}:{port}") as other:
            assert other.getsockname() == one.getsockname()


async def test_name_is_its_ipv4_address() -> None:
    with await listen("localhost:0") as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


async def test_no_host_is_every_address_of_both_families() -> None:
    with await listen(":0") as sock:
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
    with await listen("[::1]:0") as sock:
        assert sock.getsockname()[0] == "::1"
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
