"""``minidns trial``: find out in a cluster whether CoreDNS is to blame."""

import argparse
import asyncio
import os
import secrets
import shlex
import signal
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import SystemRandom

from minidns.commands import lookups, trial_export
from minidns.commands.lookups import Unusable
from minidns.kubernetes.resources import ApiError
from minidns.probe.questions import WrongLine
from minidns.second_dns import corefile, interceptors, manifests, running, session
from minidns.second_dns.session import Refusal, Session
from minidns.text.arguments import Parser
from minidns.text.files import describe
from minidns.text.terminal import escaping, raw
from minidns.trial.integrity import Seal
from minidns.trial.live import (
    build,
    client,
    ground,
    load,
    names,
    preview,
    rights,
    view,
)
from minidns.trial.live.conduct import Conduct, Pace
from minidns.trial.live.ground import Ground
from minidns.trial.live.names import Wanted
from minidns.trial.live.objects import Design
from minidns.trial.live.remote import Lost
from minidns.trial.report.facts import EXIT_STATUS, Report, Setup, report
from minidns.trial.report.formats import FORMATS
from minidns.trial.run import EPISODES_PER_SPAN, interval_s
from minidns.trial.statistics import EPISODE_S, lookups_needed

STOPPED = 130
"""Exit status of a trial that was stopped before its first lookup."""
_FORMS = {".txt": "text", ".md": "markdown", ".json": "json", ".html": "html"}
"""The formats of reports by the suffix of the file."""
EXPORT = "export"
"""The action that has options of its own; it stands before them."""
MOST_CLIENTS = 20
MOST_MERGING = 0.5
"""The part of the failures that may merge with others where time is short."""
_EXAMPLES = {
    "minidns trial run --from-services shop -n shop --for 30m": "look up the Services "
    "of a namespace, from its pods' place",
    "minidns trial run --names names.txt --rate 1/100 --report trial.html": "find a "
    "fault that fails 1 lookup in 100, and write a page",
    "minidns trial export trial.json > trial.md": "write the report under other names,"
    " for others, with what minidns-sim can replay",
    "minidns trial clean": "remove what a trial left that was killed",
}
_NOTES = """\
The exit status says who is to blame: 0 nobody (not reproduced), 3 undecided, 10 to 13
CoreDNS, 20 to 28 something else; see docs/verdict.md."""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns trial",
        "Find out whether CoreDNS is to blame for failed lookups: put minidns beside"
        " it, look names up over several ways at the same moment, and name who fails.",
        _EXAMPLES,
        _NOTES,
    )
    parser.add_argument(
        "action",
        choices=("run", "clean", EXPORT),
        help="run a trial, remove what trials have left in the cluster, or write a"
        " report under other names (see minidns trial export --help)",
    )
    lookups.add_source(parser)
    _add_search(parser)
    _add_places(parser)
    parser.add_argument(
        "--report",
        action="append",
        type=_report_file,
        metavar="FILE",
        default=[],
        help=f"write the report to FILE ({', '.join(_FORMS)}); may be repeated",
    )
    parser.add_output(*FORMATS, help_="format of the report on standard output")
    session.add_yes(parser)
    session.add_options(parser)
    parser.set_defaults(repeat="minidns trial run")
    return parser


def _add_search(parser: Parser) -> None:
    """Add the options that say what is looked for."""
    parser.add_argument(
        "--rate",
        type=_rate,
        metavar="RATE",
        default=Fraction(1, 1000),
        help="rate of failed lookups that the trial must find, such as 1/1000",
    )
    parser.add_argument(
        "--for",
        dest="duration",
        type=session.seconds,
        default="30m",
        metavar="DURATION",
        help="time after which the trial ends without a verdict",
    )
    parser.add_argument(
        "--per-replica",
        type=lookups.rate,
        metavar="N",
        help="lookups a second that each CoreDNS pod may get (default: 5 %% of what it"
        " answers anyway, 1 at least)",
    )


