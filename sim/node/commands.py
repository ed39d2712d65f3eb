"""The commands of a simulated container."""

from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from typing import TypeAlias

from .container import Container, Output
from .filters import FILTERS
from .shell import Shell, Write

Command: TypeAlias = Callable[[Container, list[str]], Awaitable[Output]]

NOT_FOUND = 127


async def cat(container: Container, words: list[str]) -> Output:
    """Run ``cat``; there are a few files in /etc."""
    files = {
        "/etc/resolv.conf": container.resolv_conf,
        "/etc/hosts": container.hosts,
        "/etc/hostname": f"{container.hostname}\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
    }
    missing = f"No such file or directory (there are: {' '.join(files)})\n"
    texts = [files.get(word, f"cat: {word}: {missing}") for word in words]
    return Output(int(not files.keys() >= set(words)), "".join(texts))


async def hostname(container: Container, words: list[str]) -> Output:
    """Run ``hostname``; with ``-i`` it shows the address."""
    shown = {(): container.hostname, ("-i",): container.address}.get(tuple(words))
    return Output(int(shown is None), f"{shown or 'usage: hostname [-i]'}\n")


async def sh(container: Container, words: list[str]) -> Output:
    """Run ``sh -c TEXT``."""
    match words:
        case ["-c", text, *_]:
            return await run_script(container, text)
    return Output(2, "usage: sh -c TEXT\n")


async def run_script(
    container: Container, text: str, write: Write | None = None
) -> Output:
    """Run a script; ``write`` gets its output as it comes, the result has it else."""
    parts: list[str] = []

    async def keep(part: str) -> None:
        parts.append(part)

    shell = Shell(container, run, write or keep)
    status = await shell.run(text)
    return Output(status, "".join(parts), tuple(shell.queries))


async def run_to(container: Container, words: list[str], write: Write) -> int:
    """Run a command line; ``write`` gets its output as it comes. Return its status."""
    match words:
        case [shell, "-c", text, *_] if shell in SHELLS:
            return (await run_script(container, text, write)).status
    output = await run(container, words)
    await write(output.text)
    return output.status


async def _run_module(name: str, container: Container, words: list[str]) -> Output:
    """Run the command of a module, which is imported at its first use."""
    output: Output = await import_module(f"{__package__}.{name}").run(container, words)
    return output


COMMANDS: dict[str, Command] = {
    "cat": cat,
    "dig": partial(_run_module, "dig"),
    "getent": partial(_run_module, "getent"),
    "host": partial(_run_module, "host"),
    "hostname": hostname,
    "nslookup": partial(_run_module, "nslookup"),
    "resolve": partial(_run_module, "resolve"),
    "sh": sh,
}
SHELLS = ("sh", "/bin/sh", "ash", "bash", "/bin/bash")


def is_known(name: str) -> bool:
    """Return whether there is a program of this name."""
    return name in COMMANDS or name in SHELLS or name in FILTERS


async def run(container: Container, words: list[str]) -> Output:
    """Run a command line in ``container``; an unknown command has status 127."""
    name, *rest = words or [""]
    if name in SHELLS:
        name = "sh"
    if name in FILTERS:
        return FILTERS[name](rest, "")
    if name not in COMMANDS:
        names = ", ".join(COMMANDS)
        return Output(NOT_FOUND, f"{name}: command not found (there are: {names})\n")
    return await COMMANDS[name](container, rest)
