"""``minidns trial export``: a redacted page of a trial, which can be replayed."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minidns.commands import endpoint
from minidns.text.arguments import Parser
from minidns.text.files import describe
from minidns.text.terminal import escaping
from minidns.trial.export.bundle import bundle, failed_names

WRONG = 1
_EXAMPLES = {
    "minidns trial export trial.json > trial.md": "the report, and the journal of the"
    " minidns on this machine",
    "minidns trial export trial.json --server none > trial.md": "the report alone",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns trial export",
        "Write a page of a trial with other names and addresses. With the journal of a"
        " minidns that ran at that time, it is also a scenario that minidns-sim plays.",
        _EXAMPLES,
    )
    parser.add_argument("report", metavar="REPORT", help="the report, as JSON")
    endpoint.add_server(parser)
    parser.add_argument(
        "--zone", default="cluster.local", metavar="ZONE", help="the cluster's domain"
    )
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = parser().parse(argv)
    try:
        report = _read(args.report)
        page = bundle(report, _journal(report, args.server, args.zone), args.zone)
    except OSError as error:
        return _fail(describe(error))
    except endpoint.Failure as failure:
        return _fail(f"{failure}; --server none leaves the journal out")
    except (AttributeError, KeyError, TypeError, ValueError):
        return _fail(f"{args.report}: not a report of minidns trial with -o json")
    print(page, end="")
    return 0


def _read(path: str) -> Mapping[str, Any]:
    report: Mapping[str, Any] = json.loads(Path(path).read_text())
    return report


def _journal(
    report: Mapping[str, Any], server: str, zone: str
) -> Mapping[str, Any] | None:
    """Return what the server knows of the names that failed; None without a server."""
    failed = failed_names(report, zone)
    if server == "none" or not failed:
        return None
    url = endpoint.server_url(server)
    return endpoint.fetch(url, "/journal", {"names": ",".join(failed)})


def _fail(text: str) -> int:
    print(f"minidns trial export: {text}", file=sys.stderr)
    return WRONG
