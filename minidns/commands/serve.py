"""The serving command: ``minidns`` without another command, as CoreDNS is started."""

import argparse
import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from minidns import __version__
from minidns.corefile import releases
from minidns.laptop import LISTEN
from minidns.text.arguments import Parser, host_port, port

if TYPE_CHECKING:  # imported when needed, so that --help and --version are quick
    from minidns.server.process import Settings, Started

_DESCRIPTION = """\
A cluster DNS that reads CoreDNS's Corefile, answers as CoreDNS does, and says why.

With -conf (or a Corefile in this folder) it serves what that file says, as CoreDNS \
would; with --kubeconfig it serves that cluster's names on this machine."""
_EXAMPLES = {
    "minidns -conf Corefile -dns.port 1053": "serve a Corefile without root",
    "minidns -conf Corefile -as 1.11.3": "behave as an older release of CoreDNS",
    "minidns --kubeconfig ~/.kube/config": "serve a cluster's names on this machine",
}

EXPLAIN = "127.0.0.1:8053"
"""Default address of the endpoint that ``minidns why`` asks."""


def parser(notes: str = "") -> Parser:
    """Return the parser of the serving command; flags may have one dash or two.

    ``notes`` are the end of its help.
    """
    serving = Parser("minidns", _DESCRIPTION, _EXAMPLES, notes)
    serving.add_argument(
        *("-conf", "--conf"),
        metavar="FILE",
        help="Corefile to serve, or stdin (default: the file Corefile, if it exists)",
    )
    serving.add_argument(
        *("-dns.port", "--dns.port", "-p", "--p"),
        dest="port",
        metavar="PORT",
        type=port,
        default=53,
        help="port of server blocks that name none",
    )
    serving.add_argument(
        *("-pidfile", "--pidfile"),
        metavar="FILE",
        help="write the process ID to this file; "
        "a link or anything else but a regular file is refused",
    )
    add_release(serving)
    _flag(
        serving, "plugins", "list the plugins in the order queries meet them, and exit"
    )
    _flag(serving, "version", "show the version and exit")
    _flag(serving, "quiet", "do not print zones and version at start")
    serving.add_argument(
        *("-explain", "--explain"),
        metavar="HOST:PORT",
        type=explain_address,
        help=f"address of the endpoint for minidns why; off: none (default: {EXPLAIN})",
    )
    serving.add_argument(
        *("-shadow", "--shadow"),
        metavar="SERVERS",
        help="also ask these servers what clients asked (plugin shadow), such as"
        " kube-system/kube-dns or 10.244.0.2,10.244.0.3",
    )
    serving.add_argument(
        *("-log.format", "--log.format"),
        dest="log_format",
        choices=("text", "json"),
        default="text",
        help="form of log lines",
    )
    group = serving.add_argument_group("on a laptop, without a Corefile")
    group.add_argument(
        "--kubeconfig", metavar="FILE", help="serve this cluster's names"
    )
    add_laptop_options(group.add_argument)
    serving.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    return serving


def explain_address(text: str) -> str:
    """Return the address of the endpoint for *why*, or ``off`` for none.

    Raises:
        argparse.ArgumentTypeError: it is neither.

    """
    return text if text == "off" else host_port(text)


def add_release(serving: Parser) -> None:
    """Add the option that selects the release of CoreDNS to behave as."""
    serving.add_argument(
        *("-as", "--as"),
        dest="release",
        metavar="VERSION",
        type=releases.argument,
        default=releases.NEWEST,
        help="release of CoreDNS to behave as",
    )


def add_laptop_options(add: Callable[..., object]) -> None:
    """Add the options that the serving command and *up* have in common."""
    add(
        "--context",
        metavar="NAME",
        help="context in the kubeconfig (default: its current one)",
    )
    add(
        "--listen",
        metavar="HOST:PORT",
        type=host_port,
        default=LISTEN,
        help="address to listen at",
    )
    add(
        "--alias",
        metavar="ZONE",
        action="append",
        default=[],
        help="a zone with the same names as cluster.local, such as k8s.internal;"
        " may be repeated",
    )
    add(
        "--resolv-conf",
        metavar="FILE",
        help="forward other names to the servers in this file"
        " (default: the machine's own)",
    )


def _flag(serving: Parser, name: str, help_: str) -> None:
    serving.add_argument(f"-{name}", f"--{name}", action="store_true", help=help_)


def main(
    argv: Sequence[str], prefix: str = "", started: "Started | None" = None
) -> int:
    """Serve as ``argv`` says; return the exit status.

    ``prefix`` is the start of error messages; ``started`` is called once, when the
    server answers.
    """
    return run(parser().parse(argv), prefix, started)


def _fail(text: str) -> int:
    sys.stdout.flush()
    print(text, file=sys.stderr)
    return 1


def _another_port(error: BaseException | None, args: argparse.Namespace) -> str:
    """Return how to choose another port, if ``error`` is about a port."""
    is_port = (
        isinstance(error, OSError)
        and error.errno in (errno.EADDRINUSE, errno.EACCES)
        and not error.filename
    )
    if not is_port:
        return ""
    if args.kubeconfig:
        return "; choose another port: --listen 127.0.0.1:5355"
    return "; choose another port: in the Corefile, or -dns.port 1053"