def _add_places(parser: Parser) -> None:
    """Add the options that say where things are and what they are made of."""
    parser.add_argument(
        "-n",
        "--namespace",
        default="default",
        help="namespace of the pods that make the lookups",
    )
    parser.add_argument(
        "--dns-namespace",
        default=running.NAMESPACE,
        metavar="NAMESPACE",
        help="namespace of kube-dns",
    )
    parser.add_argument(
        "--from",
        dest="service",
        metavar="SERVICE",
        default="",
        help="Service of the cluster's DNS, or its ClusterIP, if it cannot be found by"
        " its name or may not be read",
    )
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        metavar="NAME",
        help="node of the pods that make the lookups; may be repeated (default: any)",
    )
    parser.add_argument(
        "--clients",
        type=_clients,
        metavar="N",
        default=2,
        help="number of pods that make the lookups",
    )
    parser.add_argument(
        "--image", metavar="REF", default=manifests.IMAGE, help="image of minidns"
    )
    parser.add_argument(
        "--version",
        metavar="VERSION",
        default="",
        help="put another release of CoreDNS beside, to tell it from this one",
    )
    parser.add_argument(
        "--timeout",
        type=session.seconds,
        default="2m",
        metavar="DURATION",
        help="time to wait for the pods to be ready",
    )


def _rate(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= Fraction(1, 2):
        raise argparse.ArgumentTypeError(
            f"{text}: a rate up to 1/2 is needed, such as 1/1000"
        )
    return value


def _clients(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= MOST_CLIENTS):
        raise argparse.ArgumentTypeError(
            f"{text}: a number of pods is needed (1 to {MOST_CLIENTS})"
        )
    return int(text)


def _report_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _FORMS:
        raise argparse.ArgumentTypeError(
            f"{text}: its name must end in one of {', '.join(_FORMS)}"
        )
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text}: not a file that can be written")
    return path


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    if list(argv) == ["client"]:  # what the pods of a trial run
        asyncio.run(client.main())
        return 0
    if list(argv[:1]) == [EXPORT]:
        return trial_export.main(argv[1:])
    arguments = parser()
    args = arguments.parse(argv)
    if args.action == EXPORT:
        arguments.error("export must come first: see minidns trial export --help")
    if args.action == "run":
        lookups.check_source(arguments, args)
    args.repeat = shlex.join(["minidns", "trial", *argv])
    return session.run(f"minidns trial {args.action}", args, trial)


async def trial(args: argparse.Namespace, session: Session) -> int:
    """Run the command with parsed arguments; return the exit status."""
    if args.action == "clean":
        return await _clean(args, session)
    return await _run(args, session)


async def _clean(args: argparse.Namespace, session: Session) -> int:
    """Remove the objects of all trials; return the exit status."""
    where = await build.namespaces(session.api, (args.dns_namespace, args.namespace))
    hidden = await rights.missing(session.api, map(rights.to_see, where))
    if hidden:
        session.tell(f"note: not looked at, not allowed: {', '.join(map(str, hidden))}")
    if len(hidden) == len(where):
        raise Refusal("whether something is left of a trial cannot be seen")
    deleted = await build.clean(session, where)
    for ref in deleted:
        session.tell(f"{ref}: deleted")
    if not deleted:
        session.tell("nothing is left of a trial" + " elsewhere" * bool(hidden))
    return 0


async def _run(args: argparse.Namespace, session: Session) -> int:
    """Run a trial; return the exit status."""
    rng = SystemRandom()
    seen = await ground.read(
        session, args.dns_namespace, args.service, args.namespace, args.node
    )
    await build.check_free(session, (args.dns_namespace, args.namespace))
    design = _design(args, seen, Seal.random(rng))
    per_replica = args.per_replica or await _per_replica(session, design)
    pace = _pace(args, design, per_replica)
    wanted = await _wanted(args, session, design, pace, rng)
    remarks = [*seen.remarks, *map(str, await interceptors.detect(session, []))]
    for line in preview.lines(design, pace, wanted):
        session.tell(line)
    for remark in remarks:
        session.tell(f"note: {remark}")
    if not await session.ask("Create these objects and begin?"):
        raise Refusal("nothing was created: you did not confirm")
    conduct = Conduct(session, design, wanted, pace, rng)
    reason = await _to_its_end(conduct, args.timeout)
    if reason:
        session.tell(f"minidns trial run: {reason}")
    if not conduct.has_begun or conduct.ledger is None or conduct.verdict is None:
        if not reason:
            session.tell("minidns trial run: stopped before the first lookup")
        return 1 if reason else STOPPED
    setup = Setup(conduct.started, args.repeat, session.api.server)
    return _tell(args, session, report(conduct.ledger, conduct.verdict, setup))


