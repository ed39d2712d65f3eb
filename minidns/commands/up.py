"""``minidns up``: the names of a kubeconfig's cluster on this machine.

The same as the serving command with ``--kubeconfig``; the default file is kubectl's.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from minidns.commands import serve
from minidns.laptop import UP_LISTEN
from minidns.text.terminal import escaping


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    up = argparse.ArgumentParser(
        "minidns up",
        description="Answer for the names of a cluster on this machine, without root. "
        "The same as minidns --kubeconfig FILE, with the usual file. See also "
        "minidns split-dns.",
    )
    up.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="kubeconfig file ($KUBECONFIG, or ~/.kube/config)",
    )
    serve.add_laptop_options(up.add_argument, UP_LISTEN)
    up.add_argument(
        "--explain", metavar="HOST:PORT", help="address of the endpoint for minidns why"
    )
    return up


@escaping
def main(argv: Sequence[str]) -> int:
    """Serve until the process is stopped; return the exit status."""
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
    return serve.main(words)
