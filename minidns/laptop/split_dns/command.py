"""The command line of ``minidns split-dns``: plan, apply, undo, doctor."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from pathlib import Path

from minidns.dns import names
from minidns.laptop import LISTEN, OFFERED_ALIAS
from minidns.laptop.split_dns import doctor, steps
from minidns.laptop.split_dns.machine import (
    ABSENT,
    LINK,
    CommandFailed,
    Machine,
    State,
    run,
)
from minidns.laptop.split_dns.recipes import (
    RECIPES,
    Command,
    Plan,
    Refusal,
    Wanted,
    Write,
    detect,
)
from minidns.text import terminal
from minidns.text.arguments import Parser, document, host_port
from minidns.text.files import describe
from minidns.text.terminal import escaping

ZONE = "cluster.local"
_COLORS = {
    "^ok": terminal.GREEN,
    "^WRONG": terminal.RED,
    "^note": terminal.YELLOW,
    "^skip": terminal.DIM,
}
"""Colours of what the doctor finds."""
_ACTIONS = """\
actions:
  plan    show every file and command, and change nothing
  apply   change the machine, with a record of what was there before
  undo    restore that, byte for byte, also after a crash
  doctor  check each step between a program and minidns

recipes:
"""
_EXAMPLES = {
    f"minidns split-dns plan --zone {OFFERED_ALIAS}": "show what would be changed",
    f"sudo minidns split-dns apply --zone {OFFERED_ALIAS}": "change it",
    "minidns split-dns doctor": "check that programs get minidns's answers",
    "sudo minidns split-dns undo": "restore everything",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns split-dns",
        "Point this machine's resolver at a local minidns (minidns up) for the names of"
        " a cluster, and back.",
        _EXAMPLES,
        _ACTIONS + "\n".join(f"  {n:15} {r.title}" for n, r in RECIPES.items()),
    )
    parser.add_argument("action", choices=("plan", "apply", "undo", "doctor"))
    parser.add_argument(
        "--zone",
        action="append",
        default=[],
        help="zone whose names minidns answers; may be repeated; best an alias zone of"
        f" minidns up --alias, such as {OFFERED_ALIAS} (default: {ZONE})",
    )
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        type=host_port,
        default=LISTEN,
        help="address at which minidns answers",
    )
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        metavar="NAME",
        help="recipe to use (default: the one that fits this machine)",
    )
    parser.add_argument(
        "--mdns-ok", action="store_true", help="apply a zone in .local all the same"
    )
    parser.add_argument(
        "--force", action="store_true", help="undo files that were changed since, too"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="FOLDER",
        help="change files below this directory instead, and run no command",
    )
    parser.add_output("text", "json", "yaml", help_="output format of plan and doctor")
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = parser().parse(argv)
    actions = {"plan": _plan, "apply": _apply, "undo": _undo, "doctor": _doctor}
    try:
        return actions[args.action](args, machine_at(args.root))
    except (Refusal, CommandFailed) as problem:
        reason = str(problem)
    except OSError as error:
        reason = describe(error)
    sys.stdout.flush()
    print(f"minidns split-dns: {reason}", file=sys.stderr)
    return 1


def machine_at(root: Path) -> Machine:
    """Return the machine with its files below ``root``, where only ``/`` is this one.

    Raises:
        Refusal: there is no such directory.

    """
    if not root.is_dir():
        raise Refusal(f"--root {root}: no such directory")
    return Machine(root, run if root == Path("/") else None)


def wanted(zones: Sequence[str], server: str) -> Wanted:
    """Return the zones and the server that the options name.

    Raises:
        Refusal: they are wrong.

    """
    host, colon, port = server.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise Refusal(f"--server {server}: HOST:PORT is needed, such as {LISTEN}")
    try:
        names.reverse(host)
    except ValueError as error:
        raise Refusal(f"--server {server}: HOST must be an IP address") from error
    return Wanted(tuple(dict.fromkeys(map(_zone, zones or [ZONE]))), (host, int(port)))


def _zone(text: str) -> str:
    zone = names.absolute(text)
    plain = zone.replace(".", "").replace("-", "").replace("_", "")
    try:
        names.to_wire(zone)
    except ValueError as error:
        raise Refusal(f"--zone {text!r}: not a domain name: {error}") from error
    if not (plain.isascii() and plain.isalnum()) or zone.startswith((".", "-")):
        raise Refusal(
            f"--zone {text!r}: not the name of a zone, such as {OFFERED_ALIAS}"
        )
    if zone.endswith(".arpa."):
        raise Refusal(
            f"--zone {text}: reverse zones cannot be split: minidns forwards addresses"
            " that it does not know, and the resolver would send them back"
        )
    return zone


def make_plan(recipe: str, wanted: Wanted, machine: Machine) -> tuple[Plan, str]:
    """Return the plan for a machine, and the reason for its recipe.

    Without a ``recipe`` the one that fits the machine is used.

    Raises:
        Refusal: the recipe is not possible here.

    """
    name, why = (recipe, "--recipe") if recipe else detect(machine)
    return RECIPES[name].make(wanted, machine), why


def _plan(args: argparse.Namespace, machine: Machine) -> int:
    requested, applied = wanted(args.zone, args.server), steps.read_record(machine)
    if applied:
        if args.output == "text":
            print(f"applied: {applied.title}; undo it before another plan")
        else:
            print(document({"applied": applied.title}, args.output))
        return 0
    plan, why = make_plan(args.recipe, requested, machine)
    warning = _mdns_warning(requested)
    if args.output != "text":
        print(document(_plan_json(plan, why, warning, machine), args.output))
        return 0
    for line in plan_lines(plan, why, machine):
        print(line)
    if warning:
        print(f"warning: {warning}")
    print("nothing of this was done: minidns split-dns apply does it")
    return 0


def _plan_json(
    plan: Plan, why: str, warning: str, machine: Machine
) -> dict[str, object]:
    return {
        "applied": None,
        "recipe": plan.recipe,
        "reason": why,
        "zones": plan.wanted.bare,
        "server": plan.wanted.shown,
        "folders": steps.record_of(plan, machine).folders,
        "files": [write._asdict() for write in plan.writes],
        "commands": [command.argv for command in plan.commands],
        "undo": [command.argv for command in plan.undo],
        "notes": plan.notes,
        "warnings": [warning] if warning else [],
    }


def _mdns_warning(wanted: Wanted) -> str:
    """Return a warning about zones in .local; empty if there are none."""
    local = [zone for zone in wanted.bare if f".{zone}".endswith(".local")]
    if not local:
        return ""
    return (
        f"{' '.join(local)}: names in .local belong to mDNS (RFC 6762), so some"
        " programs never ask DNS for them. Better: minidns up --alias"
        f" {OFFERED_ALIAS}, and split-dns --zone {OFFERED_ALIAS}. Or --mdns-ok"
    )


def _apply(args: argparse.Namespace, machine: Machine) -> int:
    requested = wanted(args.zone, args.server)
    if (warning := _mdns_warning(requested)) and not args.mdns_ok:
        raise Refusal(warning)
    if applied := check_applied(args.recipe, requested, machine):
        if steps.is_done(applied, machine):
            print(f"applied already: {applied.title}")
            return 0
        print("an earlier apply was interrupted, or its files were changed: undoing it")
        steps.undo(applied, machine, print)
    plan, why = make_plan(args.recipe, requested, machine)
    for line in plan_lines(plan, why, machine):
        print(line)
    steps.apply(plan, machine, print)
    print("applied. To see whether it works: minidns split-dns doctor")
    return 0


def check_applied(recipe: str, wanted: Wanted, machine: Machine) -> steps.Record | None:
    """Return the record of an apply that has the same aim; None without a record.

    Raises:
        Refusal: something else is applied.

    """
    applied = steps.read_record(machine)
    if applied and (recipe or applied.recipe, wanted) != (
        applied.recipe,
        applied.wanted,
    ):
        raise Refusal(
            f"applied already: {applied.title}; run minidns split-dns undo first"
        )
    return applied


def address_to_listen(machine: Machine) -> str:
    """Return the address for a server that the machine's resolver shall ask."""
    recipe, _ = detect(machine)
    # a resolv.conf names no port
    return "127.0.0.1:53" if recipe == "resolv.conf" else LISTEN