def show_version() -> int:
    """Print the versions of minidns and Python; return exit status 0."""
    print(f"minidns-{__version__}")
    print(f"{sys.platform}, python{sys.version.split()[0]}")
    return 0


def run(
    args: argparse.Namespace, prefix: str = "", started: "Started | None" = None
) -> int:
    """Serve as ``args`` of the parser say; return the exit status; see ``main``.

    Without a ``prefix`` an error in a line of a Corefile begins with its place, as in
    CoreDNS, and any other with the name of the program.
    """
    named = prefix or "minidns: "
    if args.words:
        return _fail(f"{named}extra command line arguments: [{' '.join(args.words)}]")
    if args.version:
        return show_version()
    if args.plugins:
        from minidns import plugins

        print("Server types:\n  dns\n\nOther plugins:")
        print("\n".join(f"  dns.{name}" for name in plugins.names(args.release)))
        return 0
    import asyncio  # not at the top, so that commands with one query start quickly

    from minidns.corefile.blocks import ConfigError
    from minidns.metrics.registry import Metrics
    from minidns.server import edges, logs
    from minidns.server.process import Server
    from minidns.text.files import describe

    logs.start(args.log_format)
    try:
        settings, welcome = (
            _laptop(args) if args.kubeconfig else (_settings(args), None)
        )
        _write_pid(args.pidfile)
        metrics = Metrics()

        def on_start(server: Server) -> None:
            for call in filter(None, (started, welcome)):
                call(server)

        server = Server(settings, edges.real(metrics), metrics, on_start)
        return asyncio.run(server.run())
    except ConfigError as exc:
        hint = f"; {exc.hint}" if exc.hint else _another_port(exc.__cause__, args)
        return _fail(f"{prefix if exc.line else named}{exc}{hint}")
    except OSError as exc:
        return _fail(named + describe(exc))


def _settings(args: argparse.Namespace, text: str = "") -> "Settings":
    from minidns.server.process import Settings

    quiet, name = args.quiet or bool(text), "Corefile"
    file = args.conf or ("Corefile" if os.path.exists("Corefile") else "")
    if file == "stdin":
        text, name = read_stdin(), "/dev/stdin"
    return Settings(
        file="" if text or file == "stdin" else file,
        text=text,
        name=name,
        port=args.port,
        quiet=quiet,
        explain="" if args.explain == "off" else args.explain or EXPLAIN,
        explain_required=bool(args.explain),
        release=args.release,
        shadow=tuple((args.shadow or "").replace(",", " ").split()),
        log_format=args.log_format,
    )


def read_stdin() -> str:
    """Return the Corefile on standard input.

    Raises:
        ConfigError: it is not UTF-8.

    """
    from minidns.corefile.blocks import ConfigError

    try:
        return sys.stdin.read()
    except UnicodeDecodeError as exc:
        raise ConfigError("standard input: the Corefile is not UTF-8 text") from exc


def _laptop(args: argparse.Namespace) -> "tuple[Settings, Started]":
    """Return the settings that serve the cluster of ``--kubeconfig``."""
    from pathlib import Path

    from minidns.corefile.blocks import ConfigError
    from minidns.dns.networks import is_address
    from minidns.http.endpoint import split
    from minidns.laptop import corefile as laptop
    from minidns.system.addresses import interfaces

    kubeconfig = str(Path(args.kubeconfig).expanduser())
    context = args.context or ""
    name = laptop.cluster(kubeconfig, context)
    host, number = split(args.listen)
    if host and not is_address(host.partition("%")[0]) and host not in interfaces():
        raise ConfigError(
            f"--listen {args.listen}: HOST must be an IP address or an interface of"
            f" this machine, such as {LISTEN}"
        )
    host, aliases = host or "127.0.0.1", [laptop.alias(zone) for zone in args.alias]
    upstream = args.resolv_conf or laptop.resolv_conf()
    text = laptop.corefile(kubeconfig, context, host, int(number), aliases, upstream)
    return _settings(args, text), laptop.Welcome(name, host, aliases, upstream)


def _write_pid(path: str | None) -> None:
    """Write the process id to ``path``, whole or not at all.

    Others may be able to write to the folder: a link or device that they put there is
    neither followed nor written to.

    Raises:
        OSError: it cannot be written, or something other than a file is there.

    """
    if not path:
        return
    import tempfile

    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise FileExistsError(errno.EEXIST, "not a regular file", path)
    try:
        file, new = tempfile.mkstemp(prefix=".minidns-pid-", dir=os.path.dirname(path))
    except OSError as exc:  # its file name is that of the temporary file
        raise OSError(exc.errno, exc.strerror, path) from exc
    try:
        with open(file, "w") as out:
            os.fchmod(file, 0o644)
            out.write(f"{os.getpid()}\n")
        os.rename(new, path)  # which replaces a link rather than follow it
    except BaseException:
        os.unlink(new)
        raise
