"""Apply a plan, and undo what of it was done.

The order is what makes it safe: the record first, then folders, files, commands; back
in reverse, the record last. Each step may be done twice.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from minidns.laptop.split_dns import record
from minidns.laptop.split_dns.machine import CommandFailed, Machine
from minidns.laptop.split_dns.plan import Command, Plan, Refusal
from minidns.laptop.split_dns.record import Change, Record

Tell: TypeAlias = Callable[[str], None]
"""Takes a line about what is done."""


def apply(plan: Plan, machine: Machine, tell: Tell) -> None:
    """Do what ``plan`` says; or, if a step fails, nothing. There is no record yet.

    Raises:
        Refusal: we have no right to.
        OSError, CommandFailed: a step failed; what was done is undone.

    """
    made = record.of(plan, machine)
    need_rights(made, machine)
    try:
        record.write(made, machine)
        for folder in made.folders:
            machine.make_folder(folder)
        for change in made.changes:
            machine.put(change.path, change.after)
            tell(f"wrote {change.path}")
        _run(plan.commands, machine, tell)
        record.write(made._replace(is_whole=True), machine)
    except (OSError, CommandFailed):
        tell("this failed, so what was done is undone")
        undo(made, machine, tell)
        raise


def is_done(made: Record, machine: Machine) -> bool:
    """Return whether all of a record was done, and everything is still so."""
    links = [each.when for each in made.undo if each.when and machine.run]
    return (
        made.is_whole
        and all(map(machine.exists, links))  # a restart of the machine takes them
        and all(machine.state(c.path).is_like(c.after) for c in made.changes)
    )


def need_rights(made: Record, machine: Machine) -> None:
    """Return if we may write all that is in a record, and the record.

    Raises:
        Refusal: we may not.

    """
    for path in (record.PATH, *(each.path for each in made.changes)):
        if not machine.may_write(path):
            raise Refusal(f"{path} cannot be written: this needs root (sudo)")


def _run(commands: Iterable[Command], machine: Machine, tell: Tell) -> None:
    for each in commands:
        if each.when and not machine.exists(each.when):
            continue
        if machine.run is None:
            tell(f"not run, as this is no real machine: {' '.join(each.argv)}")
            continue
        machine.run(each.argv)
        tell(f"ran {' '.join(each.argv)}")


def undo(made: Record, machine: Machine, tell: Tell, *, force: bool = False) -> None:
    """Put back everything that a record says was there before.

    ``force`` also where somebody has changed it since.

    Raises:
        Refusal: somebody has; that file is left alone, all others are back.
        OSError, CommandFailed: a step failed; the record stays, to try again.

    """
    need_rights(made, machine)
    alien = [
        change.path
        for change in reversed(made.changes)
        if not _put_back(change, machine, tell, force=force)
    ]
    for folder in reversed(made.folders):
        if not machine.remove_folder(folder):
            tell(f"{folder} stays: somebody has put files into it")
    _run(made.undo, machine, tell)
    if alien:
        raise Refusal(
            f"{', '.join(alien)}: changed since by somebody else, and left as it is;"
            " look at it, then minidns split-dns undo --force puts back what was there"
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
