"""``minidns-sim walk``: every step of a lookup, from the call to its result."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from minidns.stub.protocol import Status
from minidns.text.arguments import Parser
from minidns.walk.steps import Walk
from minidns.walk.text import lines

from ..api.status import ApiError
from ..scenario import clock, play
from ..walk.walk import walks, wanted_of
from ..walk.world import SHOP, perform, world
from .common import Unreadable, count, fail, read_text

FOUND, FAILED, UNREADABLE = 0, 1, 4
EXAMPLES = {
    "minidns-sim walk shop/cart web": "a Service, by its short name",
    "minidns-sim walk shop/cart db --as musl --packets": "with the bytes of packets",
    "minidns-sim walk shop/cart google.com --fault 'lose 1/2 link pods>node'": "with a "
    "link that loses packets",
}
_NOTES = """\
The cluster is one of its own, in memory and in virtual time; without --setup it has a
small shop. The steps are recorded from its packets, plugins and objects.

exit status: 0 found, 1 the lookup failed with the pod's own server, 2 there is no such
pod, resolver or fault, or the command line is wrong, 4 a file cannot be read"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim walk",
        "Look a name up in a simulated pod, once with each DNS service, and show every "
        "step: who did it, and what it followed from.",
        EXAMPLES,
        _NOTES,
    )
    parser.add_argument("pod", metavar="[NAMESPACE/]POD", help="pod that looks it up")
    parser.add_argument("name", metavar="NAME", help="name to look up")
    parser.add_argument(
        "types", nargs="*", metavar="TYPE", help="record types (default: A and AAAA)"
    )
    parser.add_argument(
        "--as",
        dest="kind",
        default="",
        metavar="RESOLVER",
        help="stub resolver (default: that of the pod's programs)",
    )
    parser.add_argument(
        "--fault",
        metavar="WORDS",
        action="append",
        default=[],
        help="a fault in the words of scenarios; may be repeated",
    )
    parser.add_argument(
        "--setup", type=Path, metavar="FILE", help="set the cluster up by this scenario"
    )
    parser.add_argument(
        "--packets", action="store_true", help="show the bytes of packets, too"
    )
    parser.add_argument(
        "--seed", type=count, default=1, metavar="N", help="seed of what is random"
    )
    parser.add_output("text", "json")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    try:
        sides = clock.run(_walks(args))
    except Unreadable as error:
        return fail("walk", error, UNREADABLE)
    except (ApiError, ValueError) as error:
        arguments.error(str(error))
    if args.output == "json":
        print(json.dumps({"walks": [side.to_json() for side in sides]}, indent=2))
    else:
        print("\n".join(lines(sides, packets=args.packets)))
    own = next((side for side in sides if side.is_own), sides[0])
    found = own.result.facts["status"] == Status.ANSWERED.value
    return FOUND if found else FAILED


async def _walks(args: argparse.Namespace) -> tuple[Walk, ...]:
    setup = SHOP if args.setup is None else read_text("--setup", args.setup)
    async with world(setup, args.seed, f"--setup {args.setup}") as stage:
        wanted = wanted_of(stage, args.pod, args.name, args.kind, " ".join(args.types))
        await perform(stage, play.steps("\n".join(args.fault), 1))
        return await walks(stage, wanted)
