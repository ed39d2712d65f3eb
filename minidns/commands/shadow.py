"""``minidns shadow``: what the plugin *shadow* of a running server found."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minidns.commands import endpoint
from minidns.explain import changes
from minidns.probe import shown
from minidns.text.arguments import Parser
from minidns.text.terminal import escaping

ALIKE, DIFFERENT, FAILED = 0, 1, 4
"""Exit statuses: no server is at fault; one is; there is no report."""
_EXAMPLES = {
    "minidns shadow": "what CoreDNS answered differently so far",
    "minidns shadow @127.0.0.1:8054 -o json": "another server, as JSON",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns shadow",
        "Show where CoreDNS answered the questions of clients differently from a"
        " running minidns, which was started with -shadow. Exit status: "
        f"{ALIKE} if no server is at fault, {DIFFERENT} if one is, {FAILED} if there is"
        " no report.",
        _EXAMPLES,
    )
    parser.usage = f"{parser.prog} [@SERVER] [options]"
    parser.add_argument("words", nargs="*", metavar="[@SERVER]", help="as in --server")
    endpoint.add_server(parser)
    parser.add_output("text", "json")
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    surplus, server = endpoint.split_server(arguments, args.words, args.server)
    if surplus:
        arguments.error(f"{surplus[0]}: only [@SERVER] is understood here")
    try:
        report = endpoint.fetch(server, "/shadow", {})
        is_json = args.output == "json"
        text = json.dumps(report, indent=2) if is_json else "\n".join(lines(report))
        status = DIFFERENT if report["faults"] else ALIKE
    except endpoint.Failure as failure:
        print(f"minidns shadow: {failure}", file=sys.stderr)
        return FAILED
    except (AttributeError, KeyError, TypeError):
        print(f"minidns shadow: {endpoint.not_minidns(server)}", file=sys.stderr)
        return FAILED
    print(text)
    return status


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report for people, the newest difference last."""
    alike = report["questions"] - report["differing"]
    yield (
        f"since {report['since']}: {_number(report['questions'], 'question')},"
        f" {alike} alike,"
        f" {report['differing']} differ, {_number(report['faults'], 'fault')}"
    )
    for server in report["servers"]:
        yield f"  {_server(server)}"
    for reason, count in report["skipped"].items():
        yield f"skipped, {reason}: {count}"
    for kind, count in report["classes"].items():
        yield f"{kind}: {count}"
    for difference in report["differences"]:
        yield from _difference(difference)


def _server(server: Mapping[str, Any]) -> str:
    failed = "; ".join(f"{n} {kind}" for kind, n in sorted(server["failures"].items()))
    alone = f", left alone for {server['left_alone']} s" if server["left_alone"] else ""
    latencies = ""
    if server["lookups"] > sum(server["failures"].values()):
        latencies = (
            f", p50 {1000 * server['p50']:.1f} ms, p99 {1000 * server['p99']:.1f} ms"
        )
    return (
        f"{server['server']} ({server['address']}):"
        f" {_number(server['lookups'], 'lookup')}{latencies}"
        f"{', failed: ' + failed if failed else ''}{alone}"
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _difference(difference: Mapping[str, Any]) -> Iterator[str]:
    first, *rest = shown.lines(difference, "minidns")
    yield f"{difference['time']} {first}"
    yield from rest
    reasons = (difference["rule"] or "unknown", difference["because"])
    yield f"    rule {': '.join(filter(None, reasons))}"
    for source in difference["objects"]:
        version = source["resourceVersion"]
        lead = "from" if source["found"] else "no"
        suffix = f" (resourceVersion {version})" if version else ""
        yield f"    {lead} {source['kind']} {source['name']}{suffix}"
    for change in difference["changes"]:
        yield f"    {changes.line(change)}"