class Split:
    """The split of a machine's resolver for as long as a server runs."""

    def __init__(self, zones: Sequence[str], server: str, machine: Machine) -> None:
        """Plan the split, and undo one that was interrupted.

        Raises:
            Refusal: it is not possible, or something else is applied.
            OSError, CommandFailed: the earlier one cannot be undone.

        """
        self._machine = machine
        self._plan: Plan | None = None
        requested = wanted(zones, server)
        if warning := _mdns_warning(requested):
            raise Refusal(warning)
        if applied := check_applied("", requested, machine):
            if steps.is_done(applied, machine) and not applied.is_temporary:
                return  # it was applied to stay
            steps.undo(applied, machine, print)
        self._plan, _ = make_plan("", requested, machine)
        steps.need_rights(steps.record_of(self._plan, machine), machine)

    def apply(self, _: object) -> None:
        """Apply the plan, once the server answers.

        Raises:
            OSError, CommandFailed: a step failed; what was done is undone.

        """
        if self._plan is not None:
            steps.apply(self._plan, self._machine, print, temporary=True)

    def undo(self) -> None:
        """Undo what was applied.

        Raises:
            Refusal: a file was changed since.
            OSError, CommandFailed: a step failed.

        """
        applied = steps.read_record(self._machine) if self._plan else None
        if applied is not None:
            steps.undo(applied, self._machine, print)


