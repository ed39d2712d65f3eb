"""Confinement of simulated DNS pods: validation of their Corefiles.

A pod of a cluster has its own file system, address and environment. A simulated one is
a process of the user, so its Corefile must not name files of this machine, listen
elsewhere, use an upstream other than the simulated external resolver, or use
credentials other than those that the simulation wrote.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping

from minidns import plugins
from minidns.corefile import blocks
from minidns.corefile.blocks import Directive, ServerBlock
from minidns.corefile.errors import ConfigError
from minidns.corefile.lexer import Token

from .kind_corefile import HOST, Place

_URL = re.compile(r"[a-z]+://[^/]+(/.*)?")


class Forbidden(Exception):
    """A Corefile leaves the simulation; the message says where and how."""


class _NoFiles:
    """The file system of a pod, without files to import."""

    def read(self, path: str) -> str:
        """Raise Forbidden, whatever the path."""
        raise Forbidden(f"import {path} names a file outside the simulated pod")

    def glob(self, pattern: str) -> list[str]:
        """Raise Forbidden, whatever the pattern."""
        raise Forbidden(f"import {pattern} names files outside the simulated pod")


def check(text: str, place: Place, environ: Mapping[str, str]) -> None:
    """Check that a Corefile, adapted for ``place``, stays in the simulation.

    Raises:
        Forbidden: it leaves the simulation, or is not valid.

    """
    try:
        parsed = blocks.parse(
            text, files=_NoFiles(), environ=environ, known=plugins.ORDER
        )
    except ConfigError as error:
        raise Forbidden(str(error)) from None
    for block in parsed.blocks:
        for where, problem in _problems(block, place):
            raise Forbidden(f"{where.file}:{where.line}: {problem}")


def _problems(
    block: ServerBlock, place: Place
) -> Iterator[tuple[ServerBlock | Directive | Token, str]]:
    """Yield the violations with their place in the Corefile."""
    if {key.port for key in block.keys} != {place.ports.dns}:
        yield block, "a simulated pod listens on port 53 alone: write ZONE:53 {"
    if not block.named("bind"):
        yield block, "a simulated pod listens on its own address: write ZONE:53 {"
    for directive in block.directives:
        for token in directive.tokens:
            if _is_path(token.text) and token.text not in place.files:
                yield token, f"{directive.name} names a file outside the simulated pod"
        if (problem := _problem(directive, place)) is not None:
            yield directive, problem


def _is_path(word: str) -> bool:
    """Return whether a word can name a file outside of the working directory.

    >>> [_is_path(w) for w in ("/etc/shadow", "../x", "10.0.0.0/8", "tls://9.9.9.9")]
    [True, True, False, False]
    """
    if ".." in word.split("/"):
        return True
    if "/" not in word or _URL.fullmatch(word):
        return False
    try:
        ipaddress.ip_network(word, strict=False)
    except ValueError:
        return True
    return False


def _problem(directive: Directive, place: Place) -> str | None:
    """Return the violation of a directive, or None."""
    ports, args = place.ports, directive.args
    listening = {
        "bind": (HOST,),
        "health": (f"{HOST}:{ports.health}",),
        "ready": (f"{HOST}:{ports.ready}",),
        "prometheus": (f"{HOST}:{ports.metrics}",),
    }
    match directive.name:
        case "bind" | "health" | "ready" | "prometheus" as name:
            if args != listening[name]:
                return f"{name} must stand on a line of its own, as in a cluster"
        case "forward":
            host, port = place.upstream
            if args[1:] != (f"{host}:{port}",):
                return (
                    "the only upstream is the simulated external resolver: "
                    f"forward {args[0] if args else '.'} /etc/resolv.conf"
                )
        case "hosts" if not _is_own_hosts(directive, place):
            return "hosts must stand on a line of its own, as in a cluster"
        case "kubernetes":
            named = [
                line.args
                for line in directive.block
                if line.name in ("kubeconfig", "endpoint", "tls")
            ]
            if named != [(place.kubeconfig,)]:
                return (
                    "a simulated pod has the credentials of its service account: "
                    "kubeconfig, endpoint and tls cannot be named"
                )
    return None


def _is_own_hosts(directive: Directive, place: Place) -> bool:
    return directive.args[:1] == (place.hosts,)
