"""``minidns check``: validate a Corefile; show every error with its line."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from minidns import plugins
from minidns.corefile import blocks, releases
from minidns.corefile.blocks import ConfigError
from minidns.corefile.releases import Release
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.server import edges
from minidns.server.instance import Instance
from minidns.text.files import describe
from minidns.text.terminal import escaping


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        "minidns check", description="Check a Corefile without serving it."
    )
    parser.add_argument(
        "file", nargs="?", default="Corefile", help="file to check (Corefile)"
    )
    parser.add_argument(
        "-p",
        "-dns.port",
        dest="port",
        metavar="PORT",
        type=_port,
        default=53,
        help="port of server blocks that name none (53)",
    )
    parser.add_argument(
        "-as",
        "--as",
        dest="release",
        metavar="VERSION",
        type=releases.argument,
        default=releases.NEWEST,
        help=f"release of CoreDNS to behave as ({releases.NEWEST})",
    )
    return parser


def _port(text: str) -> int:
    """Return the port that ``text`` names.

    Raises:
        argparse.ArgumentTypeError: it names none.

    """
    if not (text.isascii() and text.isdecimal() and int(text[:6]) < 65536):
        raise argparse.ArgumentTypeError(f"{text}: not a port (0 to 65535)")
    return int(text)


@escaping
def main(argv: Sequence[str]) -> int:
    """Check the file that ``argv`` names; return 0 when it can be served, else 1."""
    args = parser().parse_args(argv)
    try:
        text = edges.Disk().read(args.file)
    except OSError as exc:
        print(describe(exc), file=sys.stderr)
        return 1
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return 1
    return asyncio.run(_check(text, args.file, args.port, args.release))


async def _check(text: str, file: str, port: int, release: Release) -> int:
    world = edges.real(Metrics())
    where = {
        "file": file,
        "files": world.files,
        "environ": world.environ,
        "known": plugins.order(release),
        "port": port,
        "directory": str(Path.cwd()),
    }
    problems = blocks.problems(text, **where)  # type: ignore[arg-type]  # one dict for both calls
    if not problems:
        parsed = blocks.parse(text, **where)  # type: ignore[arg-type]
        for warning in parsed.warnings:
            print(f"[WARNING] {warning}", file=sys.stderr)
        loaded, problems = _set_up(parsed, world, release)
        if loaded is not None:
            for line in _summary(loaded):
                print(line)
            await loaded.stop()
    await world.close()
    for problem in problems:
        _show(problem, text, file)
    return 1 if problems else 0


def _set_up(
    parsed: blocks.Corefile, world: Edges, release: Release
) -> tuple[Instance | None, tuple[ConfigError, ...]]:
    """Set up every plugin as if to serve, but start none."""

    async def reload() -> None: ...

    try:
        return Instance(
            parsed,
            world,
            Metrics(),
            read=lambda: parsed,
            reload=reload,
            fatal=lambda text: None,
            forget=lambda keys: None,
            release=release,
        ), ()
    except ConfigError as exc:
        return None, (exc,)
    except OSError as exc:
        return None, (ConfigError(describe(exc)),)


def _summary(loaded: Instance) -> Iterator[str]:
    yield "ok"
    for listener in loaded.routes:
        for zone in loaded.zones_of(listener):
            for site in loaded.sites_at(listener, zone):
                chain = " > ".join(site.handlers) or "refuses all"
                yield f"{listener} {zone} {chain}"


def _show(problem: ConfigError, text: str, file: str) -> None:
    """Print a problem, the line it is on, and what was probably meant."""
    print(problem, file=sys.stderr)
    lines = text.splitlines()
    if problem.file.endswith(file) and 0 < problem.line <= len(lines):
        shown = lines[problem.line - 1].rstrip().replace("\t", "    ")
        print(f"    {problem.line} | {shown}", file=sys.stderr)
    if problem.hint:
        print(f"    {problem.hint}", file=sys.stderr)
