"""``minidns healthcheck``: check a running server once, for probes that run a command.

A probe starts a process every time and has a second for all of it, so few modules are
imported: no event loop, no HTTP library, and the DNS modules only for ``--dns``.
"""

import argparse
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias, TypeVar

from minidns.text import foreign
from minidns.text.arguments import Parser
from minidns.text.terminal import escaping

T = TypeVar("T")
Address: TypeAlias = tuple[str, int]

HEALTH, READY, DNS = 8080, 8181, 53
"""Default ports of *health*, *ready* and of server blocks."""
TIMEOUT_S = 0.8
"""With the start of this program, less than the one second that the kubelet allows."""
_EXAMPLES = {
    "minidns healthcheck": "is the process alive?",
    "minidns healthcheck --ready": "can every plugin answer?",
    "minidns healthcheck --dns example.org --server 127.0.0.1:1053": "ask it a name",
}
_LOOPBACK = ("127.0.0.1", "::1")
_MAX_REPLY = 4096
_MAX_TIMEOUT_S = 3600.0


class Unhealthy(Exception):
    """The server is not healthy; ``str()`` is the reason in one line."""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns healthcheck",
        "Exit with 0 if a running minidns is healthy, else with 1 and the reason. "
        "Requests /health unless --ready or --dns is present.",
        _EXAMPLES,
    )
    parser.add_argument(
        "--address",
        type=address,
        metavar="HOST:PORT",
        help="address of the Corefile's health or ready "
        f"(default: :{HEALTH}, or :{READY} with --ready)",
    )
    parser.add_argument(
        "--ready", action="store_true", help="request /ready: can every plugin answer?"
    )
    parser.add_argument(
        "--dns", metavar="NAME", help="query the IPv4 addresses of this name"
    )
    parser.add_argument(
        "--server",
        type=address,
        metavar="HOST:PORT",
        default=("", DNS),
        help=f"DNS server to query (default: :{DNS})",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        default=TIMEOUT_S,
        help="time limit of one request or query",
    )
    return parser


def _seconds(text: str) -> float:
    """Return a time limit.

    Raises:
        argparse.ArgumentTypeError: it is not a number of seconds, up to an hour.

    """
    with suppress(ValueError):
        if 0 < float(text) <= _MAX_TIMEOUT_S:
            return float(text)
    wrong = f"{text}: a number of seconds is needed, such as {TIMEOUT_S}"
    raise argparse.ArgumentTypeError(wrong)


def address(text: str) -> Address:
    """Return host and port; without a host, that of this machine.

    Raises:
        argparse.ArgumentTypeError: it is not ``HOST:PORT``.

    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        port = ""  # an IPv6 address needs brackets
    if not (
        colon and port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536
    ):
        raise argparse.ArgumentTypeError(
            f"{text}: HOST:PORT is needed, such as 127.0.0.1:{HEALTH}"
        )
    return host, int(port)


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the checks; return 0 if the server is healthy, else 1."""
    args = parser().parse(argv)
    try:
        for line in _checks(args):
            print(line)
    except Unhealthy as reason:
        print(f"minidns healthcheck: {reason}", file=sys.stderr)
        return 1
    return 0


def _checks(args: argparse.Namespace) -> Iterator[str]:
    """Run the checks that the arguments select; yield the result of each."""
    if args.ready:
        yield http(args.address or ("", READY), "/ready", args.timeout)
    elif args.address or not args.dns:
        yield http(args.address or ("", HEALTH), "/health", args.timeout)
    if args.dns:
        yield dns(args.server, args.dns, args.timeout)


def http(to: Address, path: str, timeout_s: float) -> str:
    """Return the URL and the body of the response to a GET of ``path``.

    Raises:
        Unhealthy: the status is not 200, or there is no response.

    """
    url, reply = _first(
        to, lambda where: _get(where, path, time.monotonic() + timeout_s)
    )
    head, _, body = reply.decode("latin-1").partition("\r\n\r\n")
    version, status, *_ = f"{head.splitlines()[0] if head else ''} - -".split(" ")
    if not version.startswith("HTTP/1."):
        raise Unhealthy(f"{url} does not answer in HTTP: does another program listen?")
    if status != "200":
        text = f": {_printable(body)}" if body.strip() else ""
        raise Unhealthy(f"{url}{path} returned status {status}{text}")
    return f"{url}{path}: {_printable(body)}"


def _get(to: Address, path: str, until: float) -> bytes:
    reply = b""
    with socket.create_connection(to, _left(until)) as sock:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {_url(to)}\r\nConnection: close\r\n\r\n"
        )
        sock.sendall(request.encode())
        while len(reply) < _MAX_REPLY:
            sock.settimeout(_left(until))
            if not (more := sock.recv(_MAX_REPLY)):
                break
            reply += more
    return reply


def dns(to: Address, name: str, timeout_s: float) -> str:
    """Return a line about the answer of the server for ``name``.

    Raises:
        Unhealthy: the rcode is not NOERROR, or there is no answer.

    """
    from minidns.dns import names, rdata
    from minidns.dns.model import FormatError, Question
    from minidns.upstream.ask import ask

    qname = names.absolute(name)
    try:
        names.to_wire(qname)
    except ValueError as error:
        raise Unhealthy(f"--dns {_printable(name)}: {error}") from error
    question = Question(qname, rdata.A)
    try:
        where, reply = _first(to, lambda server: ask(server, question, timeout_s))
    except FormatError as error:
        raise Unhealthy(f"{_url(to)} does not answer in DNS messages") from error
    if reply.rcode:
        raise Unhealthy(f"{where} answers {qname} with {rdata.rcode_name(reply.rcode)}")
    count = sum(len(rrset.rdata) for rrset in reply.answer)
    return f"{where} answers {qname} with {count} records"


def _first(to: Address, request: Callable[[Address], T]) -> tuple[str, T]:
    """Return the address of the server that answered, and the result of ``request``.

    Without a host both loopback addresses are tried: a server without *bind* listens
    at one of them at least.
    """
    host, port = to
    refused: OSError | None = None
    for candidate in (host,) if host else _LOOPBACK:
        where = candidate, port
        try:
            return _url(where), request(where)
        except TimeoutError as error:
            raise Unhealthy(f"no answer in time from {_url(where)}") from error
        except OSError as error:
            refused = refused or error
    reason = ((refused and refused.strerror) or str(refused)).lower()
    raise Unhealthy(f"cannot reach {_url((host or _LOOPBACK[0], port))}: {reason}")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _url(to: Address) -> str:
    host, port = to
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _printable(text: str) -> str:
    return foreign.line(text.strip(), 200)
