"""A plan in lines for people: every file, every command, notes. Pure."""

from collections.abc import Iterator
from difflib import unified_diff

from minidns.laptop.split_dns import record
from minidns.laptop.split_dns.machine import ABSENT, LINK, Machine, State
from minidns.laptop.split_dns.plan import Command, Plan, Write
from minidns.laptop.split_dns.recipes import RECIPES


def plan_lines(plan: Plan, why: str, machine: Machine) -> Iterator[str]:
    """Yield all of a plan."""
    yield f"recipe {plan.recipe}: {RECIPES[plan.recipe].title} ({why})"
    zones = " ".join(plan.wanted.bare)
    yield f"send queries for names at or below {zones} to {plan.wanted.shown}"
    for folder in record.of(plan, machine).folders:
        yield f"create the directory {folder}"
    for write in plan.writes:
        yield from _file(write, machine.state(write.path))
    for command in plan.commands:
        yield from _command("run", command)
    yield f"record the old content until the undo: {record.PATH}"
    for command in plan.undo:
        yield from _command("undo runs", command)
    for note in plan.notes:
        yield f"note: {note}"


def _file(write: Write, now: State) -> Iterator[str]:
    after = write.text.splitlines()
    if now.kind == ABSENT:
        yield f"create {write.path}"
        yield from (f"    {line}" for line in after)
        return
    leads = f", a link to {now.content.decode('utf-8', 'replace')}"
    yield f"replace {write.path}{leads if now.kind == LINK else ''}"
    before = "" if now.kind == LINK else now.content.decode("utf-8", "replace")
    changed = list(unified_diff(before.splitlines(), after, lineterm="", n=99))
    yield from (f"    {line}" for line in changed[3:])


def _command(word: str, command: Command) -> Iterator[str]:
    yield f"{word} {' '.join(command.argv)}"
    yield f"    {command.why}"
