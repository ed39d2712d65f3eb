"""``minidns-sim web``: a page that shows every step of a lookup, and breaks links."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from minidns.text.arguments import Parser
from minidns.text.files import describe
from minidns.web import token
from minidns.web.server import add_port, serve
from minidns.web.source import Events

from ..walk.world import SHOP, WrongWords
from ..web.source import SimulatedSource
from .common import Unreadable, fail, read_text, run

_EXAMPLES = {
    "minidns-sim web": "open the URL that it prints in a browser",
    "minidns-sim web --setup story.txt": "with a cluster of your own",
}
_NOTES = """\
The page listens on loopback only, and answers only to the token in its URL. The token
stays the same from run to run, so that an open page connects again after a restart."""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim web",
        "Serve a page on this machine that shows every step of a lookup in a simulated "
        "cluster, breaks links, and lists all queries as they happen.",
        _EXAMPLES,
        _NOTES,
    )
    add_port(parser)
    parser.add_argument(
        "--setup", type=Path, metavar="FILE", help="set the cluster up by this scenario"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Serve until the process is stopped; return the exit status."""
    args = parser().parse(argv)
    try:
        return run(_serve(args))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is the normal end
    except Unreadable as error:
        return fail("web", error)
    except WrongWords as error:
        return fail("web", error.in_file(f"--setup {args.setup}"))
    except OSError as error:
        return fail("web", f"{describe(error)}; --port 0 takes a free port")


async def _serve(args: argparse.Namespace) -> None:
    setup = SHOP if args.setup is None else read_text("--setup", args.setup)
    events = Events()
    source = SimulatedSource(events)
    try:
        await source.start(setup)
        kept = token.kept(token.state_folder("minidns-sim"))
        await serve(source, events, kept, args.port)
    finally:
        await source.close()
