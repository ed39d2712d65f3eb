"""``minidns up``: the names of a kubeconfig's cluster on this machine.

Another word for the serving command with ``--kubeconfig``, with kubectl's idea of which
file that is.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from minidns.text.terminal import escaping

LISTEN = "127.0.0.1:5353"
"""Where the serving command answers."""
UP_LISTEN = "127.0.0.1:5354"
"""Where ``up`` does, and split-dns expects it: 5353 is mDNS's, on a desktop taken."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns up",
        description="Answer for the names of a cluster on this machine, without root. "
        "The same as minidns --kubeconfig FILE, with the usual file. See also "
        "minidns split-dns.",
    )
    made.add_argument(
        "--kubeconfig", metavar="FILE", help="($KUBECONFIG, or ~/.kube/config)"
    )
    add_options(made.add_argument, UP_LISTEN)
    made.add_argument(
        "--explain", metavar="HOST:PORT", help="where minidns why may ask"
    )
    return made


def add_options(add: Callable[..., object], listen: str) -> None:
    """Add what both commands know of the cluster and the machine."""
    add("--context", metavar="NAME", help="context in the kubeconfig")
    add(
        "--listen",
        metavar="HOST:PORT",
        default=listen,
        help=f"where to answer ({listen})",
    )
    add(
        "--alias",
        metavar="ZONE",
        action="append",
        default=[],
        help="a zone with the same names as cluster.local, such as k8s.internal;"
        " may be repeated",
    )
    add(
        "--resolv-conf",
        metavar="FILE",
        help="forward other names to the servers in this file (the machine's own)",
    )


@escaping
def main(argv: Sequence[str]) -> int:
    """Serve until told to stop; return the exit status."""
    from minidns.__main__ import main as minidns

    args = parser().parse_args(argv)
    kubeconfig = args.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if os.pathsep in kubeconfig and not args.kubeconfig:
        print(
            f"minidns up: KUBECONFIG names several files: {kubeconfig} (make one of"
            " them: kubectl config view --flatten >FILE; then minidns up"
            " --kubeconfig FILE)",
            file=sys.stderr,
        )
        return 1
    words = ["--kubeconfig", kubeconfig, "--listen", args.listen]
    for option in ("context", "resolv_conf", "explain"):
        if value := getattr(args, option):
            words += [f"--{option.replace('_', '-')}", value]
    for zone in args.alias:
        words += ["--alias", zone]
    return minidns(words)
