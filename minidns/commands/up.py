"""``minidns up``: the names of a kubeconfig's cluster on this machine.

The same as the serving command with ``--kubeconfig``; the default file is kubectl's.
With ``--split-dns`` the machine's resolver is pointed at it for as long as it runs.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minidns.commands import serve
from minidns.kubernetes.resources import usual_kubeconfig
from minidns.laptop import LISTEN, OFFERED_ALIAS
from minidns.laptop.split_dns.command import Split, address_to_listen, machine_at
from minidns.laptop.split_dns.machine import CommandFailed
from minidns.laptop.split_dns.recipes import Refusal
from minidns.text.arguments import Parser
from minidns.text.files import describe
from minidns.text.terminal import escaping

if TYPE_CHECKING:  # imported when the server is, so that --help is quick
    from minidns.server.process import Started

PREFIX = "minidns up: "
_EXAMPLES = {
    "minidns up": "answer for the current cluster of kubectl",
    "minidns up --context kind-kind --alias k8s.internal": "also below k8s.internal",
    "sudo minidns up --split-dns": "for all programs, until Ctrl-C",
}


def parser() -> Parser:
    """Return the parser of the command."""
    up = Parser(
        "minidns up",
        "Answer for the names of a cluster on this machine, without root. The same as "
        "minidns --kubeconfig FILE, with the usual file.",
        _EXAMPLES,
    )
    up.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="kubeconfig file (default: $KUBECONFIG, or ~/.kube/config)",
    )
    serve.add_laptop_options(up.add_argument)
    up.add_argument(
        "--explain",
        metavar="HOST:PORT",
        type=serve.explain_address,
        help=f"address of the endpoint for minidns why (default: {serve.EXPLAIN})",
    )
    up.add_argument(
        "--split-dns",
        action="store_true",
        help="point this machine's resolver at it until it ends, as minidns split-dns"
        f" apply and undo do; needs root; without --alias the zone is {OFFERED_ALIAS}",
    )
    up.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    return up


@escaping
def main(argv: Sequence[str]) -> int:
    """Serve until the process is stopped; return the exit status."""
    args = parser().parse(argv)
    named = args.kubeconfig or os.environ.get("KUBECONFIG")
    kubeconfig = named or usual_kubeconfig(os.environ)
    if os.pathsep in kubeconfig and not args.kubeconfig:
        return _fail(
            f"KUBECONFIG names several files: {kubeconfig}; kubectl config view"
            " --flatten >FILE makes one of them, for minidns up --kubeconfig FILE"
        )
    return _split(args, kubeconfig) if args.split_dns else _serve(args, kubeconfig)


def _serve(
    args: argparse.Namespace, kubeconfig: str, started: "Started | None" = None
) -> int:
    words = ["--kubeconfig", kubeconfig, "--listen", args.listen]
    for option in ("context", "resolv_conf", "explain"):
        if value := getattr(args, option):
            words += [f"--{option.replace('_', '-')}", value]
    for zone in args.alias:
        words += ["--alias", zone]
    return serve.main(words, PREFIX, started)


def _split(args: argparse.Namespace, kubeconfig: str) -> int:
    """Serve with the machine's resolver pointed at it; return the exit status."""
    args.alias = args.alias or [OFFERED_ALIAS]
    try:
        machine = machine_at(args.root)
        if args.listen == LISTEN:
            args.listen = address_to_listen(machine)
        split = Split(args.alias, args.listen, machine)
        try:
            return _serve(args, kubeconfig, split.apply)
        finally:
            split.undo()
    except (Refusal, CommandFailed) as error:
        return _fail(f"--split-dns: {error}")
    except OSError as error:
        return _fail(f"--split-dns: {describe(error)}")


def _fail(text: str) -> int:
    sys.stdout.flush()
    print(f"{PREFIX}{text}", file=sys.stderr)
    return 1
