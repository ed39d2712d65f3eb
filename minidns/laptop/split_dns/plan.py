"""Changes to a machine as values: files, commands, notes for people."""

from typing import NamedTuple

from minidns.dns.model import Address, Name


class Refusal(Exception):
    """The command refuses to act; ``str()`` says why, and what to do."""


class Wanted(NamedTuple):
    """The zones that a laptop's resolver is to send to a server."""

    zones: tuple[Name, ...]
    """Queries for names at or below these go to ``server``."""
    server: Address

    @property
    def shown(self) -> str:
        """The server as people write it."""
        host, port = self.server
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def bare(self) -> tuple[str, ...]:
        """The zones without the final dot."""
        return tuple(zone.removesuffix(".") for zone in self.zones)


class Write(NamedTuple):
    """A file to write, with its text."""

    path: str
    text: str


class Command(NamedTuple):
    """A program to run, with its arguments."""

    argv: tuple[str, ...]
    why: str
    when: str = ""
    """Path that must exist for it to run; an undo may follow an incomplete apply."""


class Plan(NamedTuple):
    """The steps of an apply, in order."""

    recipe: str
    wanted: Wanted
    writes: tuple[Write, ...] = ()
    commands: tuple[Command, ...] = ()
    """Programs to run after the files are written."""
    undo: tuple[Command, ...] = ()
    """Programs to run after an undo has restored the files."""
    notes: tuple[str, ...] = ()
    """Notes for people to read before they apply it."""
