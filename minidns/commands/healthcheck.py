"""``minidns healthcheck``: one look at a running server, for probes that run a command.

A probe starts a process every time and has a second for all of it, so little is
imported: no event loop, no HTTP library, and nothing of DNS unless it is asked for.
"""

import argparse
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from minidns.text import foreign
from minidns.text.terminal import escaping

T = TypeVar("T")
Address: TypeAlias = tuple[str, int]

HEALTH, READY, DNS = 8080, 8181, 53
"""Ports that a Corefile has unless it says otherwise."""
TIMEOUT_S = 0.8
"""Less than the second that the kubelet gives, with the start of this program."""
_LOOPBACK = ("127.0.0.1", "::1")
_MAX_REPLY = 4096


class Unhealthy(Exception):
    """The problem, in one line."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns healthcheck",
        description="Exit with 0 if a running minidns is well, else with 1 and the "
        "reason. Asks /health unless --ready or --dns says otherwise.",
    )
    made.add_argument(
        "--address",
        type=address,
        metavar="HOST:PORT",
        help=f"where the Corefile's health (:{HEALTH}) or ready (:{READY}) listens",
    )
    made.add_argument(
        "--ready", action="store_true", help="ask /ready: can every plugin answer?"
    )
    made.add_argument(
        "--dns", metavar="NAME", help="ask for the addresses of this name, by DNS"
    )
    made.add_argument(
        "--server",
        type=address,
        metavar="HOST:PORT",
        default=("", DNS),
        help=f"whom to ask by DNS (:{DNS})",
    )
    made.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        default=TIMEOUT_S,
        help=f"for each of the questions ({TIMEOUT_S})",
    )
    return made


def address(text: str) -> Address:
    """Return host and port; no host means this machine's.

    Raises:
        argparse.ArgumentTypeError: it is not ``HOST:PORT``.

    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        port = ""  # an IPv6 address wants brackets
    if not (
        colon and port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536
    ):
        raise argparse.ArgumentTypeError(f"{text}: HOST:PORT is needed")
    return host, int(port)


@escaping
def main(argv: Sequence[str]) -> int:
    """Ask; return 0 if all that was asked is well, else 1."""
    args = parser().parse_args(argv)
    try:
        for line in _asked(args):
            print(line)
    except Unhealthy as reason:
        print(f"minidns healthcheck: {reason}", file=sys.stderr)
        return 1
    return 0


def _asked(args: argparse.Namespace) -> Iterator[str]:
    if args.ready:
        yield http(args.address or ("", READY), "/ready", args.timeout)
    elif args.address or not args.dns:
        yield http(args.address or ("", HEALTH), "/health", args.timeout)
    if args.dns:
        yield dns(args.server, args.dns, args.timeout)


def http(to: Address, path: str, timeout_s: float) -> str:
    """Return what a GET of ``path`` said, if it said that all is well.

    Raises:
        Unhealthy: it did not, or nobody did.

    """
    url, reply = _first(
        to, lambda where: _get(where, path, time.monotonic() + timeout_s)
    )
    head, _, body = reply.decode("latin-1").partition("\r\n\r\n")
    version, status, *_ = f"{head.splitlines()[0] if head else ''} - -".split(" ")
    if not version.startswith("HTTP/1."):
        raise Unhealthy(f"what answers at {url} does not speak HTTP")
    if status != "200":
        raise Unhealthy(f"{url}{path} says {status}: {_printable(body) or 'no more'}")
    return f"{url}{path}: {_printable(body)}"


def _get(to: Address, path: str, until: float) -> bytes:
    reply = b""
    with socket.create_connection(to, _left(until)) as sock:
        asked = f"GET {path} HTTP/1.1\r\nHost: {_url(to)}\r\nConnection: close\r\n\r\n"
        sock.sendall(asked.encode())
        while len(reply) < _MAX_REPLY:
            sock.settimeout(_left(until))
            if not (more := sock.recv(_MAX_REPLY)):
                break
            reply += more
    return reply


def dns(to: Address, name: str, timeout_s: float) -> str:
    """Return what the server answered for ``name``, if that was NOERROR.

    Raises:
        Unhealthy: it was another rcode, or no answer came.

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
        where, reply = _first(to, lambda each: ask(each, question, timeout_s))
    except FormatError as error:
        raise Unhealthy("what answers there does not speak DNS") from error
    if reply.rcode:
        raise Unhealthy(f"{where} answers {qname} with {rdata.rcode_name(reply.rcode)}")
    count = sum(len(rrset.rdata) for rrset in reply.answer)
    return f"{where} answers {qname} with {count} records"


def _first(to: Address, asked: Callable[[Address], T]) -> tuple[str, T]:
    """Return where somebody answered, and what.

    Without a host both families of loopback are tried: a server that binds no address
    has one of them at least.
    """
    host, port = to
    refused: OSError | None = None
    for each in (host,) if host else _LOOPBACK:
        where = each, port
        try:
            return _url(where), asked(where)
        except TimeoutError as error:
            raise Unhealthy(f"no answer in time from {_url(where)}") from error
        except OSError as error:
            refused = refused or error
    reason = ((refused and refused.strerror) or str(refused)).lower()
    raise Unhealthy(f"nobody answers at {_url((host or _LOOPBACK[0], port))}: {reason}")


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
