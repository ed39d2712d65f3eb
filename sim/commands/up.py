"""``minidns-sim up``: a simulated cluster for kubectl and ``minidns-sim exec``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from minidns.text.arguments import Parser
from minidns.text.files import describe

from ..api import private_files
from ..cluster import state, up
from ..cluster.simulation import NotReady
from .common import add_folder, fail, run

_EXAMPLES = {
    "minidns-sim up": "a cluster until Ctrl-C; it prints what to try",
    "minidns-sim up --coredns ./coredns": "a real CoreDNS behind kube-dns",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim up",
        "Run a simulated cluster until Ctrl-C, for kubectl, minidns-sim exec and "
        "minidns-sim fault.",
        _EXAMPLES,
    )
    add_folder(parser)
    parser.add_argument(
        "--coredns",
        type=Path,
        metavar="PATH",
        help="run this CoreDNS behind kube-dns, instead of minidns",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = parser().parse(argv)
    try:
        running = state.read(args.state)
    except state.NotUp:
        pass
    else:
        text = f"a cluster is up already in {args.state}: process {running.pid}"
        return fail("up", f"{text}; end it, or choose another folder: --state FOLDER")
    try:
        private_files.folder(args.state)
        coredns = None if args.coredns is None else up.program(args.coredns)
        return run(up.run(sys.stdout, args.state, coredns))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is the normal end
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail("up", describe(error))
    except (NotReady, ValueError) as error:
        return fail("up", error)
