"""Apply a plan, and undo it, with a record on disk of what there was before.

The order makes it safe: the record first, then directories, files, commands; undo goes
in reverse, with the record last. Every step may be done twice. So an apply that was
interrupted anywhere can be undone or finished.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from minidns.dns.model import Address, Name
from minidns.laptop.split_dns.machine import (
    ABSENT,
    CommandFailed,
    Machine,
    State,
    own,
)
from minidns.laptop.split_dns.recipes import Command, Plan, Refusal, Wanted

PATH = "/etc/minidns-split-dns.json"
"""Path of the record; its directory exists on every system."""
_VERSION = 1

Tell: TypeAlias = Callable[[str], None]
"""Takes a line about a step that was done."""


class Change(Struct, frozen=True):
    """A file before and after the change."""

    path: str
    before: State
    after: State


class Record(Struct, frozen=True, kw_only=True):
    """The changes of an apply, and the commands that undo it."""

    version: int = _VERSION
    recipe: str
    zones: tuple[Name, ...]
    server: Address
    changes: tuple[Change, ...] = ()
    folders: tuple[str, ...] = ()
    """Directories that were created, outermost first."""
    undo: tuple[Command, ...] = ()
    is_whole: bool = field(default=False, name="whole")
    """True once every step has been done."""
    is_temporary: bool = field(default=False, name="temporary")
    """Whether it is to end with the server (``minidns up --split-dns``)."""

    @property
    def wanted(self) -> Wanted:
        """The zones and the server that the apply was for."""
        return Wanted(self.zones, self.server)

    @property
    def title(self) -> str:
        """The recipe, the zones and the server, for people."""
        zones = " ".join(self.wanted.bare)
        return f"{self.recipe} for {zones} at {self.wanted.shown}"


def record_of(plan: Plan, machine: Machine) -> Record:
    """Return the record of a plan that is to be applied to the machine as it is."""
    folders: dict[str, None] = {}
    for write in plan.writes:
        folders |= dict.fromkeys(_missing(write.path, machine))
    return Record(
        recipe=plan.recipe,
        zones=plan.wanted.zones,
        server=plan.wanted.server,
        changes=tuple(
            Change(write.path, machine.state(write.path), own(write.text.encode()))
            for write in plan.writes
        ),
        folders=tuple(folders),
        undo=plan.undo,
    )


def _missing(path: str, machine: Machine) -> list[str]:
    """Return the missing parent directories of a file, outermost first."""
    missing: list[str] = []
    folder = path.rpartition("/")[0]
    while folder and not machine.exists(folder):
        missing.insert(0, folder)
        folder = folder.rpartition("/")[0]
    return missing


def read_record(machine: Machine) -> Record | None:
    """Return the record of the machine; None if nothing is applied.

    Raises:
        Refusal: another version or program wrote it, or it is damaged.
        OSError: it cannot be read.

    """
    state = machine.state(PATH)
    if state.kind == ABSENT:
        return None
    try:
        record = msgspec.json.decode(state.content, type=Record)
        if record.version != _VERSION:
            raise ValueError
    except (msgspec.DecodeError, ValueError) as error:
        raise Refusal(
            f"{PATH} is not a record that this version of minidns wrote; it holds what"
            " was there before: restore the files that it names by hand, and remove it"
        ) from error
    return record


def write_record(record: Record, machine: Machine) -> None:
    """Write the record.

    Raises:
        OSError: it cannot be written.

    """
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    machine.put(PATH, own(text + b"\n"))


def apply(plan: Plan, machine: Machine, tell: Tell, *, temporary: bool = False) -> None:
    """Apply ``plan`` as a whole, or undo it if a step fails. There is no record yet.

    Raises:
        Refusal: the process lacks the rights.
        OSError, CommandFailed: a step failed; what was done is undone.

    """
    record = replace(record_of(plan, machine), is_temporary=temporary)
    need_rights(record, machine)
    try:
        write_record(record, machine)
        for folder in record.folders:
            machine.make_folder(folder)
        for change in record.changes:
            machine.put(change.path, change.after)
            tell(f"wrote {change.path}")
        _run(plan.commands, machine, tell)
        write_record(replace(record, is_whole=True), machine)
    except (OSError, CommandFailed):
        tell("a step failed: undoing the steps before it")
        undo(record, machine, tell)
        raise


def is_done(record: Record, machine: Machine) -> bool:
    """Return whether all of a record was done, and everything is still so."""
    links = [command.when for command in record.undo if command.when and machine.run]
    return (
        record.is_whole
        and all(map(machine.exists, links))  # a restart of the machine takes them
        and all(machine.state(c.path).is_like(c.after) for c in record.changes)
    )


def need_rights(record: Record, machine: Machine) -> None:
    """Check that the process may write every file in a record, and the record.

    Raises:
        Refusal: it may not.

    """
    for path in (PATH, *(change.path for change in record.changes)):
        if not machine.may_write(path):
            again = as_root(sys.argv)
            raise Refusal(f"{path} cannot be written: this needs root: {again}")


def as_root(argv: Sequence[str]) -> str:
    """Return the command line that runs ``argv`` again as root.

    sudo has a path of its own, so a program of a virtual environment is named in full.

    >>> as_root(["/venv/bin/minidns", "split-dns", "apply", "--zone", "k8s.internal"])
    'sudo /venv/bin/minidns split-dns apply --zone k8s.internal'
    """
    return shlex.join(("sudo", os.path.abspath(argv[0]), *argv[1:]))


def _run(commands: Iterable[Command], machine: Machine, tell: Tell) -> None:
    for command in commands:
        if command.when and not machine.exists(command.when):
            continue
        if machine.run is None:
            tell(f"not run, because of --root: {' '.join(command.argv)}")
            continue
        machine.run(command.argv)
        tell(f"ran {' '.join(command.argv)}")


def undo(record: Record, machine: Machine, tell: Tell, *, force: bool = False) -> None:
    """Restore everything that a record holds.

    With ``force``, files that were changed since are restored, too.

    Raises:
        Refusal: a file was changed since; it is left as it is, all others are restored.
        OSError, CommandFailed: a step failed; the record stays, to try again.

    """
    need_rights(record, machine)
    changed = [
        change.path
        for change in reversed(record.changes)
        if not _restore(change, machine, tell, force=force)
    ]
    for folder in reversed(record.folders):
        if not machine.remove_folder(folder):
            tell(f"{folder} stays: it holds other files")
    _run(record.undo, machine, tell)
    if changed:
        raise Refusal(
            f"{', '.join(changed)}: changed since by another program, and left as it"
            " is; look at it; minidns split-dns undo --force restores the old content"
        )
    machine.tidy(PATH)  # an interrupted write of the record
    machine.put(PATH, State())


def _restore(change: Change, machine: Machine, tell: Tell, *, force: bool) -> bool:
    machine.tidy(change.path)
    now = machine.state(change.path)
    if now == change.before:
        return True
    if not (force or now.is_like(change.after) or now.is_like(change.before)):
        return False
    machine.put(change.path, change.before)
    done = "removed" if change.before.kind == ABSENT else "put back"
    tell(f"{done} {change.path}")
    return True
