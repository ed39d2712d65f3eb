"""What is to be done to a machine, as values: files, commands, what to know."""

from typing import NamedTuple

from minidns.dns.model import Address, Name


class Refusal(Exception):
    """Something that will not be done; says why, and what would do."""


class Wanted(NamedTuple):
    """What a laptop's resolver is to do."""

    zones: tuple[Name, ...]
    """Names at or below these are asked of ``server``."""
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
    """A file that is to hold a text."""

    path: str
    text: str


class Command(NamedTuple):
    """A program that is to be run."""

    argv: tuple[str, ...]
    why: str
    when: str = ""
    """Only if this path is there; at an undo, whose start may never have come."""


class Plan(NamedTuple):
    """Everything that is to be done, in order; nothing of it is done."""

    recipe: str
    wanted: Wanted
    writes: tuple[Write, ...] = ()
    commands: tuple[Command, ...] = ()
    """After the files."""
    undo: tuple[Command, ...] = ()
    """After the files are back."""
    notes: tuple[str, ...] = ()
    """What people should know first."""
