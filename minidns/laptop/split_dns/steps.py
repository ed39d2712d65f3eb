"""Apply a plan, and undo it.

The order makes it safe: the record first, then directories, files, commands; undo goes
in reverse, with the record last. Every step may be done twice.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from minidns.laptop.split_dns import record
from minidns.laptop.split_dns.machine import CommandFailed, Machine
from minidns.laptop.split_dns.plan import Command, Plan, Refusal
from minidns.laptop.split_dns.record import Change, Record

Tell: TypeAlias = Callable[[str], None]
"""Takes a line about a step that was done."""


def apply(plan: Plan, machine: Machine, tell: Tell) -> None:
    """Apply ``plan`` as a whole, or undo it if a step fails. There is no record yet.

    Raises:
        Refusal: the process lacks the rights.
        OSError, CommandFailed: a step failed; what was done is undone.

    """
    applied = record.of(plan, machine)
    need_rights(applied, machine)
    try:
        record.write(applied, machine)
        for folder in applied.folders:
            machine.make_folder(folder)
        for change in applied.changes:
            machine.put(change.path, change.after)
            tell(f"wrote {change.path}")
        _run(plan.commands, machine, tell)
        record.write(applied._replace(is_whole=True), machine)
    except (OSError, CommandFailed):
        tell("a step failed: undoing the steps before it")
        undo(applied, machine, tell)
        raise


def is_done(applied: Record, machine: Machine) -> bool:
    """Return whether all of a record was done, and everything is still so."""
    links = [command.when for command in applied.undo if command.when and machine.run]
    return (
        applied.is_whole
        and all(map(machine.exists, links))  # a restart of the machine takes them
        and all(machine.state(c.path).is_like(c.after) for c in applied.changes)
    )


def need_rights(applied: Record, machine: Machine) -> None:
    """Check that the process may write every file in a record, and the record.

    Raises:
        Refusal: it may not.

    """
    for path in (record.PATH, *(change.path for change in applied.changes)):
        if not machine.may_write(path):
            raise Refusal(f"{path} cannot be written: this needs root (sudo)")


def _run(commands: Iterable[Command], machine: Machine, tell: Tell) -> None:
    for command in commands:
        if command.when and not machine.exists(command.when):
            continue
        if machine.run is None:
            tell(f"not run, because of --root: {' '.join(command.argv)}")
            continue
        machine.run(command.argv)
        tell(f"ran {' '.join(command.argv)}")


def undo(applied: Record, machine: Machine, tell: Tell, *, force: bool = False) -> None:
    """Restore everything that a record holds.

    With ``force``, files that were changed since are restored, too.

    Raises:
        Refusal: a file was changed since; it is left as it is, all others are restored.
        OSError, CommandFailed: a step failed; the record stays, to try again.

    """
    need_rights(applied, machine)
    alien = [
        change.path
        for change in reversed(applied.changes)
        if not _put_back(change, machine, tell, force=force)
    ]
    for folder in reversed(applied.folders):
        if not machine.remove_folder(folder):
            tell(f"{folder} stays: it holds other files")
    _run(applied.undo, machine, tell)
    if alien:
        raise Refusal(
            f"{', '.join(alien)}: changed since by another program, and left as it is;"
            " look at it; minidns split-dns undo --force restores the old content"
        )
    record.remove(machine)


def _put_back(change: Change, machine: Machine, tell: Tell, *, force: bool) -> bool:
    machine.tidy(change.path)
    now = machine.state(change.path)
    if now == change.before:
        return True
    if not (force or now.is_like(change.after) or now.is_like(change.before)):
        return False
    machine.put(change.path, change.before)
    done = "removed" if change.before.kind == "absent" else "put back"
    tell(f"{done} {change.path}")
    return True
