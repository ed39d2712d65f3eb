"""``minidns-sim exec``: run a command in a pod of the running cluster."""

import sys
from collections.abc import Sequence

from minidns.text.arguments import Parser

from ..cluster import state
from .common import add_folder, fail

_EXAMPLES = {
    "minidns-sim exec app -- nslookup kubernetes.default": "as kubectl exec does",
    "minidns-sim exec --queries app -- getent ahosts google.com": "with every query",
    "minidns-sim exec app -- resolve musl-1.2.3 google.com": "as another C library",
}
_NOTES = """\
commands: nslookup NAME [TYPE], dig NAME [TYPE], getent ahosts NAME,
resolve RESOLVER NAME, cat /etc/resolv.conf

exit status: that of the command; 1 if there is no cluster or no such pod"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim exec",
        "Run a command in a pod of the cluster that is up.",
        _EXAMPLES,
        _NOTES,
    )
    parser.usage = f"{parser.prog} [options] [NAMESPACE/]POD -- COMMAND ..."
    parser.add_argument(
        "--queries", action="store_true", help="print every query to standard error"
    )
    add_folder(parser)
    parser.add_argument("pod", metavar="[NAMESPACE/]POD", help="pod to run it in")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="see below")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = parser().parse(argv)
    try:
        reply = state.execute(state.read(args.state), args.pod, args.command)
    except (state.NotUp, LookupError) as error:
        return fail("exec", error.args[0])
    sys.stdout.write(reply["text"])
    sys.stdout.flush()
    if args.queries:
        for line in reply["queries"]:
            print(line, file=sys.stderr)
    return int(reply["status"])
