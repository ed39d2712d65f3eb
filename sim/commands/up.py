"""``minidns-sim up``: a simulated cluster for kubectl and ``minidns-sim exec``."""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from minidns.text.arguments import Parser
from minidns.text.files import describe

from ..api import private_files
from ..cluster import state
from ..node.processes import Processes
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
        return _run(args.state, args.coredns and _program(args.coredns))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is the normal end
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail("up", describe(error))
    except ValueError as error:
        return fail("up", error)


def _run(folder: Path, coredns: Path | None) -> int:
    processes = Processes()
    # aiohttp loads the machine's authorities when imported, in 50 ms; none is needed
    os.environ["SSL_CERT_FILE"] = os.devnull
    gc.disable()  # what modules hold is no garbage: looking for some takes 90 ms
    # not at the top: this takes as long as the process of `processes` needs to import
    # minidns, and happens at the same time
    from ..cluster import up

    gc.freeze()
    gc.enable()
    try:
        return run(up.run(sys.stdout, folder, processes, coredns))
    except up.NotReady as error:
        return fail("up", error)


def _program(path: Path) -> Path:
    """Return the absolute path of the program at ``path``.

    Raises:
        ValueError: it is not a program.

    """
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ValueError(f"{path} is not a program that can be run")
    return path.absolute()
