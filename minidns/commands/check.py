"""``minidns check``: validate a Corefile; show every error with its line."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from minidns import plugins
from minidns.commands import serve
from minidns.corefile import blocks
from minidns.corefile.blocks import ConfigError
from minidns.corefile.releases import Release
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.server import edges
from minidns.server.instance import Instance
from minidns.text import terminal
from minidns.text.arguments import Parser, port
from minidns.text.files import describe
from minidns.text.terminal import escaping

_EXAMPLES = {
    "minidns check Corefile": "show every error, or the chain of each zone",
    "kubectl -n kube-system get configmap coredns -o jsonpath={.data.Corefile} "
    "| minidns check -": "check the Corefile of a cluster",
    "minidns check -as 1.11.3 -o json Corefile": "for an older release, as JSON",
}
_COLORS = {"^ok$": terminal.GREEN, r"^\[WARNING\]": terminal.YELLOW}


class Chain(NamedTuple):
    """The plugins that answer for a zone at a listener, in the order of queries."""

    listener: str
    zone: str
    plugins: tuple[str, ...]


class Report(NamedTuple):
    """The result of a check; the Corefile can be served if there are no problems."""

    problems: tuple[ConfigError, ...]
    warnings: tuple[str, ...] = ()
    chains: tuple[Chain, ...] = ()


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns check",
        "Check a Corefile without serving it: show every error with its line, or the "
        "chain of plugins for every listener and zone.",
        _EXAMPLES,
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="Corefile",
        help="file to check, or - for standard input (default: Corefile)",
    )
    parser.add_argument(
        *("-p", "-dns.port"),
        dest="port",
        metavar="PORT",
        type=port,
        default=53,
        help="port of server blocks that name none",
    )
    serve.add_release(parser)
    parser.add_output("text", "json")
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Check the file that ``argv`` names; return 0 when it can be served, else 1."""
    args = parser().parse(argv)
    name, text = "standard input" if args.file == "-" else args.file, ""
    try:
        text = serve.read_stdin() if args.file == "-" else edges.Disk().read(name)
        if "\0" in text:
            text = ""  # no line of it is worth showing
            raise ConfigError(f"{name}: not a text file: it has zero bytes")
        report = asyncio.run(_check(text, name, args.port, args.release))
    except OSError as error:
        report = Report((ConfigError(describe(error)),))
    except ConfigError as error:
        report = Report((error,))
    if args.output == "json":
        print(json.dumps(_as_json(report, name), indent=2))
    else:
        _print(report, text, name)
    return 1 if report.problems else 0


async def _check(text: str, file: str, port: int, release: Release) -> Report:
    world = edges.real(Metrics())
    where = {
        "file": file,
        "files": world.files,
        "environ": world.environ,
        "known": plugins.order(release),
        "port": port,
        "directory": str(Path.cwd()),
    }
    try:
        problems = blocks.problems(text, **where)  # type: ignore[arg-type]  # one dict for both calls
        if problems:
            return Report(problems)
        parsed = blocks.parse(text, **where)  # type: ignore[arg-type]
        return await _set_up(parsed, world, release)
    finally:
        await world.close()


async def _set_up(parsed: blocks.Corefile, world: Edges, release: Release) -> Report:
    """Set up every plugin as if to serve, but start none."""

    async def reload() -> None: ...

    try:
        instance = Instance(
            parsed,
            world,
            Metrics(),
            read=lambda: parsed,
            reload=reload,
            fatal=lambda text: None,
            forget=lambda keys: None,
            release=release,
        )
    except ConfigError as error:
        return Report((error,), parsed.warnings)
    except OSError as error:
        return Report((ConfigError(describe(error)),), parsed.warnings)
    chains = tuple(_chains(instance))
    await instance.stop()
    return Report((), parsed.warnings, chains)


def _chains(instance: Instance) -> Iterator[Chain]:
    for listener in instance.routes:
        for zone in instance.zones_of(listener):
            for site in instance.sites_at(listener, zone):
                yield Chain(str(listener), zone, tuple(site.handlers))


def _print(report: Report, text: str, file: str) -> None:
    for warning in report.warnings:
        terminal.show(f"[WARNING] {warning}", _COLORS, sys.stderr)
    for problem in report.problems:
        _print_problem(problem, text, file)
    if report.problems:
        return
    terminal.show("ok", _COLORS)
    for chain in report.chains:
        names = " > ".join(chain.plugins) or "refuses all"
        print(f"{chain.listener} {chain.zone} {names}")


def _print_problem(problem: ConfigError, text: str, file: str) -> None:
    """Print a problem, the line it is on, and what was probably meant."""
    command = "" if text else "minidns check: "  # the file could not be read
    terminal.show(f"{command}{problem}", {".+": terminal.RED}, sys.stderr)
    lines = text.splitlines()
    if problem.file.endswith(file) and 0 < problem.line <= len(lines):
        shown = lines[problem.line - 1].rstrip().replace("\t", "    ")
        print(f"    {problem.line} | {shown}", file=sys.stderr)
    if problem.hint:
        print(f"    {problem.hint}", file=sys.stderr)


def _as_json(report: Report, file: str) -> dict[str, object]:
    return {
        "file": file,
        "ok": not report.problems,
        "problems": [
            {
                "file": problem.file or file,
                "line": problem.line,
                "message": problem.text,
                "hint": problem.hint,
            }
            for problem in report.problems
        ],
        "warnings": report.warnings,
        "chains": [chain._asdict() for chain in report.chains],
    }
