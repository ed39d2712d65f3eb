"""``minidns probe``: look names up at servers, steadily; count what fails."""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from minidns.commands import lookups
from minidns.dns import rdata
from minidns.dns.model import Question
from minidns.dns.rdata import A
from minidns.dns.resolv_conf import RESOLV_CONF
from minidns.probe import libc
from minidns.probe.exchange import FixedPorts, udp
from minidns.probe.lookup import LookupResult, look_up
from minidns.probe.probing import LookUp, Probed, Tally, probe
from minidns.probe.servers import Target
from minidns.second_dns import session
from minidns.text.arguments import Parser
from minidns.text.terminal import escaping
from minidns.upstream.upstream import joined

NO_FAILURE, FAILURES = 0, 1
_PROGRESS_S = 0.5
_PERCENTILES = (50, 90, 99, 99.9)
_EXAMPLES = {
    "minidns probe 10.96.0.10 10.96.0.20 --name kubernetes.default.svc.cluster.local": (
        "one name, until Ctrl-C"
    ),
    "minidns probe svc/kube-dns pods/kube-dns --from-services --rate 50 --for 10m": (
        "all Services, for ten minutes"
    ),
    "minidns probe 10.96.0.10 --names names.txt --ports fixed -o json": (
        "every lookup as a line of JSON"
    ),
}
_NOTES = """\
servers: 10.96.0.10, 127.0.0.1:5354, svc/NAME (its cluster IP), pods/NAME (each pod)

Ctrl-C ends the probe and prints the summary.

exit status: 0 nothing failed, 1 lookups failed, 2 wrong usage, 4 a server did not
answer at all, or a file or the cluster cannot be read"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns probe",
        "Look names up at DNS servers at a steady rate, as a client does,"
        " and count what fails. All servers get each question at the same moment.",
        _EXAMPLES,
        _NOTES,
    )
    lookups.add_options(parser)
    parser.add_argument(
        "--rate",
        type=lookups.rate,
        default=10,
        metavar="N",
        help="lookups a second at each server",
    )
    parser.add_argument(
        "--for",
        dest="duration",
        type=session.seconds,
        metavar="DURATION",
        help="time to go on (default: until Ctrl-C)",
    )
    parser.add_argument(
        "--count",
        type=_count,
        metavar="N",
        help="lookups to make at each server (default: until Ctrl-C)",
    )
    parser.add_argument(
        "--as",
        dest="library",
        choices=("single", *libc.LIBRARIES),
        default="single",
        help="glibc, musl: look the addresses of a name up as a program does, with"
        " search domains; single: one query for each type",
    )
    parser.add_argument(
        "--resolv-conf",
        metavar="FILE",
        default=RESOLV_CONF,
        help="search domains and options for --as; its name servers are not used",
    )
    parser.add_argument(
        "--ports",
        choices=("fresh", "fixed"),
        default="fresh",
        help="a source port for each query, or one for each server",
    )
    parser.add_output(
        "text",
        "json",
        help_="json: a line for each lookup, and one for the summary (default: text)",
    )
    return parser


def _count(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text[:12]) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text}: a number above 0 is needed")


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = lookups.parse(parser(), argv)
    return lookups.run("probe", lambda: _run(args))


async def _run(args: argparse.Namespace) -> int:
    targets, asked = await lookups.read(args)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    session.on_signals((signal.SIGINT, signal.SIGTERM), stop.set)
    if args.duration is not None:
        loop.call_later(args.duration, stop.set)
    ports, rng = FixedPorts(), Random()
    one = _look_up(args, ports, rng)
    if args.library != "single":
        asked = [Question(name, A) for name in dict.fromkeys(q.qname for q in asked)]

    began = time.monotonic()
    progress = _Progress(sys.stderr.isatty() and args.output == "text")
    tallies = await probe(
        targets,
        asked,
        one,
        rate=args.rate,
        ticks=args.count,
        stop=stop,
        report=_printer(args.output, progress),
        rng=rng,
    )
    ports.close()
    progress.clear()
    seconds = time.monotonic() - began
    if args.output == "json":
        print(json.dumps({"summary": _summary_json(tallies, seconds)}))
    else:
        print("\n".join(_summary(tallies, seconds)))
    return _status(tallies)


def _look_up(args: argparse.Namespace, ports: FixedPorts, rng: Random) -> LookUp:
    """Return how one lookup is made.

    Raises:
        Unusable: the file of --resolv-conf cannot be read.

    """
    if args.library == "single":
        form, exchange = lookups.form(args), ports.udp if args.ports == "fixed" else udp

        async def single(question: Question, target: Target) -> LookupResult:
            return await look_up(question, target.address, form, exchange)

        return single
    text = "\n".join(lookups.lines(args.resolv_conf))

    async def library(question: Question, target: Target) -> LookupResult:
        name = question.qname.removesuffix(".")
        return await libc.look_up_as(args.library, name, target.address, text, rng)

    return library


def _status(tallies: Mapping[Target, Tally]) -> int:
    if any(t.lookups and not t.latencies.count for t in tallies.values()):
        return lookups.UNANSWERED
    return FAILURES if any(t.failed for t in tallies.values()) else NO_FAILURE


class _Progress:
    """One line on the terminal that counts lookups and failures."""

    def __init__(self, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._lookups = self._failures = 0
        self._next = 0.0

    def add(self, probed: Probed) -> None:
        self._lookups += 1
        self._failures += bool(probed.result.failure)
        if self._is_shown and (now := time.monotonic()) >= self._next:
            self._next = now + _PROGRESS_S
            line = f"{self._lookups} lookups, {self._failures} failed"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._is_shown:
            print(end="\r\x1b[K", file=sys.stderr, flush=True)


def _printer(output: str, progress: _Progress) -> Callable[[Probed], None]:
    """Return what prints a lookup: every one as JSON, only failures as text."""

    def as_json(probed: Probed) -> None:
        print(json.dumps(_as_json(probed)))

    def as_text(probed: Probed) -> None:
        progress.add(probed)
        if probed.result.failure:
            progress.clear()
            print(_failure_line(probed), flush=True)

    return as_json if output == "json" else as_text


def _failure_line(probed: Probed) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(probed.at))
    question, result = probed.question, probed.result
    reason = f" ({result.reason})" if result.reason else ""
    return (
        f"{clock}.{int(probed.at * 1000) % 1000:03} {lookups.label(probed.target)}"
        f" {question.qname} {rdata.type_name(question.qtype)}: {result.failure}{reason}"
        f" after {1000 * result.seconds:.1f} ms,"
        f" {result.transport} port {result.source_port} id {result.ident}"
    )


def _as_json(probed: Probed) -> dict[str, Any]:
    """Return a lookup as ``-o json`` prints it."""
    question, result = probed.question, probed.result
    answer = result.answer
    return {
        "time": round(probed.at, 6),
        "server": probed.target.label,
        "address": joined(*probed.target.address),
        "name": question.qname,
        "type": rdata.type_name(question.qtype),
        "transport": result.transport,
        "source_port": result.source_port,
        "id": result.ident,
        "milliseconds": round(1000 * result.seconds, 3),
        "kernel_time": result.is_kernel_time,
        "failure": result.failure,
        "reason": result.reason,
        "rcode": rdata.rcode_name(answer.rcode) if answer else None,
        "records": answer.lines() if answer and answer.records else [],
    }


def _summary(tallies: Mapping[Target, Tally], seconds: float) -> Iterator[str]:
    """Yield the counts of each server for people."""
    for target, tally in tallies.items():
        made = f"{tally.lookups} lookups in {seconds:.1f} s"
        yield f"{lookups.label(target)}: {made}, {_failures(tally)}"
        times = tally.latencies
        if times.count:
            shown = (f"p{p:g} {1000 * times.percentile(p):.2f}" for p in _PERCENTILES)
            yield f"    ms: {', '.join(shown)}, longest {1000 * times.longest_s:.2f}"


def _failures(tally: Tally) -> str:
    """Return the failures in words; without any, the bound that this proves."""
    if not tally.lookups:
        return "none failed"
    if not tally.failed:
        # the rule of three: with 95 % confidence the rate is below 3/n
        bound = min(100.0, 300 / tally.lookups)
        return f"none failed: at 95 % confidence fewer than {bound:.3g} % do"
    share = 100 * tally.failed / tally.lookups
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(tally.failures.items()))
    return f"{tally.failed} failed ({share:.3g} %): {kinds}"


def _summary_json(tallies: Mapping[Target, Tally], seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 3),
        "servers": [
            {
                "server": target.label,
                "address": joined(*target.address),
                "lookups": tally.lookups,
                "failed": tally.failed,
                "failures": tally.failures,
                "milliseconds": {
                    f"p{p:g}": round(1000 * tally.latencies.percentile(p), 3)
                    for p in _PERCENTILES
                },
            }
            for target, tally in tallies.items()
        ],
    }