def _design(args: argparse.Namespace, seen: Ground, seal: Seal) -> Design:
    return Design(
        f"minidns-trial-{secrets.token_hex(3)}",
        args.image,
        args.duration,
        seen.service,
        seen.server,
        seen.config,
        seen.pods,
        args.namespace,
        seal,
        len(seen.pods) if seen.may_relay else 0,
        args.clients,
        tuple(args.node),
        _other(args.version, seen) if args.version else "",
    )


def _other(version: str, seen: Ground) -> str:
    """Return the image of CoreDNS's release ``version``."""
    if seen.server is None:
        raise Refusal(f"--version {version}: nothing may be put beside CoreDNS")
    image = corefile.coredns_image(seen.server, version)
    if image is None:
        raise Refusal(
            f"--version {version}: {corefile.image_of(seen.server)}, the image of "
            "kube-dns, is not CoreDNS, so there is no other release of it"
        )
    return image


async def _wanted(
    args: argparse.Namespace,
    session: Session,
    design: Design,
    pace: Pace,
    rng: SystemRandom,
) -> list[Wanted]:
    args.type, args.zone = ["A"], design.domain
    try:
        questions = await lookups.questions_of(args, session.api)
    except (Unusable, WrongLine) as error:
        raise Refusal(str(error)) from error
    # to look each of them up beforehand takes a tenth of the time at most
    most = min(max(int(0.1 * pace.limit_s / pace.interval_s), 1), names.MOST_NAMES)
    found = await names.wanted(
        questions, session.api, args.zone, args.namespace, rng, most
    )
    if len(found) == most < len(questions):
        session.tell(f"note: of {len(questions)} questions {most} names are drawn")
    return found


async def _per_replica(session: Session, design: Design) -> float:
    """Return how many lookups a second each CoreDNS pod may get, by its own load."""
    found = None
    if design.server is not None:
        port = manifests.reachable(corefile.read_needs(design.server).metrics)
        meta = design.service["metadata"]
        pods = design.pods.values()
        found = await load.queries_per_s(session, meta["namespace"], pods, port)
    if found is None:
        session.tell("note: the load of CoreDNS's pods cannot be read (pods/proxy)")
    else:
        session.tell(f"CoreDNS's pods answer {found:.3g} queries a second or more")
    return load.allowed(found)


def _pace(args: argparse.Namespace, design: Design, per_replica: float) -> Pace:
    rate = float(args.rate)
    # as many lookups as a verdict may need within the time, if that does no harm
    ticks_per_s = 1.5 * lookups_needed(rate, view.EPISODES) / args.duration
    merging = min(max(ticks_per_s * EPISODE_S * rate, EPISODES_PER_SPAN), MOST_MERGING)
    between = interval_s(rate, len(design.pods), per_replica, merging)
    return Pace(rate, args.duration, between)


async def _to_its_end(conduct: Conduct, timeout_s: float) -> str:
    """Run a trial until it is over or is stopped; remove it; return what went wrong."""
    tell = conduct.session.tell
    terminal = raw(sys.stderr) if sys.stderr.isatty() else None
    work = asyncio.ensure_future(conduct.run(timeout_s))
    showing = asyncio.ensure_future(view.follow(conduct, terminal))

    def stop() -> None:
        if work.cancel():
            tell("stopping; the objects of the trial are removed")
        else:
            tell("the objects of the trial are being removed; please wait")

    session.on_signals((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), stop)
    reason = ""
    try:
        await work
    except asyncio.CancelledError:
        pass
    except (Refusal, Lost, ApiError) as error:
        reason = str(error)
    finally:
        showing.cancel()
        await conduct.remove()
    return reason


def _tell(args: argparse.Namespace, session: Session, facts: Report) -> int:
    """Print and write the report; return the exit status."""
    session.out(FORMATS[args.output](facts))
    for path in args.report:
        try:
            path.write_text(FORMATS[_FORMS[path.suffix]](facts) + "\n")
        except OSError as error:
            session.tell(f"minidns trial run: --report {path}: {describe(error)}")
    return EXIT_STATUS[facts.verdict]
