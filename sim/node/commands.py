"""The commands of a simulated container."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from . import dig, nslookup, resolve
from .container import Container, Output, getent

Command: TypeAlias = Callable[[Container, list[str]], Awaitable[Output]]

NOT_FOUND = 127


async def cat(container: Container, words: list[str]) -> Output:
    """Run ``cat``; /etc/resolv.conf is the only file."""
    if words == ["/etc/resolv.conf"]:
        return Output(0, container.resolv_conf)
    return Output(1, f"cat: {' '.join(words)}: No such file or directory\n")


COMMANDS: dict[str, Command] = {
    "cat": cat,
    "dig": dig.run,
    "getent": getent,
    "nslookup": nslookup.run,
    "resolve": resolve.run,
}


async def run(container: Container, words: list[str]) -> Output:
    """Run a command line in ``container``; an unknown command has status 127."""
    if not words or words[0] not in COMMANDS:
        name = words[0] if words else ""
        names = ", ".join(COMMANDS)
        return Output(NOT_FOUND, f"{name}: command not found (there are: {names})\n")
    return await COMMANDS[words[0]](container, words[1:])
