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
from minidns.laptop.split_dns.recipes import RECIPES, detect
from minidns.text.files import describe
from minidns.text.terminal import escaping

ZONE = "cluster.local"
OFFERED = "k8s.internal"
"""An alias zone: .internal is for private use, and no mDNS (ICANN 2024)."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        "minidns split-dns",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Point this machine's resolver at a local minidns (minidns up) for"
        " the names of\na cluster, and back.",
        epilog="plan shows every file and command, and does nothing. apply does it,"
        " with what was\nthere before on record. undo puts that back, byte for byte,"
        " also after a crash.\ndoctor says what answers what now.\n\nrecipes:\n"
        + "\n".join(f"  {name:15} {recipe.title}" for name, recipe in RECIPES.items()),
    )
    parser.add_argument("action", choices=("plan", "apply", "undo", "doctor"))
    parser.add_argument(
        "--zone",
        action="append",
        default=[],
        help=f"names at or below it; may be repeated ({ZONE}; better an alias zone"
        f" of minidns up --alias, such as {OFFERED})",
    )
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        default=UP_LISTEN,
        help=f"where minidns answers ({UP_LISTEN})",
    )
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        metavar="NAME",
        help="recipe to use (the one that fits this machine)",
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
    return parser


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
        reason = describe(error)
    sys.stdout.flush()
    print(f"minidns split-dns: {reason}", file=sys.stderr)
    return 1


def _machine(root: Path) -> Machine:
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
        raise Refusal(f"--server {server}: HOST:PORT is needed, such as {UP_LISTEN}")
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
        raise Refusal(f"--zone {text!r}: not the name of a zone, such as {OFFERED}")
    if zone.endswith(".arpa."):
        raise Refusal(
            f"--zone {text}: reverse zones cannot be split: minidns forwards addresses"
            " that it does not know, and the resolver would send them back"
        )
    return zone


def _planned(args: argparse.Namespace, machine: Machine) -> tuple[Plan, str]:
    """Return the plan, and the reason for its recipe."""
    name, why = (args.recipe, "--recipe") if args.recipe else detect(machine)
    return RECIPES[name].make(wanted(args.zone, args.server), machine), why


def _plan(args: argparse.Namespace, machine: Machine) -> int:
    if applied := record.read(machine):
        wanted(args.zone, args.server)
        print(f"applied: {applied.title}; undo it before another plan")
        return 0
    plan, why = _planned(args, machine)
    for line in show.plan_lines(plan, why, machine):
        print(line)
    if warning := _mdns(plan.wanted):
        print(f"warning: {warning}")
    print("nothing of this was done: minidns split-dns apply does it")
    return 0


def _mdns(wanted: Wanted) -> str:
    """Return a warning about zones in .local; empty if there are none."""
    local = [zone for zone in wanted.bare if f".{zone}".endswith(".local")]
    if not local:
        return ""
    return (
        f"{' '.join(local)}: names in .local belong to mDNS (RFC 6762), so some"
        " programs never ask DNS for them. Better: minidns up --alias"
        f" {OFFERED}, and split-dns --zone {OFFERED}. Or --mdns-ok"
    )


def _apply(args: argparse.Namespace, machine: Machine) -> int:
    requested = wanted(args.zone, args.server)
    if (warning := _mdns(requested)) and not args.mdns_ok:
        raise Refusal(warning)
    if applied := record.read(machine):
        if not applied.covers(args.recipe or applied.recipe, requested):
            raise Refusal(
                f"applied already: {applied.title}; run minidns split-dns undo first"
            )
        if steps.is_done(applied, machine):
            print(f"applied already: {applied.title}")
            return 0
        print("an earlier apply was interrupted, or its files were changed: undoing it")
        steps.undo(applied, machine, print)
    plan, why = _planned(args, machine)
    for line in show.plan_lines(plan, why, machine):
        print(line)
    steps.apply(plan, machine, print)
    print("applied. To see whether it works: minidns split-dns doctor")
    return 0


def _undo(args: argparse.Namespace, machine: Machine) -> int:
    applied = record.read(machine)
    if applied is None:
        if machine.may_write(record.PATH):
            machine.tidy(record.PATH)
        print("nothing to undo")
        return 0
    steps.undo(applied, machine, print, force=args.force)
    print(f"undone: {applied.title}")
    return 0


def _doctor(args: argparse.Namespace, machine: Machine) -> int:
    applied = record.read(machine)
    requested = (
        applied.wanted if applied and not args.zone else wanted(args.zone, args.server)
    )
    findings = list(doctor.findings(machine, applied, requested, doctor.Asks()))
    for finding in findings:
        print(finding)
    return 1 if any(finding.is_wrong for finding in findings) else 0
