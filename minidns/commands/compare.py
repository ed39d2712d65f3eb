"""``minidns compare``: ask several servers the same questions; show what differs."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from minidns.commands import lookups
from minidns.corefile import releases
from minidns.dns import names
from minidns.probe import probing, shown, versions
from minidns.probe.compare import Comparison, compare
from minidns.probe.servers import Target
from minidns.text.arguments import Parser
from minidns.text.terminal import escaping

ALIKE, DIFFERENT = 0, 1
_MANY_SHOWN = 50
_EXAMPLES = {
    "minidns compare 10.96.0.10 10.96.0.20 --names names.txt": "names of a file",
    "minidns compare svc/kube-dns svc/kube-dns-2 pods/kube-dns --from-services": "all "
    "Services of the cluster",
    "kubectl logs -n kube-system -l k8s-app=kube-dns "
    "| minidns compare svc/kube-dns svc/kube-dns-2 --from-log -": "what pods ask",
}
_NOTES = """\
servers: 10.96.0.10, 127.0.0.1:5354, svc/NAME (its cluster IP), pods/NAME (each pod)

exit status: 0 alike, 1 a server is at fault, 2 wrong usage, 4 a server never
answered, or a file or the cluster cannot be read"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns compare",
        "Ask several DNS servers the same questions at the same moment, and"
        " show where their answers differ. The first server is the reference.",
        _EXAMPLES,
        _NOTES,
    )
    lookups.add_options(parser)
    parser.add_argument(
        "--rate",
        type=lookups.rate,
        default=500,
        metavar="N",
        help="queries a second to each server",
    )
    parser.add_argument(
        "-as",
        "--as",
        dest="release",
        metavar="VERSION",
        type=releases.argument,
        help="release of the CoreDNS among the servers: its known differences from"
        f" {releases.NEWEST} are no faults",
    )
    parser.add_output("text", "json")
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = lookups.parse(parser(), argv)
    return lookups.run("compare", lambda: _run(args))


async def _run(args: argparse.Namespace) -> int:
    began = time.monotonic()
    targets, asked = await lookups.read(args)
    if len(targets) < 2:
        raise lookups.Unusable(
            "there is only one server: name a second one to compare with"
        )
    result = await compare(
        asked,
        [target.address for target in targets],
        lookups.form(args),
        rate=args.rate,
        zone=names.absolute(args.zone),
        known=versions.known(args.release),
        progress=_progress if sys.stderr.isatty() else lambda comparison: None,
    )
    if sys.stderr.isatty():
        print(end="\r\x1b[K", file=sys.stderr)
    seconds = time.monotonic() - began
    if args.output == "json":
        print(json.dumps(_as_json(result, targets, seconds), indent=2))
    else:
        print("\n".join(_lines(result, targets, seconds)))
    return _status(result)


def _status(result: Comparison) -> int:
    if any(tally.latencies.count == 0 for tally in result.tallies):
        return lookups.UNANSWERED
    return DIFFERENT if result.faults else ALIKE


def _progress(so_far: Comparison) -> None:
    line = f"{so_far.questions} questions, {so_far.differing} differ"
    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _lines(
    result: Comparison, targets: Sequence[Target], seconds: float
) -> Iterable[str]:
    """Yield the result for people."""
    yield (
        f"{result.questions} questions at {len(targets)} servers in {seconds:.1f} s:"
        f" {result.questions - result.differing} alike, {result.differing} differ,"
        f" {result.faults} faults"
    )
    for number, (target, tally) in enumerate(
        zip(targets, result.tallies, strict=True), 1
    ):
        times = tally.latencies
        failed = "; ".join(f"{n} {kind}" for kind, n in sorted(tally.failures.items()))
        yield (
            f"  {number}  {lookups.label(target):40} {tally.lookups} lookups,"
            f" p50 {1000 * times.percentile(50):.1f} ms,"
            f" p99 {1000 * times.percentile(99):.1f} ms"
            f"{', failed: ' + failed if failed else ''}"
        )
    if result.unanswered:
        yield f"{result.unanswered} questions were answered by no server"
    for kind, count in sorted(result.counts.items()):
        yield f"{kind}: {count}{'' if kind.is_fault else ' (no fault)'}"
    labels = [lookups.label(target) for target in targets]
    for difference in result.differences[:_MANY_SHOWN]:
        yield from shown.lines(shown.as_json(difference, labels), labels[0])
    if (more := len(result.differences) - _MANY_SHOWN) > 0:
        yield f"... and {more} more; -o json has all"


def _as_json(
    result: Comparison, targets: Sequence[Target], seconds: float
) -> dict[str, Any]:
    """Return the result as ``-o json`` prints it; durations are in seconds."""
    labels = [target.label for target in targets]
    return {
        "questions": result.questions,
        "alike": result.questions - result.differing,
        "faults": result.faults,
        "unanswered": result.unanswered,
        "seconds": round(seconds, 3),
        "classes": {str(kind): count for kind, count in sorted(result.counts.items())},
        "servers": [
            probing.as_json(target, tally)
            for target, tally in zip(targets, result.tallies, strict=True)
        ],
        "differences": [shown.as_json(each, labels) for each in result.differences],
    }
