"""The command line of the simulation: demo, up, exec, fault, run, resolve, trial."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from minidns.text.terminal import escaping, raw

from .cluster import state
from .scenario import resolve
from .trial import command as trial

INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141

_DESCRIPTION = """\
A simulated cluster on loopback: a Kubernetes API over HTTP, two DNS services with
real minidns processes behind them, pods that look names up, an external resolver."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    result = argparse.ArgumentParser(
        "minidns-sim",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = result.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    demo = verbs.add_parser("demo", help="run the demo and check every claim")
    demo.add_argument(
        "--apply",
        type=Path,
        metavar="FILE",
        help="apply a manifest first, to see checks fail",
    )
    up = verbs.add_parser("up", help="run a cluster for kubectl and exec")
    _add_folder(up)
    up.add_argument(
        "--coredns",
        type=Path,
        metavar="PATH",
        help="run this CoreDNS behind kube-dns, instead of minidns",
    )
    _add_exec(verbs)
    _add_fault(verbs.add_parser("fault", help="faults of the running cluster"))
    _add_run(verbs)
    resolve.add_to(verbs)
    trial.add_to(verbs)
    _add_explore(verbs)
    return result


def _add_exec(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = verbs.add_parser(
        "exec",
        help="run a command in a pod of the running cluster",
        usage="%(prog)s [-h] [--queries] [--state FOLDER] POD -- COMMAND ...",
        epilog="commands: nslookup NAME [TYPE], dig NAME [TYPE], "
        "getent ahosts NAME, resolve RESOLVER NAME, cat /etc/resolv.conf",
    )
    run.add_argument(
        "--queries", action="store_true", help="print every query to standard error"
    )
    _add_folder(run)
    run.add_argument("pod", metavar="[NAMESPACE/]POD")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")


def _add_run(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    play = verbs.add_parser("run", help="play scenarios and check them")
    shown = play.add_mutually_exclusive_group()
    for option, help_ in (
        ("--print", "print the scenarios with their actual output"),
        ("--hash", "print the hash of each trace, too"),
    ):
        shown.add_argument(option, action="store_true", help=help_)
    shown.add_argument("-o", choices=("json",), dest="output", help="print JSON")
    play.add_argument(
        "--seed",
        type=_count,
        metavar="N",
        help="draw chance, and the order of tasks that are ready, from this seed",
    )
    play.add_argument(
        "--without-fault",
        action="store_true",
        help='leave out the commands below "# the fault"',
    )
    play.add_argument("files", nargs="+", metavar="FILE")


def _add_explore(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    explore = verbs.add_parser(
        "explore", help="play random clusters and faults; check every answer"
    )
    for option, default, help_ in (
        ("--seeds", 1000, "number of seeds (%(default)s)"),
        ("--from", 1, "first seed (%(default)s)"),
        ("--jobs", os.cpu_count() or 1, "number of processes (%(default)s)"),
    ):
        explore.add_argument(
            option,
            type=_count,
            default=default,
            metavar="N",
            dest=option[2:] if option != "--from" else "first",
            help=help_,
        )


def _count(text: str) -> int:
    """Return a whole number from 1 up, or raise ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def _add_fault(fault: argparse.ArgumentParser) -> None:
    """Add the commands list, add and clear."""
    actions = fault.add_subparsers(dest="action", required=True, metavar="COMMAND")
    show = actions.add_parser("list", help="list the faults and what they affected")
    show.add_argument("-o", choices=("json",), dest="output", help="print JSON")
    add = actions.add_parser(
        "add",
        help="add a fault, in the words of scenarios",
        epilog="example: minidns-sim fault add 'lose 1/10 link app>node'",
    )
    add.add_argument("words", nargs="+", metavar="WORD")
    clear = actions.add_parser(
        "clear", help="remove the fault with these words, or all"
    )
    clear.add_argument("words", nargs="*", metavar="WORD")
    for action in (show, add, clear):
        _add_folder(action)


def _add_folder(to: argparse.ArgumentParser) -> None:
    folder = state.default_folder()
    to.add_argument(
        "--state",
        type=Path,
        default=folder,
        metavar="FOLDER",
        help=f"folder with the files of the cluster ({folder})",
    )


@escaping
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parser().parse_args(argv)
    try:
        match args.verb:
            case "demo":
                return _demo(args)
            case "up":
                return _up(args)
            case "run":
                return _play(args)
            case "explore":
                from .scenario.explore import command as explore

                return explore.main(sys.stdout, args.first, args.seeds, args.jobs)
            case "fault":
                return _fault(args)
            case "resolve":
                return resolve.run(args)
            case "trial":
                return trial.run(args)
            case _:
                return _exec(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the reader has closed the pipe (``| head``): discard further output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _fail(text: object, status: int = 1) -> int:
    print(f"minidns-sim: {text}", file=sys.stderr)
    return status


def _demo(args: argparse.Namespace) -> int:
    from .api.status import ApiError
    from .demo import tour as demo

    try:
        return _run(demo.run(raw(sys.stdout), args.apply))
    except ApiError as error:
        return _fail(f"--apply {args.apply}: {error}")
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _fail(error)


def _up(args: argparse.Namespace) -> int:
    from .api import private_files
    from .cluster import up
    from .cluster.simulation import NotReady

    try:
        running = state.read(args.state)
    except state.NotUp:
        pass
    else:
        return _fail(f"a cluster is up already in {args.state}: process {running.pid}")
    try:
        private_files.folder(args.state)
        coredns = None if args.coredns is None else up.program(args.coredns)
        return _run(up.run(sys.stdout, args.state, coredns))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is the normal end
    except (NotReady, OSError, ValueError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _fail(error)


def _exec(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    try:
        reply = state.execute(state.read(args.state), args.pod, command)
    except (state.NotUp, LookupError) as error:
        return _fail(error.args[0])
    sys.stdout.write(reply["text"])
    sys.stdout.flush()
    if args.queries:
        for line in reply["queries"]:
            print(line, file=sys.stderr)
    return int(reply["status"])


def _fault(args: argparse.Namespace) -> int:
    try:
        running = state.read(args.state)
        # a quoted fault is one argument: '>' means something to shells
        words = " ".join(getattr(args, "words", ())).split()
        match args.action:
            case "add":
                state.add_fault(running, words)
            case "clear":
                state.clear_faults(running, words)
            case _:
                _print_faults(state.list_faults(running), as_json=bool(args.output))
    except (state.NotUp, LookupError) as error:
        return _fail(error.args[0])
    return 0


def _print_faults(faults: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"faults": faults}, indent=2, ensure_ascii=False))
        return
    for fault in faults:
        hits = "" if fault["hits"] is None else f": {fault['hits']}"
        print(f"{fault['fault']}{hits}")
    if not faults:
        print("no faults")


def _play(args: argparse.Namespace) -> int:
    from .scenario import play as scenario

    show = scenario.Show.RESULT
    if args.print:
        show = scenario.Show.ACTUAL
    elif args.output:
        show = scenario.Show.JSON
    elif args.hash:
        show = scenario.Show.HASH
    try:
        return scenario.main(
            args.files,
            sys.stdout,
            show,
            args.seed,
            without_fault=args.without_fault,
        )
    except UnicodeDecodeError:
        return _fail("a file is not UTF-8 text: a scenario is text or Markdown")
    except (OSError, ValueError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _fail(_reason(error))


def _reason(error: Exception) -> str:
    """Return what went wrong, with the file of an OSError in front."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _run(work: Coroutine[Any, Any, int | None]) -> int:
    """Run ``work``; SIGTERM cancels it as Ctrl-C does."""
    terminated = False

    async def watched() -> int | None:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        return await work

    try:
        return asyncio.run(watched()) or 0
    except asyncio.CancelledError:
        if not terminated:
            raise
        return TERMINATED


if __name__ == "__main__":
    sys.exit(main())
