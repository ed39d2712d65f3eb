"""``minidns-sim demo``: the purpose of minidns, shown on a simulated cluster."""

import sys
from collections.abc import Sequence
from pathlib import Path

from minidns.text.arguments import Parser
from minidns.text.files import describe
from minidns.text.terminal import raw

from ..api.status import ApiError
from ..demo import tour
from .common import fail, run

_EXAMPLES = {
    "minidns-sim demo": "every step with its checks",
    "minidns-sim demo --apply service.yaml": "with another object, to see checks fail",
}


def parser() -> Parser:
    """Return the parser of the command."""
    demo = Parser(
        "minidns-sim demo",
        "Show the purpose of minidns on a simulated cluster, step by step, and check "
        "every claim.",
        _EXAMPLES,
    )
    demo.add_argument(
        "--apply",
        type=Path,
        metavar="FILE",
        help="apply a manifest first, to see checks fail",
    )
    return demo


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = parser().parse(argv)
    try:
        return run(tour.run(raw(sys.stdout), args.apply))
    except ApiError as error:
        return fail("demo", f"--apply {args.apply}: {error}")
    except UnicodeDecodeError:
        return fail("demo", f"--apply {args.apply}: not UTF-8 text")
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail("demo", describe(error))