def _undo(args: argparse.Namespace, machine: Machine) -> int:
    applied = steps.read_record(machine)
    if applied is None:
        if machine.may_write(steps.PATH):
            machine.tidy(steps.PATH)
        print("nothing to undo")
        return 0
    steps.undo(applied, machine, print, force=args.force)
    print(f"undone: {applied.title}")
    return 0


def _doctor(args: argparse.Namespace, machine: Machine) -> int:
    applied = steps.read_record(machine)
    requested = (
        applied.wanted if applied and not args.zone else wanted(args.zone, args.server)
    )
    findings = list(doctor.findings(machine, applied, requested, doctor.Asks()))
    if args.output != "text":
        found = [finding._asdict() for finding in findings]
        print(document({"findings": found}, args.output))
    else:
        for finding in findings:
            terminal.show(str(finding), _COLORS)
    return 1 if any(f.result is doctor.Result.WRONG for f in findings) else 0


# -- a plan as lines for people


def plan_lines(plan: Plan, why: str, machine: Machine) -> Iterator[str]:
    """Yield every file, every command, and the notes of a plan."""
    yield f"recipe {plan.recipe}: {RECIPES[plan.recipe].title} ({why})"
    zones = " ".join(plan.wanted.bare)
    yield f"send queries for names at or below {zones} to {plan.wanted.shown}"
    for folder in steps.record_of(plan, machine).folders:
        yield f"create the directory {folder}"
    for write in plan.writes:
        yield from _file_lines(write, machine.state(write.path))
    for command in plan.commands:
        yield from _command_lines("run", command)
    yield f"record the old content until the undo: {steps.PATH}"
    for command in plan.undo:
        yield from _command_lines("undo runs", command)
    for note in plan.notes:
        yield f"note: {note}"


def _file_lines(write: Write, now: State) -> Iterator[str]:
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


def _command_lines(word: str, command: Command) -> Iterator[str]:
    yield f"{word} {' '.join(command.argv)}"
    yield f"    {command.why}"
