"""The command line of ``minidns split-dns``: plan, apply, undo, doctor."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from minidns.dns import names
from minidns.laptop import UP_LISTEN
from minidns.laptop.split_dns import doctor, record, show, steps
from minidns.laptop.split_dns.machine import CommandFailed, Machine, run
from minidns.laptop.split_dns.plan import Plan, Refusal, Wanted
from minidns.laptop.split_dns.recipes import RECIPES, found
from minidns.text.terminal import escaping

ZONE = "cluster.local"
OFFERED = "k8s.internal"
"""An alias zone: .internal is for private use, and no mDNS (ICANN 2024)."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns split-dns",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Point this machine's resolver at a local minidns (minidns up) for"
        " the names of\na cluster, and back.",
        epilog="plan shows every file and command, and does nothing. apply does it,"
        " with what was\nthere before on record. undo puts that back, byte for byte,"
        " also after a crash.\ndoctor says what answers what now.\n\nrecipes:\n"
        + "\n".join(f"  {name:15} {each.title}" for name, each in RECIPES.items()),
    )
    made.add_argument("action", choices=("plan", "apply", "undo", "doctor"))
    made.add_argument(
        "--zone",
        action="append",
        default=[],
        help=f"names at or below it; may be repeated ({ZONE}; better an alias zone"
        f" of minidns up --alias, such as {OFFERED})",
    )
    made.add_argument(
        "--server",
        metavar="HOST:PORT",
        default=UP_LISTEN,
        help=f"where minidns answers ({UP_LISTEN})",
    )
    made.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        metavar="NAME",
        help="(the one that fits this machine)",
    )
    made.add_argument(
        "--mdns-ok", action="store_true", help="apply a zone in .local all the same"
    )
    made.add_argument(
        "--force", action="store_true", help="undo what somebody has changed since, too"
    )
    made.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="FOLDER",
        help="take files as below it, and run no command",
    )
    return made


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = parser().parse_args(argv)
    try:
        machine = _machine(args.root)
        match args.action:
            case "plan":
                return _plan(args, machine)
            case "apply":
                return _apply(args, machine)
            case "undo":
                return _undo(args, machine)
            case _:
                return _doctor(args, machine)
    except (Refusal, CommandFailed) as problem:
        reason = str(problem)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    sys.stdout.flush()
    print(f"minidns split-dns: {reason}", file=sys.stderr)
    return 1


def _machine(root: Path) -> Machine:
    if not root.is_dir():
        raise Refusal(f"--root {root}: no such folder")
    return Machine(root, run if root == Path("/") else None)


def wanted(zones: Sequence[str], server: str) -> Wanted:
    """Return what the options ask for.

    Raises:
        Refusal: they are wrong.

    """
    host, colon, port = server.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise Refusal(f"--server {server}: HOST:PORT is needed")
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
        raise Refusal(f"--zone {text!r}: not a name: {error}") from error
    if not (plain.isascii() and plain.isalnum()) or zone.startswith((".", "-")):
        raise Refusal(f"--zone {text!r}: not the name of a zone")
    if zone.endswith(".arpa."):
        raise Refusal(
            f"--zone {text}: minidns forwards addresses that it does not know, and"
            " would be asked for them again"
        )
    return zone


def _planned(args: argparse.Namespace, machine: Machine) -> tuple[Plan, str]:
    """Return what is to be done, and why by this recipe."""
    name, why = (args.recipe, "--recipe") if args.recipe else found(machine)
    return RECIPES[name].make(wanted(args.zone, args.server), machine), why


def _plan(args: argparse.Namespace, machine: Machine) -> int:
    if made := record.read(machine):
        wanted(args.zone, args.server)
        print(f"applied: {made.title}; nothing else can be until it is undone")
        return 0
    plan, why = _planned(args, machine)
    for line in show.plan_lines(plan, why, machine):
        print(line)
    if warning := _mdns(plan.wanted):
        print(f"warning: {warning}")
    print("nothing of this was done: minidns split-dns apply does it")
    return 0


def _mdns(wanted: Wanted) -> str:
    """Return what is wrong with zones in .local, if there are any."""
    local = [zone for zone in wanted.bare if f".{zone}".endswith(".local")]
    if not local:
        return ""
    return (
        f"{' '.join(local)}: names in .local belong to mDNS (RFC 6762), so some"
        " programs never ask DNS for them. Better: minidns up --alias"
        f" {OFFERED}, and split-dns --zone {OFFERED}. Or --mdns-ok"
    )


def _apply(args: argparse.Namespace, machine: Machine) -> int:
    asked = wanted(args.zone, args.server)
    if (warning := _mdns(asked)) and not args.mdns_ok:
        raise Refusal(warning)
    if made := record.read(machine):
        if not made.covers(args.recipe or made.recipe, asked):
            raise Refusal(f"applied: {made.title}; first minidns split-dns undo")
        if steps.is_done(made, machine):
            print(f"applied already: {made.title}")
            return 0
        print("an earlier apply was cut short, or changed since: first undone")
        steps.undo(made, machine, print)
    plan, why = _planned(args, machine)
    for line in show.plan_lines(plan, why, machine):
        print(line)
    steps.apply(plan, machine, print)
    print("applied. To see whether it works: minidns split-dns doctor")
    return 0


def _undo(args: argparse.Namespace, machine: Machine) -> int:
    made = record.read(machine)
    if made is None:
        if machine.may_write(record.PATH):
            machine.tidy(record.PATH)
        print("nothing to undo")
        return 0
    steps.undo(made, machine, print, force=args.force)
    print(f"undone: {made.title}")
    return 0


def _doctor(args: argparse.Namespace, machine: Machine) -> int:
    made = record.read(machine)
    asked = made.wanted if made and not args.zone else wanted(args.zone, args.server)
    findings = list(doctor.findings(machine, made, asked, doctor.Asks()))
    for each in findings:
        print(each)
    return 1 if any(each.is_wrong for each in findings) else 0
