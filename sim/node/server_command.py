"""The command line of a DNS server pod: its container's args, for a process.

The pod's Corefile and addresses are replaced by those of the process. What a process
on loopback cannot have is refused; what minidns does not know, it refuses itself.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from minidns.corefile.releases import Release
from minidns.second_dns.running import release_of

from ..api.objects import Json, dig
from .confinement import Forbidden
from .fork_server import MINIDNS
from .kind_corefile import HOST, Ports

_OUTSIDE = {
    "pidfile": "it names a file outside the simulated pod",
    "kubeconfig": "a simulated pod has the credentials of its service account",
    "context": "a simulated pod has the credentials of its service account",
    "listen": "a simulated pod listens on port 53 alone",
    "resolv-conf": "it names a file outside the simulated pod",
    "shadow": "a process on loopback reaches no other pod at its cluster address",
}
"""Why a simulated pod cannot have an option, by its name."""
_REPLACED = ("conf", "explain")
_PORTS = ("dns.port", "p")


def command(
    pod: Json, corefile: Path, ports: Ports, coredns: Path | None = None
) -> list[str]:
    """Return the command line of a server pod; minidns stands for a CoreDNS.

    ``coredns`` is the program that runs instead of minidns.

    Raises:
        Forbidden: an argument leaves the simulation.

    """
    words = list(_words(pod))
    given = [argument for option in _options(words) for argument in _kept(option)]
    conf = ["-conf", str(corefile)]
    if coredns is not None:
        return [str(coredns), *conf, *given]
    named = release(pod)
    like = ["-as", str(named)] if named and "as" not in map(_name, given) else []
    explain = f"{HOST}:{ports.explain}"
    return [MINIDNS, *conf, "-explain", explain, *like, *given]


def release(pod: Json) -> Release | None:
    """Return the release of CoreDNS that an image of ``pod`` has, if any."""
    return next(filter(None, map(release_of, images(pod))), None)


def images(pod: Json) -> list[str]:
    """Return the images of the containers of ``pod``."""
    containers = dig(pod, "spec.containers") or ()
    return [container.get("image") or "" for container in containers]


def _words(pod: Json) -> Iterator[str]:
    """Yield the arguments of the first container; its program is known."""
    for container in (dig(pod, "spec.containers") or ())[:1]:
        yield from (container.get("command") or ())[1:]
        yield from container.get("args") or ()


def _options(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield each option with its value, and each other argument."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        is_read = _name(name) in (*_REPLACED, *_OUTSIDE, *_PORTS)
        if is_read and equals:
            yield [name, value]
        elif is_read and rest:
            yield [word, rest.pop(0)]
        else:
            yield [word]


def _kept(option: Sequence[str]) -> list[str]:
    """Return an option as the process gets it.

    Raises:
        Forbidden: it leaves the simulation.

    """
    name = _name(option[0])
    if name in _OUTSIDE:
        raise Forbidden(f"the argument {' '.join(option)}: {_OUTSIDE[name]}")
    if name in _PORTS:
        if option[1:] != ["53"]:
            raise Forbidden(
                f"the argument {' '.join(option)}: a simulated pod listens on port 53 "
                "alone"
            )
        return []
    return [] if name in _REPLACED else list(option)


def _name(word: str) -> str:
    return word.lstrip("-") if word.startswith("-") else ""
